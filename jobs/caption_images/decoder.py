"""The decode child, seen from the job: asked image by image, killed past the deadline, started anew when it is gone."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Self

import orjson

from jobs.caption_images.bounds import DECODE_WITHIN_S
from jobs.caption_images.pictures import SIZES

CHILD = Path(__file__).with_name("decode_child.py")
TICK_S = 0.1
START_WITHIN_S = 60.0
MAX_ANSWER_BYTES = 2**20
PATIENCE = 3.0  # times as long as an image may compute, it may wait for the processor


class ImageRefused(ValueError):
    """This file gives no picture. The message says why, in a sentence."""


class DecoderBroken(RuntimeError):
    """Children do not even start: the installation is at fault, not an image."""


class Decoder:
    """Use as a context: its child is gone when the block ends. `check` is called ten times a second and may raise."""

    def __init__(self, check: Callable[[], None], within_s: float = DECODE_WITHIN_S) -> None:
        self._check = check
        self._within_s = within_s
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Kill the child, if there is one."""
        if self._process is not None and self._connection is not None:
            self._process.kill()
            self._process.wait()
            self._connection.close()
        self._process = self._connection = None

    @property
    def pid(self) -> int | None:
        """The child's process id, while there is one."""
        return self._process.pid if self._process else None

    def examine(self, path: Path, folder: Path, include_location: bool = False) -> dict[str, Any]:
        """The facts of an image (see `pixels`); its pictures are then in `folder`, named by size.

        Raises ImageRefused for what is no image, too large, or takes too long; DecoderBroken when no child starts.
        """
        connection = self._connection or self._start()
        request = {"path": str(path), "include_location": include_location, "within_s": self._within_s}
        request |= {size: str(folder / f"{size}.jpg") for size in SIZES}
        try:
            connection.send_bytes(orjson.dumps(request))
            answer = self._receive(connection, self._within_s * PATIENCE)
        except (EOFError, OSError) as error:
            raise ImageRefused(self._ended()) from error
        facts: dict[str, Any] = orjson.loads(answer)
        if "refused" in facts:
            raise ImageRefused(facts["refused"])
        return facts

    @property
    def _too_long(self) -> str:
        return f"Reading this image took longer than {self._within_s:g} s, so it was given up."

    def _ended(self) -> str:
        """Why the child is gone, as a sentence about the image that it was reading."""
        code = None
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = self._process.wait(1.0)
        self.close()
        if code in (-signal.SIGPROF, -signal.SIGALRM):
            return self._too_long
        return "Reading this image ended the program that reads images. Save it in another format, then send that."

    def _start(self) -> Connection:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", str(CHILD), str(theirs.fileno()), str(os.getpid())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={"LC_ALL": "C.UTF-8"},
            )
        self._connection = Connection(ours.detach())
        try:
            self._receive(self._connection, START_WITHIN_S)
        except (EOFError, OSError, ImageRefused) as error:
            self.close()
            raise DecoderBroken("the program that reads images does not start") from error
        return self._connection

    def _receive(self, connection: Connection, within_s: float) -> bytes:
        deadline_s = time.monotonic() + within_s
        while not connection.poll(TICK_S):
            self._check()
            if time.monotonic() > deadline_s:
                self.close()
                raise ImageRefused(self._too_long)
        return connection.recv_bytes(MAX_ANSWER_BYTES)
