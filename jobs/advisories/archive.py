"""Reads OSV records out of a zip file or a folder, as streams: nothing is ever unpacked onto the disk.

An archive is not believed: its directory is bounded before it is read, a record's size while it is read, and the sum
of all of them, too. Entries that are no plain files, or whose names lead out of the archive, are refused and counted.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

MAX_DIRECTORY_BYTES = 64_000_000
MAX_RECORDS = 800_000
MAX_RECORD_BYTES = 16_000_000
MAX_TOTAL_BYTES = 20_000_000_000
BLOCK = 1 << 20
SUFFIX = ".json"


class SourceBroken(Exception):
    """The source as a whole cannot be read. The message is for people."""


class Entry(NamedTuple):
    """One file of the source: what is in it, or why it was not read."""

    name: str
    raw: bytes | None
    trouble: str = ""

    @property
    def stem(self) -> str:
        """The file's name without folders and ending: the record's id, where the source follows OSV's custom."""
        return self.name.rpartition("/")[2].removesuffix(SUFFIX)


@dataclass(slots=True)
class Source:
    """An opened source. `total` entries will come; `other` files were left out because they are no JSON."""

    total: int
    other: int
    entries: Iterator[Entry]


@contextmanager
def opened(path: Path) -> Iterator[Source]:
    """The records of a zip file, or of the JSON files below a folder. Raises SourceBroken."""
    if path.is_dir():
        found, other = _listed(path)
        yield Source(len(found), other, _bounded(_of_folder(path, found)))
        return
    try:
        with _plain_file(path) as file, zipfile.ZipFile(_Guarded(file)) as archive:
            infos = archive.infolist()
            if len(infos) > MAX_RECORDS:
                raise SourceBroken(_too_many())
            chosen = [each for each in infos if each.filename.endswith(SUFFIX)]
            other = sum(not each.is_dir() for each in infos) - len(chosen)
            yield Source(len(chosen), other, _bounded(_of_zip(archive, chosen)))
    except zipfile.BadZipFile as error:
        raise SourceBroken("The file is no whole zip archive. Fetch it again; the old data stay.") from error


def digest_of(path: Path, on_block: Callable[[], None]) -> str:
    """What tells whether a source is as it was: a file by its content, a folder by names, sizes and times in it.

    `on_block` is called now and then; what it raises ends the reading.
    """
    digest = hashlib.blake2b(digest_size=32)
    if path.is_dir():
        for name, size, mtime_ns in _listed(path)[0]:
            digest.update(f"{name}\0{size}\0{mtime_ns}\n".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()
    with _plain_file(path) as file:
        while block := file.read(BLOCK):
            digest.update(block)
            on_block()
    return digest.hexdigest()


class _Guarded(io.RawIOBase):
    """A file of which nothing large is read at once: `zipfile` reads the whole directory in one piece."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        if size > MAX_DIRECTORY_BYTES:
            raise SourceBroken(_too_many())
        return self._file.read(size if size >= 0 else BLOCK)  # "All" is only asked for the last 64 KB.

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True


def _too_many() -> str:
    return f"The archive holds more than the {MAX_RECORDS:,} files that are taken. Give one for each ecosystem."


def _plain_file(path: Path) -> BinaryIO:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise SourceBroken("The source is no plain file. Give a zip file or a folder.")
    return os.fdopen(descriptor, "rb")


def _bounded(entries: Iterator[Entry]) -> Iterator[Entry]:
    total = 0
    for entry in entries:
        total += len(entry.raw or b"")
        if total > MAX_TOTAL_BYTES:
            raise SourceBroken(
                f"The records are larger than the {MAX_TOTAL_BYTES / 1e9:.0f} GB that are taken. "
                "Give one archive for each ecosystem; the old data stay."
            )
        yield entry


def _of_zip(archive: zipfile.ZipFile, infos: list[zipfile.ZipInfo]) -> Iterator[Entry]:
    for info in infos:
        name = info.filename
        mode = info.external_attr >> 16
        if name.startswith("/") or ".." in name.replace("\\", "/").split("/"):
            yield Entry(name, None, "its name leads out of the archive")
        elif mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG):
            yield Entry(name, None, "it is a link or another special file")
        elif info.file_size > MAX_RECORD_BYTES:
            yield Entry(name, None, "it is too large for a record")
        else:
            yield _read_member(archive, info)


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Entry:
    try:
        with archive.open(info) as member:
            raw = member.read(info.file_size + 1)  # More would be unpacked at once than the directory admits.
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError, ValueError):
        return Entry(info.filename, None, "it is damaged, or packed in a way that is not known")
    return Entry(info.filename, raw)


def _listed(folder: Path) -> tuple[list[tuple[str, int, int]], int]:
    """(path, size, mtime_ns) of each JSON file below the folder, in order, and how many other files there are.

    Links are not followed, and what begins with a dot is left out.
    """
    found: list[tuple[str, int, int]] = []
    other = 0
    pending = [""]
    while pending:
        below = pending.pop()
        try:
            with os.scandir(folder / below) as entries:
                for entry in entries:
                    name = f"{below}/{entry.name}" if below else entry.name
                    if entry.name.startswith("."):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(name)
                    elif entry.name.endswith(SUFFIX) and entry.is_file(follow_symlinks=False):
                        status = entry.stat(follow_symlinks=False)
                        found.append((name, status.st_size, status.st_mtime_ns))
                    else:
                        other += 1
        except OSError as error:
            raise SourceBroken(f"A folder of the source cannot be read ({error.strerror}).") from error
        if len(found) > MAX_RECORDS:
            raise SourceBroken(f"The folder holds more than the {MAX_RECORDS:,} records that are taken.")
    return sorted(found), other


def _of_folder(folder: Path, listed: list[tuple[str, int, int]]) -> Iterator[Entry]:
    for name, size, _ in listed:
        if size > MAX_RECORD_BYTES:
            yield Entry(name, None, "it is too large for a record")
            continue
        try:
            with _plain_file(folder / name) as file:
                raw = file.read(MAX_RECORD_BYTES + 1)
        except (OSError, SourceBroken):
            yield Entry(name, None, "it cannot be read")
            continue
        yield Entry(name, raw) if len(raw) <= MAX_RECORD_BYTES else Entry(name, None, "it is too large for a record")
