"""The load generator: thousands of clients that connect, join and receive, in one process of its own.

`python -m bench.load`: one JSON request a line on stdin, one JSON answer on stdout. Between requests it receives.
"""

from __future__ import annotations

import json
import os
import select
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench import stats
from bench.clients import Client, Opening, open_clients
from bench.drain import CDrain, Drain, PythonDrain, compiled

SLICE_S = 0.02
QUIET_S = 1.5


class Load:
    """Groups of clients and the loop that receives for them."""

    def __init__(self) -> None:
        library = compiled()
        self.kind = "C" if library else "Python"
        self._drains: dict[str, Drain] = {"plain": CDrain(library) if library else PythonDrain()}
        self._groups: dict[str, list[Client]] = {}
        self._began = self._used = self._waited = 0.0
        self._turn = 0

    def open(self, group: str, receive: bool = True, **request: Any) -> dict[str, Any]:
        """Connect and join clients; with `receive` false nothing is read after that. Returns acks by room and times."""
        used, waited = cpu_s(), waited_s()
        opening = Opening(**request)
        took_s = open_clients(opening, self.turn)
        self._groups[group] = opening.joined
        if receive:
            for client in opening.joined:
                self._drain(client).add(client.sock, client.rest, client.inflater)
        return {
            "joined": len(opening.joined),
            "failed": opening.failed,
            "reason": opening.reason,
            "seconds": took_s,
            "busy": (cpu_s() - used + waited_s() - waited) / took_s,
            "acks": opening.acks,
            "deflated": sum(client.inflater is not None for client in opening.joined),
        }

    def close(self, group: str) -> dict[str, int]:
        """Close a group's sockets."""
        clients = self._groups.pop(group, [])
        for client in clients:
            self._drain(client).remove(client.sock)
            client.sock.close()
        return {"closed": len(clients)}

    def begin(self, step: int, half: int) -> dict[str, str]:
        """Count from here on the events of this step."""
        for drain in self._drains.values():
            drain.reset(step, half)
        self._began, self._used, self._waited = time.monotonic(), cpu_s(), waited_s()
        return {"kind": self.kind}

    def pause(self) -> dict[str, float]:
        """The sender has finished: note how busy this process was until now."""
        took_s = time.monotonic() - self._began
        used, waited = cpu_s() - self._used, waited_s() - self._waited
        self._share = {"cpu": used / took_s, "waited": waited / took_s}
        return self._share

    def finish(self, expected: int, timeout_s: float = 10.0) -> dict[str, Any]:
        """Receive until all that was sent has come, or nothing comes any more; then say what was seen."""
        deadline = time.monotonic() + timeout_s
        seen, moved = -1, time.monotonic()
        while (received := self._received()) < expected and time.monotonic() < deadline:
            if received != seen:
                seen, moved = received, time.monotonic()
            elif time.monotonic() - moved > QUIET_S:
                break
            self.turn(SLICE_S)
        return self._report()

    def figures(self) -> dict[str, Any]:
        """What was seen so far, without waiting."""
        return self._report()

    def turn(self, seconds: float) -> None:
        """Receive for a moment."""
        for drain in self._drains.values():
            drain.run(seconds / len(self._drains))

    def _drain(self, client: Client) -> Drain:
        if client.inflater is None:
            return self._drains["plain"]
        return self._drains.setdefault("compressed", PythonDrain())

    def _received(self) -> int:
        return sum(drain.figures().received for drain in self._drains.values())

    def _report(self) -> dict[str, Any]:
        all_figures = [asdict(drain.figures()) for drain in self._drains.values()]
        figures: dict[str, Any] = {name: sum(each[name] for each in all_figures) for name in all_figures[0]}
        halves = [drain.latencies() for drain in self._drains.values()]
        first, second = ([sum(cells) for cells in zip(*(half[i] for half in halves), strict=True)] for i in (0, 1))
        both = [one + other for one, other in zip(first, second, strict=True)]
        figures |= {
            "p50_ms": stats.percentile(both, 0.5),
            "p99_ms": stats.percentile(both, 0.99),
            "max_ms": stats.percentile(both, 1.0),
            "early_ms": stats.percentile(first, 0.5),
            "late_ms": stats.percentile(second, 0.5),
        }
        return figures


def cpu_s() -> float:
    """The processor time of this process, in seconds."""
    return time.process_time()


def waited_s() -> float:
    """How long this process's main thread was ready to run and had no core to run on, in seconds; 0 where unknown."""
    try:
        return int(Path("/proc/self/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0


def main() -> None:
    """Serve requests until stdin ends."""
    load = Load()
    commands = sys.stdin.fileno()
    pending = b""
    while True:
        while b"\n" not in pending:
            if select.select([commands], [], [], 0)[0]:
                chunk = os.read(commands, 1 << 16)
                if not chunk:
                    return
                pending += chunk
            else:
                load.turn(SLICE_S)
        line, _, pending = pending.partition(b"\n")
        request = json.loads(line)
        answer = getattr(load, request.pop("do"))(**request)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
