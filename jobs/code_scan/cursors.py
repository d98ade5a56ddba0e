"""Cursors of lists: opaque to clients, checked when they come back."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any

import orjson

from tasks.errors import InvalidPayload

MAX_LIMIT = 500
MAX_CURSOR_CHARS = 4_000


def encode(*values: str | int) -> str:
    """A cursor that stands for these values."""
    return base64.urlsafe_b64encode(orjson.dumps(values)).decode().rstrip("=")


def decode(cursor: str, types: Sequence[type]) -> list[Any]:
    """The values of a cursor. Raises InvalidPayload for one that was not given out here."""
    try:
        if len(cursor) > MAX_CURSOR_CHARS:
            raise ValueError
        values = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error):
        values = None
    if not isinstance(values, list) or [type(value) for value in values] != list(types) or not _is_stored(values):
        raise InvalidPayload("This cursor is not one of this list. Start again without it.")
    return values


def _is_stored(values: Sequence[Any]) -> bool:
    """Whether the database could hold these: text without NUL, lines of 31 bits, at the end an id of 53."""
    numbers = [value for value in values if isinstance(value, int)]
    is_small = all(0 <= number < 2**31 for number in numbers[:-1]) and all(0 <= number < 2**53 for number in numbers)
    return is_small and not any("\0" in value for value in values if isinstance(value, str))


def clamp(limit: int) -> int:
    """A page's length: at least 1, at most MAX_LIMIT."""
    return max(1, min(limit, MAX_LIMIT))
