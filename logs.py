"""Structured logs on stderr: one line a record, as text or JSON. What a stranger sent cannot break a line.

Each process keeps its newest lines in a file of its own as well, so that the dashboard can show those of one task from
web and worker together. These files are bounded in size and number, and rotate by themselves.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
from collections.abc import Iterator
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

import orjson
from pythonjsonlogger.json import JsonFormatter

MAX_MESSAGE = 2000
MAX_TRACE = 8000
KEPT_BYTES = 1_000_000
"""of one process; as much again for what was before"""
KEPT_FILES = 40


class OneLine(logging.Formatter):
    """Text: time in UTC, level, logger, message; control characters escaped, tracebacks below it."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (logging's name)
        record.message = printable(record.message)
        return super().formatMessage(record)


def printable(text: str) -> str:
    """The text in one line of at most MAX_MESSAGE characters."""
    if len(text) > MAX_MESSAGE:
        text = text[:MAX_MESSAGE] + "…"
    return text if text.isprintable() else "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


class KeptLines(RotatingFileHandler):
    """The newest lines of this process as JSON in `folder`. A full disk costs these lines, and nothing else."""

    def __init__(self, folder: Path, role: str) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        _remove_oldest(folder)
        super().__init__(folder / f"{role}-{os.getpid()}.jsonl", maxBytes=KEPT_BYTES, backupCount=1, delay=True)
        self._role = role

    def format(self, record: logging.LogRecord) -> str:
        """One object a line: `time, level, logger, message, process, role` and, for errors, `trace`."""
        fraction = f"{record.msecs:03.0f}"[:3]
        line: dict[str, Any] = {
            "time": f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{fraction}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": printable(record.getMessage()),
            "process": record.process,
            "role": self._role,
        }
        if record.exc_info:
            line["trace"] = logging.Formatter().formatException(record.exc_info)[-MAX_TRACE:]
        return orjson.dumps(line, default=str).decode()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (logging's name)
        """The line is on stderr, where it cannot be kept."""


def _remove_oldest(folder: Path) -> None:
    with contextlib.suppress(OSError):
        newest = sorted(folder.glob("*.jsonl*"), key=lambda file: file.stat().st_mtime, reverse=True)
        for file in newest[KEPT_FILES - 1 :]:
            file.unlink(missing_ok=True)


def kept_lines(folder: Path, text: str, most: int = 500) -> list[dict[str, Any]]:
    """The newest `most` kept lines of all processes on this machine that hold `text`, oldest first."""
    found = [line for file in folder.glob("*.jsonl*") for line in _matching(file, text.encode("utf-8", "replace"))]
    return sorted(found, key=lambda line: str(line.get("time")))[-most:]


def _matching(file: Path, text: bytes) -> Iterator[dict[str, Any]]:
    with contextlib.suppress(OSError), file.open("rb") as lines:
        for line in lines:
            if text in line:
                with contextlib.suppress(orjson.JSONDecodeError):
                    yield orjson.loads(line)


def set_up_logs(log_format: str, level: int = logging.INFO, kept_in: Path | None = None, role: str = "") -> None:
    """Send this process's logs to stderr in the given format, `text` or `json`; keep the newest in `kept_in`."""
    handler = logging.StreamHandler(sys.stderr)
    if log_format == "json":
        names = {"asctime": "time", "levelname": "level", "name": "logger"}
        formatter = JsonFormatter("%(asctime)s %(levelname)s %(name)s %(message)s %(process)d", rename_fields=names)
        formatter.converter = time.gmtime
        handler.setFormatter(formatter)
    else:
        handler.setFormatter(OneLine())
    handlers: list[logging.Handler] = [handler]
    if kept_in is not None:
        with contextlib.suppress(OSError):
            handlers.append(KeptLines(kept_in, role))
    logging.basicConfig(level=level, handlers=handlers, force=True)
    for noisy in ("rq.worker", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    for told_by_us in ("engineio.server", "socketio.server"):  # they repeat what strangers sent, at any length
        logging.getLogger(told_by_us).setLevel(logging.CRITICAL)
