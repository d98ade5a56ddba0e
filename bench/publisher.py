"""The one publisher for all servers: commands made beforehand, on a plain socket, at absolute moments.

A process of its own, `python -m bench.publisher HOST PORT`: one JSON request a line on stdin, one JSON answer on
stdout. It never waits for Redis's answers; it only takes them off the socket.
"""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import time
from collections.abc import Sequence
from typing import Any

from bench import message
from bench.message import Route

SHORTEST_SLEEP_S = 0.0002


class Publisher:
    """Sends the events of its routes round robin at a rate."""

    def __init__(self, host: str, port: int) -> None:
        self._socket = socket.create_connection((host, port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.routes: Sequence[Route] = ()

    def run(self, step: int, rate: float, seconds: float) -> dict[str, float]:
        """Send `rate` events a second in all; each route gets its share. Returns how many, and how late the latest."""
        routes, sendall, now_ns = self.routes, self._socket.sendall, time.monotonic_ns
        each = max(1, round(rate * seconds / len(routes)))
        total = each * len(routes)
        gap_ns = 1e9 / rate
        start_ns = now_ns() + 1_000_000
        sent = latest_ns = 0
        while sent < total:
            now = now_ns()
            due = min(total, int((now - start_ns) / gap_ns) + 1) if now >= start_ns else 0
            if due <= sent:
                time.sleep(max(SHORTEST_SLEEP_S, (start_ns + sent * gap_ns - now) / 1e9))
                continue
            latest_ns = max(latest_ns, now - int(start_ns + sent * gap_ns))
            commands = [
                routes[place % len(routes)].command(message.mark(step, place // len(routes), now))
                for place in range(sent, min(due, sent + 256))
            ]
            sent += len(commands)
            sendall(b"".join(commands))
            self._take_answers()
        seconds_taken = (now_ns() - start_ns) / 1e9
        self._wait_for_redis()
        return {"sent": total, "each": each, "seconds": seconds_taken, "latest_ms": latest_ns / 1e6}

    def _take_answers(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._socket.recv(1 << 16, socket.MSG_DONTWAIT):
                pass

    def _wait_for_redis(self) -> None:
        """Return once Redis has taken everything."""
        self._socket.sendall(message.resp(b"ECHO", b"all-taken"))
        seen = b""
        while b"all-taken" not in seen:
            seen = seen[-16:] + self._socket.recv(1 << 16)


def route(spec: dict[str, Any]) -> Route:
    """A route from its description; see `bench.contenders`."""
    room, padding = spec["room"], spec.get("padding", 0)
    match spec["how"]:
        case "stock":
            return message.stock(room, padding)
        case "node":
            return message.node(room, padding)
        case "publish":
            channel = f"{spec['prefix']}task:{room}"
            return message.Published(channel, spec["epoch"], spec["seq"], message.body(room, padding))
        case "script":
            return message.script(spec["sha"], spec["prefix"], room, padding)
        case "script and lines":
            lines = message.ScriptLines(spec["sha"], spec["prefix"], room, spec["first_line"], padding)
            return message.Lines(message.script(spec["sha"], spec["prefix"], room, padding), lines)
    raise ValueError(f"no route is called {spec['how']!r}")


def main() -> None:
    """Serve requests until stdin ends."""
    publisher = Publisher(sys.argv[1], int(sys.argv[2]))
    for line in sys.stdin:
        request = json.loads(line)
        if "routes" in request:
            publisher.routes = [route(spec) for spec in request["routes"]]
            answer: dict[str, Any] = {"routes": len(publisher.routes)}
        else:
            answer = publisher.run(**request)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
