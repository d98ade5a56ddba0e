"""Structured logs on stderr: one line a record, as text or JSON. What a stranger sent cannot break a line."""

from __future__ import annotations

import logging
import sys
import time

from pythonjsonlogger.json import JsonFormatter

MAX_MESSAGE = 2000


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


def set_up_logs(log_format: str, level: int = logging.INFO) -> None:
    """Send this process's logs to stderr in the given format, `text` or `json`."""
    handler = logging.StreamHandler(sys.stderr)
    if log_format == "json":
        names = {"asctime": "time", "levelname": "level", "name": "logger"}
        formatter = JsonFormatter("%(asctime)s %(levelname)s %(name)s %(message)s %(process)d", rename_fields=names)
        formatter.converter = time.gmtime
        handler.setFormatter(formatter)
    else:
        handler.setFormatter(OneLine())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for noisy in ("rq.worker", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    for told_by_us in ("engineio.server", "socketio.server"):  # they repeat what strangers sent, at any length
        logging.getLogger(told_by_us).setLevel(logging.CRITICAL)
