"""What processes report that a job has forked: on its way to the attempt's own process.

A forked child has neither the thread that sends nor locks and connections that it could use. So each of its reports is
one append to a file without a name, which it shares with the attempt's process; that one reads it ten times a second.
An append waits for nobody and needs no lock: the kernel keeps appends of several processes apart. What was appended
counts, even if the child is killed right after. The other way goes one byte of shared memory: stop.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import mmap
import os
import tempfile
import threading
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from database import utc_now
from tasks.counter import plain
from tasks.errors import Cancelled
from tasks.events import clean
from tasks.progress import Progress

CHUNK = 256 * 1024
NO_CHANGE = (None, None, None, None)


class Shelf:
    """The shared file and the shared byte. Made in the attempt's process, opened before its first fork."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._file: int | None = None
        self._is_closed = False
        self._read = 0
        self._stop: mmap.mmap | None = None

    @property
    def is_open(self) -> bool:
        """Whether there may be children."""
        return self._file is not None

    def open(self, folder: Path, stop: bool) -> None:
        """Have a file for children to write to; `stop` is what they are to know from the start."""
        with self._lock:
            if self._file is not None or self._is_closed:
                return
            self._stop = mmap.mmap(-1, 1)
            self._stop[0] = stop
            with tempfile.TemporaryFile(buffering=0, dir=folder if folder.is_dir() else None) as file:
                fcntl.fcntl(file, fcntl.F_SETFL, fcntl.fcntl(file, fcntl.F_GETFL) | os.O_APPEND)
                self._file = os.dup(file.fileno())
            self._end = weakref.finalize(self, os.close, self._file)

    def close(self) -> None:
        """Free the file's space. Children that still run write to nobody."""
        with self._lock:
            self._is_closed = True
            if self._file is not None:
                with contextlib.suppress(OSError):
                    os.ftruncate(self._file, 0)
                self._file = None
                self._end()

    def say_stop(self) -> None:
        """Have every further report of a child raise."""
        if self._stop is not None:
            self._stop[0] = 1

    @property
    def says_stop(self) -> bool:
        """In a child: whether the attempt is to end."""
        return self._stop is not None and self._stop[0] != 0

    def put(self, record: bytes) -> None:
        """In a child: append one record. Raises OSError when the disk is full or the shelf was never opened."""
        if self._file is None:
            raise OSError(errno.EBADF, "this process cannot report: its fork was not prepared")
        line = b"\n%b\n" % record  # from both sides: a line that a killed child left unfinished spoils no other
        if os.write(self._file, line) != len(line):
            raise OSError(errno.ENOSPC, "the report could not be written")

    def take(self) -> Iterator[list[Any]]:
        """In the attempt's process: a chunk of what children have put since, oldest first."""
        if self._file is None:
            return
        count = 0
        for line in self._whole_lines(self._file):
            if line.isdigit():
                count += int(line)
            elif line:
                if count:
                    yield ["report", count]
                    count = 0
                with contextlib.suppress(orjson.JSONDecodeError):
                    yield orjson.loads(line)
        if count:
            yield ["report", count]

    def _whole_lines(self, file: int) -> list[bytes]:
        size, chunk, end = CHUNK, b"", 0
        while not end:
            chunk = os.pread(file, size, self._read)
            end = chunk.rfind(b"\n") + 1
            if len(chunk) < size:
                break
            size *= 2  # for a record that is longer than that
        self._read += end
        return chunk[:end].split(b"\n")


class ChildReporter:
    """Stands in a forked child where the Reporter stands in the attempt's own process; see there for the methods."""

    def __init__(self, shelf: Shelf, progress: Progress) -> None:
        self._shelf = shelf
        self._progress = progress
        self.attention = True

    @property
    def is_cancelled(self) -> bool:
        """Whether the attempt is to end, whatever the reason."""
        return self._shelf.says_stop

    def check(self) -> None:
        if self.is_cancelled:
            raise Cancelled

    def attend(self, counted: float = 0) -> None:
        self.check()
        if counted:
            self.report(counted)

    def report(
        self,
        n: float = 0,
        done: float | None = None,
        total: float | None = None,
        unit: str | None = None,
        step: str | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        if type(n) is int and n > 0 and (done, total, unit, step) == NO_CHANGE and not details:
            self._shelf.put(b"%d" % n)
        else:
            done = None if done is None else plain(done)
            self._put("report", plain(n), done, total, unit, step, details or {})

    def start_phase(self, name: str, total: float | None, unit: str | None) -> None:
        self._progress.check_phase(name)
        self._put("start_phase", name, total, unit)

    def note(self, words: str) -> None:
        self._put("note", words)

    def add_line(self, level: str, text: str) -> None:
        self._put("add_line", level, text, utc_now())

    def _put(self, *record: Any) -> None:
        try:
            self._shelf.put(orjson.dumps(record))
        except TypeError:
            self._shelf.put(orjson.dumps(clean(record)))
