"""Which files git tracks, read from its index without running git: they count even where an ignore rule matches.

Formats 2, 3 and 4 of the index with SHA-1 entries. An index of any other kind gives nothing.
"""

from __future__ import annotations

import os
import stat
import struct
from pathlib import Path
from typing import NamedTuple

MAX_INDEX_BYTES = 128 * 2**20
_STAGE_MASK, _EXTENDED, _LENGTH_MASK = 0x3000, 0x4000, 0x0FFF
_HEAD = 62
_SUBMODULE = 0o160000


class Tracked(NamedTuple):
    """The paths of ordinary files, and the folders that are other repositories."""

    files: list[str]
    submodules: list[str]


def tracked_paths(root: Path) -> Tracked:
    """What the index of the repository at `root` holds; nothing when it cannot be read."""
    data = _read(root / ".git" / "index")
    if len(data) < 12 or data[:4] != b"DIRC":
        return Tracked([], [])
    version, count = struct.unpack(">II", data[4:12])
    if version not in (2, 3, 4):
        return Tracked([], [])
    try:
        return _entries(data, version, count)
    except (struct.error, ValueError, IndexError):
        return Tracked([], [])


def _read(path: Path) -> bytes:
    try:
        if path.parent.is_symlink():
            return b""
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            is_sound = stat.S_ISREG(status.st_mode) and status.st_size <= MAX_INDEX_BYTES
            return file.read() if is_sound else b""
    except OSError:
        return b""


def _entries(data: bytes, version: int, count: int) -> Tracked:
    found = Tracked([], [])
    at, name = 12, b""
    for _ in range(count):
        mode = struct.unpack(">I", data[at + 24 : at + 28])[0]
        flags = struct.unpack(">H", data[at + 60 : at + 62])[0]
        start = at + _HEAD + (2 if flags & _EXTENDED else 0)
        if version == 4:
            strip, start = _varint(data, start)
            end = data.index(b"\0", start)
            name = name[: len(name) - strip] + data[start:end]
            at = end + 1
        else:
            end = data.index(b"\0", start)
            name = data[start:end]
            at += (end - at + 8) // 8 * 8
        text = name.decode("utf-8", "backslashreplace")
        if flags & _STAGE_MASK or not text.isprintable() or text.startswith("/") or ".." in text.split("/"):
            continue
        if stat.S_ISREG(mode):
            found.files.append(text)
        elif mode == _SUBMODULE:
            found.submodules.append(text)
    return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The number at this place as git writes offsets, and where it ends."""
    value = data[at] & 0x7F
    while data[at] & 0x80:
        at += 1
        value = ((value + 1) << 7) | (data[at] & 0x7F)
    return value, at + 1
