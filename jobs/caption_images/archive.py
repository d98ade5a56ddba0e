"""A zip that a stranger packed: looked at before it is believed, and never unpacked by its own names.

What an entry is called is only shown. Each entry is read as a stream of at most the bytes that its directory promises,
and what they promise together is bounded before the first one is read.
"""

from __future__ import annotations

import re
import stat
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

from jobs.caption_images.bounds import (
    MAX_DIRECTORY_BYTES,
    MAX_ENTRIES,
    MAX_IMAGE_BYTES,
    MAX_NAME_CHARS,
    MAX_RATIO,
    MAX_UNPACKED_BYTES,
    RATIO_MATTERS_FROM_BYTES,
    in_mib,
    is_image_name,
)

MAGIC = b"PK\x03\x04"
CHUNK = 256 * 1024
TOO_MANY = f"it holds more than {MAX_ENTRIES:,} entries, or is packed as if it did. Send it in parts."
_END = struct.Struct("<4s4H2LH")
_END_MAGIC = b"PK\x05\x06"
_LARGE_END_MAGIC = b"PK\x06\x07"
_LARGE_END_BYTES = 20
_LONGEST_COMMENT = 65_535
_ENCRYPTED = 0x1
_DRIVE = re.compile(r"[A-Za-z]:")


class ArchiveRefused(ValueError):
    """This archive is not read. The message says what is wrong with it."""


def images_in(path: Path) -> list[zipfile.ZipInfo]:
    """The entries that are images, in order of name. Raises ArchiveRefused for an archive that is not to be trusted."""
    _check_end(path)
    try:
        with zipfile.ZipFile(path) as opened:
            entries = opened.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, UnicodeError) as error:
        raise ArchiveRefused("this zip is damaged. Pack it again.") from error
    if len(entries) > MAX_ENTRIES:
        raise ArchiveRefused(TOO_MANY)
    for entry in entries:
        _check_entry(entry)
    total = sum(entry.file_size for entry in entries)
    if total > MAX_UNPACKED_BYTES:
        raise ArchiveRefused(f"unpacked it would be {in_mib(total)}; at most {in_mib(MAX_UNPACKED_BYTES)} are taken.")
    if total > RATIO_MATTERS_FROM_BYTES and total > MAX_RATIO * path.stat().st_size:
        raise ArchiveRefused("it unpacks to more than a hundred times its size, as no pictures do.")
    found = [entry for entry in entries if _is_image(entry)]
    if not found:
        raise ArchiveRefused("there is no image in this zip.")
    too_large = next((entry for entry in found if entry.file_size > MAX_IMAGE_BYTES), None)
    if too_large is not None:
        raise ArchiveRefused(
            f"{shown(too_large.filename)} in it is larger than {in_mib(MAX_IMAGE_BYTES)}, the most for one image."
        )
    return sorted(found, key=lambda entry: entry.filename)


def chunks(path: Path, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    """The bytes of an entry. Raises ArchiveRefused when they are not what the directory promised."""
    try:
        with zipfile.ZipFile(path) as opened, opened.open(entry) as stream:
            while chunk := stream.read(CHUNK):
                yield chunk
    except (zipfile.BadZipFile, EOFError, OSError, ValueError, NotImplementedError, RuntimeError) as error:
        raise ArchiveRefused("this entry of the zip is damaged.") from error
    except Exception as error:
        # Decompressors have errors of their own (zlib.error, LZMAError), without a common root.
        raise ArchiveRefused("this entry of the zip is damaged.") from error


def _check_end(path: Path) -> None:
    """Read how long the directory is before anything reads it: a million entries would fill the memory."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - _LONGEST_COMMENT - _END.size))
        tail = file.read()
    at = tail.rfind(_END_MAGIC)
    if at < 0 or len(tail) - at < _END.size:
        raise ArchiveRefused("this zip has no end, so it did not arrive whole. Send it again.")
    _, _, _, _, entries, directory_bytes, _, _ = _END.unpack_from(tail, at)
    has_large_end = tail[max(0, at - _LARGE_END_BYTES) : at].startswith(_LARGE_END_MAGIC)
    if entries > MAX_ENTRIES or directory_bytes > MAX_DIRECTORY_BYTES or has_large_end:
        raise ArchiveRefused(TOO_MANY)


def _check_entry(entry: zipfile.ZipInfo) -> None:
    name = entry.orig_filename
    parts = re.split(r"[/\\]", name)
    if ".." in parts or name.startswith(("/", "\\")) or _DRIVE.match(name) or "\0" in name:
        raise ArchiveRefused(f"its entry {shown(name)} leads out of the archive, so none of it is taken.")
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise ArchiveRefused(f"its entry {shown(name)} is a link or a device, so none of it is taken.")
    if entry.flag_bits & _ENCRYPTED:
        raise ArchiveRefused("it is locked with a password. Pack it without one.")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        raise ArchiveRefused("it is packed in a way that cannot be read here. Pack it as a usual zip.")


def _is_image(entry: zipfile.ZipInfo) -> bool:
    last = entry.filename.rpartition("/")[2]
    is_shadow = entry.filename.startswith("__MACOSX/") or last.startswith("._")
    return not entry.is_dir() and not is_shadow and is_image_name(entry.filename)


def shown(name: str) -> str:
    """An entry's name as people see it."""
    return "".join(each if each.isprintable() else "_" for each in name)[:MAX_NAME_CHARS]
