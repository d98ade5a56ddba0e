"""Lists what there is to read. Links are never followed, .git never entered, nothing opened but ignore files."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from jobs.repository.ignoring import MAX_PATTERN_FILE_BYTES, IgnoreFile, exclusion, is_ignored

MAX_FILES = 1_000_000
MAX_PATH_BYTES = 1000
CHECK_EVERY = 500

NO_READER = "no_reader"
TOO_LARGE = "too_large"
SYMLINK = "symlink"
SPECIAL = "special"
LONG_PATH = "long_path"
SPECIAL_NAMES = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class TooManyFiles(Exception):
    """There is more below the folder than one scan takes (MAX_FILES)."""


class Found(NamedTuple):
    """A file that passed the filters. `reason` says why it will not be read; `raw` is its path as the system has it."""

    path: str
    raw: bytes
    language: str | None
    size: int
    mtime_ns: int
    reason: str | None = None
    note: str | None = None


@dataclass(slots=True)
class Listing:
    """What was found, by path, and which folders could not be looked into."""

    files: list[Found] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    folders: int = 0


@dataclass(frozen=True, slots=True)
class Filters:
    """What a listing keeps. A file whose `language_of` is None is listed as one that has no reader."""

    language_of: Callable[[str], str | None]

    file_types: Sequence[str] = ()
    exclude_patterns: Sequence[str] = ()
    max_file_bytes: int = 2_000_000


def list_files(root: Path, filters: Filters, on_progress: Callable[[int], None] = lambda _count: None) -> Listing:
    """Every file below `root` that the filters and the ignore files leave, in order of path.

    `on_progress` gets the number of files so far every CHECK_EVERY folders or files, and may raise to stop.
    Raises TooManyFiles, and OSError when `root` itself cannot be read.
    """
    listing = Listing()
    endings = tuple(filters.file_types)
    excluded = exclusion(filters.exclude_patterns)
    top = os.fsencode(root)
    base = [IgnoreFile("", _lines(os.path.join(top, b".git", b"info", b"exclude")))]  # noqa: PTH118
    pending: list[tuple[bytes, str, list[IgnoreFile]]] = [(top, "", base)]
    while pending:
        folder, prefix, ignores = pending.pop()
        try:
            with os.scandir(folder) as scan:
                entries = list(scan)
        except OSError:
            if not prefix:
                raise
            listing.unreadable.append(prefix.rstrip("/"))
            continue
        listing.folders += 1
        if any(entry.name == b".gitignore" for entry in entries):
            lines = _lines(os.path.join(folder, b".gitignore"))  # noqa: PTH118
            ignores = [*ignores, IgnoreFile(prefix, lines)] if lines else ignores
        for entry in entries:
            path = prefix + _text(entry.name)
            if entry.is_dir(follow_symlinks=False):
                if entry.name != b".git" and not _left_out(path + "/", excluded, ignores):
                    pending.append((entry.path, path + "/", ignores))
            elif entry.name != b".git" and _is_asked_for(path, endings) and not _left_out(path, excluded, ignores):
                listing.files.append(_found(entry, path, filters))
                if len(listing.files) % CHECK_EVERY == 0:
                    on_progress(len(listing.files))
        if len(listing.files) > MAX_FILES:
            raise TooManyFiles
        if listing.folders % CHECK_EVERY == 0:
            on_progress(len(listing.files))
    listing.files.sort(key=lambda found: found.path)
    return listing


def _is_asked_for(path: str, endings: tuple[str, ...]) -> bool:
    return not endings or path.lower().endswith(endings)


def _left_out(path: str, excluded: IgnoreFile, ignores: list[IgnoreFile]) -> bool:
    return excluded.verdict(path) is True or is_ignored(ignores, path)


def _found(entry: os.DirEntry[bytes], path: str, filters: Filters) -> Found:
    """The file with what its directory entry tells, nothing of it opened."""
    try:
        status = entry.stat(follow_symlinks=False)
    except OSError as error:
        return Found(path, entry.path, None, 0, 0, "unreadable", error.strerror)
    language = filters.language_of(path)
    seen = Found(path, entry.path, language, status.st_size, status.st_mtime_ns)
    if len(path.encode()) > MAX_PATH_BYTES:
        return seen._replace(path=cut(path, MAX_PATH_BYTES), reason=LONG_PATH)
    if stat.S_ISLNK(status.st_mode):
        return seen._replace(reason=SYMLINK)
    if not stat.S_ISREG(status.st_mode):
        return seen._replace(reason=SPECIAL, note=SPECIAL_NAMES.get(stat.S_IFMT(status.st_mode), "no ordinary file"))
    if language is None:
        return seen._replace(reason=NO_READER)
    if status.st_size > filters.max_file_bytes:
        return seen._replace(reason=TOO_LARGE)
    return seen


def _text(name: bytes) -> str:
    """The name as text; bytes that are no UTF-8 and control characters are shown as escapes."""
    text = name.decode("utf-8", "backslashreplace")
    return text if text.isprintable() else "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def _lines(path: bytes) -> list[str]:
    """The lines of an ignore file; none when it is no ordinary file, too large or not readable."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return []
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return []
        content = file.read(MAX_PATTERN_FILE_BYTES + 1)
    if len(content) > MAX_PATTERN_FILE_BYTES:
        return []
    return content.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace").splitlines()


def cut(text: str, max_bytes: int) -> str:
    """The beginning of a text that takes at most so many bytes in UTF-8. PostgreSQL limits an index entry in bytes."""
    encoded = text.encode()
    return text if len(encoded) <= max_bytes else encoded[:max_bytes].decode("utf-8", "ignore")
