"""A command as processes, seen from the job: a pty to read from, a keeper to talk to (keeper.py), what runs.

One rule: when this object is closed, whatever the reason, nothing that the command started is left.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import socket
import struct
import subprocess
import sys
import termios
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

KEEPER = Path(__file__).with_name("keeper.py")
ROWS, COLUMNS = 32, 120
READ = 64 * 1024
READS_A_TURN = 64
CLOSED_WITHIN_S = 15.0
CLEAN_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Spec:
    """What to run. `limits` maps names of RLIMIT_… to numbers."""

    argv: list[str]
    folder: str
    environment: dict[str, str]
    marker: str
    limits: dict[str, int] = field(default_factory=dict)
    stop_grace_s: float = 2.0
    new_privileges: bool = False


@dataclass(frozen=True, slots=True)
class Usage:
    """What runs now, in percent of one core and in bytes. A process is (pid, depth, name, CPU, bytes)."""

    count: int
    cpu_percent: float
    memory_bytes: int
    processes: list[tuple[int, int, str, float, int]]


class Launch:
    """One started command. Use it in a `with`; leaving that ends everything."""

    def __init__(self, spec: Spec) -> None:
        self._master, terminal = os.openpty()
        try:
            _set_up(terminal)
            self._control, other = socket.socketpair()
            with other:
                flags = ["-I", "-S"] if sys.platform.startswith("linux") else ["-I"]
                self._keeper = subprocess.Popen(
                    [sys.executable, *flags, str(KEEPER), str(other.fileno()), str(terminal)],
                    pass_fds=(other.fileno(), terminal),
                    env={},
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
        finally:
            os.close(terminal)
        os.set_blocking(self._master, False)
        self._heard = b""
        self._known: dict[int, psutil.Process] = {}
        self._marker = spec.marker
        self._is_hung_up = False
        self.is_over = False
        self._control.sendall(json.dumps(asdict(spec)).encode() + b"\n")

    def __enter__(self) -> Launch:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Have everything killed that is still there."""
        self._control.close()
        with contextlib.suppress(OSError):
            os.close(self._master)
        try:
            self._keeper.wait(CLOSED_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._keeper.kill()
            self._keeper.wait()
        if self._keeper.returncode:
            end_marked(self._marker)

    def wait(self, seconds: float) -> None:
        """Until there is output or news, or the time is over."""
        sources: list[Any] = [self._control] if self._is_hung_up else [self._master, self._control]
        if not self.is_over:
            select.select(sources, [], [], seconds)

    def read(self) -> bytes:
        """The output that is there, at most four megabytes; empty when there is none now."""
        parts: list[bytes] = []
        try:
            while len(parts) < READS_A_TURN and not self._is_hung_up:
                parts.append(os.read(self._master, READ))
                self._is_hung_up = not parts[-1]
        except BlockingIOError:
            pass
        except OSError:  # no process has the terminal any more
            self._is_hung_up = True
        return b"".join(parts)

    def news(self) -> list[dict[str, Any]]:
        """What the keeper has told since; `{"lost": true}` when it has gone without its last word."""
        told: list[dict[str, Any]] = []
        while not self.is_over and select.select([self._control], [], [], 0)[0]:
            try:
                part = self._control.recv(65536)
            except OSError:
                part = b""
            if not part:
                self.is_over = True
                told.append({"lost": True})
                break
            self._heard += part
            *lines, self._heard = self._heard.split(b"\n")
            told += [json.loads(line) for line in lines]
            self.is_over = any("over" in each or "failed" in each for each in told)
        return told

    def stop(self, grace_s: float) -> None:
        """SIGTERM to everything now, SIGKILL to what is left after the grace."""
        with contextlib.suppress(OSError):
            self._control.sendall(json.dumps({"stop": grace_s}).encode() + b"\n")

    def usage(self) -> Usage:
        """What runs now, parents before their children."""
        below: dict[int, list[psutil.Process]] = {}
        with contextlib.suppress(psutil.Error):
            for each in psutil.Process(self._keeper.pid).children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    if each.status() != psutil.STATUS_ZOMBIE:
                        known = self._known.setdefault(each.pid, each)
                        below.setdefault(each.ppid(), []).append(known if known == each else each)
        rows: list[tuple[int, int, str, float, int]] = []
        waiting = [(each, 0) for each in reversed(below.get(self._keeper.pid, []))]
        while waiting:
            process, depth = waiting.pop()
            with contextlib.suppress(psutil.Error):
                cpu, memory = process.cpu_percent(), process.memory_info().rss
                rows.append((process.pid, depth, process.name()[:60], cpu, memory))
            waiting += [(each, depth + 1) for each in reversed(below.get(process.pid, []))]
        self._known = {pid: each for pid, each in self._known.items() if any(pid == row[0] for row in rows)}
        return Usage(len(rows), sum(row[3] for row in rows), sum(row[4] for row in rows), rows)


def end_marked(marker: str) -> int:
    """Kill everything that carries this marker in its environment; how many. For when the keeper itself was killed."""
    ended = 0
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and marker in process.environ().values():
                process.kill()
                ended += 1
    return ended


def _set_up(terminal: int) -> None:
    """The terminal's size, and line ends as they are printed."""
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    modes = termios.tcgetattr(terminal)
    modes[1] &= ~termios.OPOST
    modes[3] &= ~(termios.ECHO | termios.ISIG | termios.ICANON)
    termios.tcsetattr(terminal, termios.TCSANOW, modes)
