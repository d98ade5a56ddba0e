"""Starts one command and ends everything that comes of it. A program of its own, with the standard library alone.

    keeper.py CONTROL TERMINAL      (two inherited descriptors: a socket, and the terminal's side of a pty)

It is a child subreaper (Linux): whatever the command forks, however it detaches itself, becomes a child of this process
when its own parent ends, and is found below it. It lives in a session of its own and answers to the socket alone: when
the other end closes, because the job or its worker died, everything is killed at once.

What it is told, a JSON object a line: first what to run (see `Spec` in launch.py), then `{"stop": seconds}`. What it
tells: `{"started": pid}` or `{"failed": words}`, `{"exited": wait status, "left": processes}`, and at last
`{"over": {"asked": n, "killed": n, "unkillable": n, "cpu_s": seconds}}`. It ends with the last process.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import socket
import sys
import time
from collections.abc import Iterator
from typing import Any, NoReturn

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 36, 38
LOOK_EVERY_S = 0.05
CPU_GRACE_S = 5
UNKILLABLE_AFTER_S = 10.0
IS_LINUX = sys.platform.startswith("linux")
KEPT = (signal.SIGKILL, signal.SIGSTOP)
_libc = ctypes.CDLL(None) if IS_LINUX else None


class Keeper:
    """One command from its start to the end of its last process."""

    def __init__(self, control: socket.socket, terminal: int) -> None:
        self._control = control
        self._terminal = terminal
        self._deaths = _deaths_of_children()
        self._heard = b""
        self._is_alone = False
        self._main = 0
        self._has_exited = False
        self._marker = ""
        self._kill_at_s: float | None = None
        self._asked: set[int] = set()
        self._killed: set[int] = set()
        self._unkillable: set[int] = set()

    def run(self) -> None:
        """Start what the first line says, and stay until nothing of it is left."""
        spec = self._first_line()
        if spec is None or not self._start(spec):
            return
        while True:
            self._reap()
            if self._has_exited and not self.living():
                break
            if self._has_exited and self._kill_at_s is None:
                self._stop(spec["stop_grace_s"])
            if self._kill_at_s is not None and time.monotonic() >= self._kill_at_s:
                self._kill()
                break
            self._listen()
        self._reap_all()
        counted = {"asked": self._asked, "killed": self._killed, "unkillable": self._unkillable}
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu_s = round(used.ru_utime + used.ru_stime, 3)
        self._tell(over={**{name: len(pids) for name, pids in counted.items()}, "cpu_s": cpu_s})

    def living(self) -> list[int]:
        """The processes of the command that are not dead, in the order of their numbers."""
        return sorted(_descendants(os.getpid()) if IS_LINUX else _marked(self._marker))

    def _first_line(self) -> dict[str, Any] | None:
        while b"\n" not in self._heard:
            part = self._control.recv(65536)
            if not part:
                return None
            self._heard += part
        line, _, self._heard = self._heard.partition(b"\n")
        spec: dict[str, Any] = json.loads(line)
        return spec

    def _start(self, spec: dict[str, Any]) -> bool:
        self._marker = spec["marker"]
        reading, writing = os.pipe()
        keeper = os.getpid()
        self._main = os.fork()
        if self._main == 0:
            _become(spec, self._terminal, writing, keeper)
        os.close(writing)
        os.close(self._terminal)
        with os.fdopen(reading, "rb") as report:
            why = report.read().decode()
        if why:
            os.waitpid(self._main, 0)
            self._tell(failed=why)
            return False
        self._tell(started=self._main)
        return True

    def _reap_all(self) -> None:
        """Leave no dead child to others."""
        deadline_s = time.monotonic() + 1
        while time.monotonic() < deadline_s:
            try:
                if os.waitpid(-1, os.WNOHANG)[0] == 0:
                    time.sleep(0.005)
            except ChildProcessError:
                return

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    return
                if pid == self._main:
                    self._has_exited = True
                    self._tell(exited=status, left=len(self.living()))

    def _listen(self) -> None:
        """Wait for a word or for the end of a child; a moment only, while everything is to end."""
        is_ending = self._has_exited or self._kill_at_s is not None
        heard = [self._deaths] if self._is_alone else [self._deaths, self._control]
        ready, _, _ = select.select(heard, [], [], LOOK_EVERY_S if is_ending else None)
        if self._deaths in ready:
            self._deaths.recv(4096)
        if self._control not in ready:
            return
        try:
            part = self._control.recv(65536)
        except OSError:
            part = b""
        if not part:
            self._is_alone = True
            self._kill_at_s = time.monotonic()
            return
        self._heard += part
        while b"\n" in self._heard:
            line, _, self._heard = self._heard.partition(b"\n")
            self._stop(json.loads(line)["stop"])

    def _stop(self, grace_s: float) -> None:
        """Ask everything to end, and set the time at which it is ended. A later word can only bring that nearer."""
        kill_at_s = time.monotonic() + grace_s
        self._kill_at_s = kill_at_s if self._kill_at_s is None else min(self._kill_at_s, kill_at_s)
        for pid in self.living():
            self._asked.add(pid)
            self._signal(pid, signal.SIGTERM)
            self._signal(pid, signal.SIGCONT)  # what is stopped could not end

    def _kill(self) -> None:
        """End what is left. All of it is stopped first, so that nothing forks while it is being listed."""
        deadline_s = time.monotonic() + UNKILLABLE_AFTER_S
        while True:
            self._reap()
            stopped: set[int] = set()
            while fresh := [pid for pid in self.living() if pid not in stopped]:
                for pid in fresh:
                    self._signal(pid, signal.SIGSTOP)
                stopped.update(fresh)
            for pid in stopped - self._unkillable:
                self._killed.add(pid)
                self._signal(pid, signal.SIGKILL)
            self._reap()
            if not set(self.living()) - self._unkillable:
                return
            if time.monotonic() > deadline_s:
                self._unkillable.update(self.living())
                return
            time.sleep(0.01)

    def _signal(self, pid: int, number: signal.Signals) -> None:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass
        except PermissionError:
            self._unkillable.add(pid)

    def _tell(self, **words: Any) -> None:
        with contextlib.suppress(OSError):
            self._control.sendall(json.dumps(words).encode() + b"\n")


def _deaths_of_children() -> socket.socket:
    """Becomes readable when a child ends."""
    reading, writing = socket.socketpair()
    writing.setblocking(False)
    signal.set_wakeup_fd(writing.detach(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return reading


def _become(spec: dict[str, Any], terminal: int, report: int, keeper: int) -> NoReturn:
    """In the forked child: become the command. Never returns; why it could not is written to `report`."""
    step = "The program could not be started"
    try:
        os.setsid()  # and no controlling terminal: a program that asks there for a password fails at once
        for number in signal.valid_signals() - set(KEPT):
            with contextlib.suppress(OSError, ValueError):
                signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(terminal, 1)
        os.dup2(terminal, 2)
        os.closerange(3, report)
        os.closerange(report + 1, 1 << 20)
        os.umask(0o022)
        step = f"The folder {spec['folder']} could not be entered"
        os.chdir(spec["folder"])
        step = "The limits could not be set"
        _limit(spec["limits"])
        if _libc is not None:
            _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if not spec["new_privileges"]:
                _libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        if os.getppid() != keeper:
            os._exit(1)
        step = f"{spec['argv'][0]} could not be started"
        os.execve(spec["argv"][0], spec["argv"], spec["environment"])
    except (OSError, ValueError) as error:
        os.write(report, f"{step}: {getattr(error, 'strerror', None) or error}.".encode())
    except BaseException as error:
        os.write(report, f"{step}: {type(error).__name__}.".encode())
    os._exit(127)


def _limit(limits: dict[str, int]) -> None:
    for name, value in limits.items():
        number = getattr(resource, name)
        if name == "RLIMIT_NPROC":
            value += _tasks_of_this_user()  # the system counts all that the user runs
        _, highest = resource.getrlimit(number)
        soft = value if highest == resource.RLIM_INFINITY else min(value, highest)
        hard = soft + CPU_GRACE_S if name == "RLIMIT_CPU" else soft
        resource.setrlimit(number, (soft, hard if highest == resource.RLIM_INFINITY else min(hard, highest)))


def _processes() -> Iterator[tuple[int, str, int, int, int]]:
    """(pid, state, parent, threads, user) of everything that runs here, as /proc has it."""
    with os.scandir("/proc") as entries:
        for entry in entries:
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    file = os.open(f"/proc/{entry.name}/stat", os.O_RDONLY)
                    try:
                        fields = os.read(file, 4096).rpartition(b")")[2].split()
                    finally:
                        os.close(file)
                    yield int(entry.name), fields[0].decode(), int(fields[1]), int(fields[17]), entry.stat().st_uid


def _tasks_of_this_user() -> int:
    return sum(threads for _, _, _, threads, user in _processes() if user == os.getuid())


def _descendants(root: int) -> list[int]:
    """What runs below `root`, without the dead."""
    children: dict[int, list[int]] = {}
    dead = set()
    for pid, state, parent, *_ in _processes():
        children.setdefault(parent, []).append(pid)
        if state in "ZXx":
            dead.add(pid)
    found, waiting = [], [root]
    while waiting:
        below = children.get(waiting.pop(), [])
        waiting += below
        found += below
    return [pid for pid in found if pid not in dead]


def _marked(marker: str) -> list[int]:
    """Where there is no subreaper: what is below this process, and what carries the marker in its environment."""
    import psutil

    found = {each.pid for each in psutil.Process().children(recursive=True) if each.status() != psutil.STATUS_ZOMBIE}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and marker in process.environ().values():
                found.add(process.pid)
    return list(found)


def main() -> None:
    """Keep the command that the socket tells of."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    if _libc is not None:
        _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    Keeper(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2])).run()


if __name__ == "__main__":
    main()
