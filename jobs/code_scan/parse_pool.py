"""Parses files in child processes, one for each core, and survives whatever a file does to them.

A child answers file by file, so the parent knows which one it is at: past the deadline the child is killed, that file
is given up, and the rest goes to the next child. Nothing of a child's death is ever a mystery to the caller.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, NamedTuple, Self

import orjson

CHILD = Path(__file__).with_name("parse_child.py")
WINDOW = 8
BATCH = 64
TICK_S = 0.1
START_DEADLINE_S = 60.0
MAX_ANSWER_BYTES = 256 * 2**20
DEADLINE = "deadline"
CRASHED = "crashed"


class PoolBroken(RuntimeError):
    """Parse children do not even start: the installation is at fault, not a file."""


class Work(NamedTuple):
    """One file to parse; `number` comes back with its answer."""

    number: int
    raw: bytes
    path: str
    language: str
    known_digest: str | None


class Answer(NamedTuple):
    """What became of a file: `head` as parse_child describes it, the encoded nodes, the compressed linkage."""

    head: dict[str, Any]
    nodes: bytes = b""
    linkage: bytes = b""


@dataclass(slots=True, eq=False)
class _Child:
    process: subprocess.Popen[bytes]
    connection: Connection
    begun: float
    ready: bool = False
    work: deque[Work] = field(default_factory=deque)


def core_count() -> int:
    """The cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class ParsePool:
    """Use as a context: its children are gone when the block ends, however it ends.

    `options` goes to the children: node_types, max_file_bytes; or `examiner`, the module of another scan whose
    function `examiner(options)` answers there in place of the code scan's. `deadline_s` is the longest time for a file.
    """

    def __init__(self, options: dict[str, Any], deadline_s: float, size: int | None = None) -> None:
        self._options = orjson.dumps({**options, "deadline_s": deadline_s})
        self._deadline_s = deadline_s
        self._size = size or core_count()
        self._children: list[_Child] = []
        self._again: deque[Work] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Kill every child and wait for it."""
        for child in self._children:
            child.process.kill()
        for child in self._children:
            child.connection.close()
            child.process.wait()
        self._children.clear()

    def pids(self) -> list[int]:
        """The process ids of the children that run now."""
        return [child.process.pid for child in self._children]

    def results(self, work: Iterable[Work]) -> Iterator[list[Answer]]:
        """Answers in the order in which they come, in batches of up to about BATCH.

        An empty batch comes at least every TICK_S or so, which is the caller's moment to look for a cancel.
        Raises PoolBroken when children do not start.
        """
        source = iter(work)
        looked_at = time.monotonic()
        while True:
            self._feed(source)
            if not any(child.work for child in self._children):
                return
            ready = set(wait([child.connection for child in self._children], TICK_S))
            now = time.monotonic()
            held_up = max(0.0, now - looked_at - 2 * TICK_S)
            looked_at = now
            answers: list[Answer] = []
            for child in list(self._children):
                child.begun += held_up  # The time in which this process itself stood still is no file's fault.
                if child.connection in ready:
                    self._receive(child, answers)
                elif child.work and now - child.begun > (self._deadline_s if child.ready else START_DEADLINE_S):
                    answers.append(self._give_up(child))
            yield answers
            if time.monotonic() - now > TICK_S:
                looked_at = time.monotonic() - TICK_S

    def _feed(self, source: Iterator[Work]) -> None:
        while True:
            hungry = [child for child in self._children if len(child.work) < WINDOW]
            can_grow = len(self._children) < self._size
            if not hungry and not can_grow:
                return
            item = self._again.popleft() if self._again else next(source, None)
            if item is None:
                return
            # A new child is started only for work that no child waits for.
            idle = min(hungry, key=lambda child: len(child.work), default=None)
            if idle is None or (idle.work and can_grow):
                idle = self._start()
            self._send(idle, item)

    def _start(self) -> _Child:
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-I", str(CHILD), str(theirs.fileno()), str(os.getpid())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={"LC_ALL": "C.UTF-8"},
            )
        child = _Child(process, Connection(ours.detach()), time.monotonic())
        self._children.append(child)
        try:
            child.connection.send_bytes(self._options)
        except OSError as error:
            raise PoolBroken("a parse child ended before it began") from error
        return child

    def _send(self, child: _Child, item: Work) -> None:
        if not child.work and child.ready:
            child.begun = time.monotonic()
        child.work.append(item)
        request = [item.number, item.raw.decode("latin-1"), item.path, item.language, item.known_digest]
        try:
            child.connection.send_bytes(orjson.dumps(request))
        except OSError:
            pass  # The child is dead; the end of its pipe, met when reading, says what to do.

    def _receive(self, child: _Child, answers: list[Answer]) -> None:
        for _ in range(WINDOW + 1):
            try:
                frame = child.connection.recv_bytes(MAX_ANSWER_BYTES)
            except (EOFError, OSError):
                self._bury(child, answers)
                return
            child.begun = time.monotonic()
            if not child.ready:
                child.ready = True
            else:
                head, _, body = frame.partition(b"\n")
                described = orjson.loads(head)
                split = described.pop("split")
                child.work.popleft()
                answers.append(Answer(described, body[:split], body[split:]))
            if not child.connection.poll():
                return

    def _give_up(self, child: _Child) -> Answer:
        """Kill a child that is past the deadline."""
        if not child.ready:
            raise PoolBroken("a parse child did not start in time")
        return self._lose(child, DEADLINE, f"It took longer than {self._deadline_s:g} s.")

    def _bury(self, child: _Child, answers: list[Answer]) -> None:
        """Find out how a child died, and whose fault it was."""
        if not child.ready:
            raise PoolBroken("a parse child ended before it began")
        try:
            code = child.process.wait(1.0)
        except subprocess.TimeoutExpired:
            child.process.kill()  # Its answer was over MAX_ANSWER_BYTES, so it lives and nobody listens.
            code = child.process.wait()
        if not child.work:
            child.connection.close()
            self._children.remove(child)
        elif code == -signal.SIGALRM:
            answers.append(self._lose(child, DEADLINE, f"It took longer than {self._deadline_s:g} s."))
        else:
            how = f"signal {-code}" if code < 0 else f"exit {code}"
            answers.append(self._lose(child, CRASHED, f"The parser ended with {how}."))

    def _lose(self, child: _Child, reason: str, note: str) -> Answer:
        child.process.kill()
        child.process.wait()
        child.connection.close()
        self._children.remove(child)
        culprit = child.work.popleft()
        self._again.extend(child.work)
        return Answer({"n": culprit.number, "status": "refused", "reason": reason, "note": note})
