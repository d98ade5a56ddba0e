"""Reads one file as text, or says why not. Runs in a parse child, on files that may change or lie."""

from __future__ import annotations

import codecs
import hashlib
import os
import stat
from typing import NamedTuple

BINARY = "binary"
UNREADABLE = "unreadable"
VANISHED = "vanished"
SPECIAL = "special"
SYMLINK = "symlink"
TOO_LARGE = "too_large"
ENCODING = "encoding"

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class Refused(Exception):
    """The file is not read. `reason` is one of this module's words; `note` says more where there is more to say."""

    def __init__(self, reason: str, note: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.note = note


class Content(NamedTuple):
    """A file's bytes, and their digest: 128 bits of BLAKE2b, in hex."""

    data: bytes
    digest: str
    size: int


def read(raw_path: bytes, max_bytes: int) -> Content:
    """The bytes of an ordinary file that no link leads to. Raises Refused."""
    try:
        descriptor = os.open(raw_path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise Refused(VANISHED) from None
    except OSError as error:
        raise Refused(UNREADABLE, error.strerror) from None
    try:
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise Refused(SPECIAL)
            if os.path.realpath(raw_path) != raw_path:
                raise Refused(SYMLINK)
            data = file.read(max_bytes + 1)
    except OSError as error:
        raise Refused(UNREADABLE, error.strerror) from None
    if len(data) > max_bytes:
        raise Refused(TOO_LARGE)
    return Content(data, hashlib.blake2b(data, digest_size=16).hexdigest(), len(data))


def as_utf8(data: bytes) -> tuple[bytes, str | None]:
    """The text in UTF-8 without a mark, and a note when that took a guess. Raises Refused for what is no text."""
    if data.startswith(codecs.BOM_UTF8):
        data = data[len(codecs.BOM_UTF8) :]
    elif data.startswith(_UTF16):
        try:
            data = data.decode("utf-16").encode()
        except UnicodeError:
            raise Refused(ENCODING, "It begins like UTF-16 and is not.") from None
    if b"\0" in data:
        raise Refused(BINARY)
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1").encode(), "read as Latin-1, it is not UTF-8"
    return data, None
