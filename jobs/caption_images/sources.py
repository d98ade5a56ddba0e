"""The images of a folder or an upload, one after the other, each brought into one file that nobody else changes."""

from __future__ import annotations

import hashlib
import os
import stat
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from jobs.caption_images import archive
from jobs.caption_images.bounds import MAX_IMAGE_BYTES, MAX_LISTED, in_mib, is_image_name
from jobs.caption_images.decoder import ImageRefused
from jobs.caption_images.models import MAX_NAME
from jobs.caption_images.uploads import ARCHIVE, Upload, UploadRefused

CHUNK = 256 * 1024


class TooManyFiles(ValueError):
    """The folder holds more files than are looked at."""


@dataclass(frozen=True, slots=True)
class Source:
    """An image that can be fetched; `name` is its path as people see it."""

    name: str
    chunks: Callable[[], Iterator[bytes]]


@dataclass(frozen=True, slots=True)
class Fetched:
    """A source's bytes in a file of ours, with their SHA-256."""

    digest: str
    size: int


def fetch(source: Source, target: Path) -> Fetched:
    """Copy the image to `target`. Raises ImageRefused for what cannot be read whole or is too large."""
    with target.open("wb") as file:
        return _read_whole(source, file.write)


def look(source: Source) -> Fetched:
    """Read the image only to know it again. Raises ImageRefused as `fetch` does."""
    return _read_whole(source, len)


def _read_whole(source: Source, take: Callable[[bytes], object]) -> Fetched:
    digest, size = hashlib.sha256(), 0
    try:
        for chunk in source.chunks():
            size += len(chunk)
            if size > MAX_IMAGE_BYTES:
                raise ImageRefused(f"This file is larger than {in_mib(MAX_IMAGE_BYTES)}, the most for one image.")
            digest.update(chunk)
            take(chunk)
    except archive.ArchiveRefused as error:
        raise ImageRefused(str(error)[:1].upper() + str(error)[1:]) from error
    return Fetched(digest.hexdigest(), size)


def in_folder(root: Path, check: Callable[[], None]) -> list[Source]:
    """The images below a folder, in order of path. Links are not followed, hidden files and folders left out.

    Raises TooManyFiles.
    """
    found: list[Source] = []
    looked_at = 0
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        check()
        try:
            with os.scandir(folder) as entries:
                inside = sorted(entries, key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in inside:
            looked_at += 1
            if looked_at > MAX_LISTED:
                raise TooManyFiles
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                waiting.append(Path(entry.path))
            elif entry.is_file(follow_symlinks=False) and is_image_name(entry.name):
                found.append(_on_disk(Path(entry.path), root))
    return sorted(found, key=lambda each: each.name)


def _on_disk(path: Path, root: Path) -> Source:
    name = _shown(os.fsencode(path.relative_to(root)).decode("utf-8", "replace"))
    return Source(name, lambda: _read(path))


def _read(path: Path) -> Iterator[bytes]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise ImageRefused(f"This file cannot be read ({error.strerror}). Check its permissions.") from error
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ImageRefused("This is no file any more.")
        while chunk := file.read(CHUNK):
            yield chunk


def in_upload(upload: Upload) -> list[Source]:
    """The images of an upload, in the order in which they were sent. Raises UploadRefused."""
    found: list[Source] = []
    for stored in upload.files:
        path = upload.folder / stored.stored
        if stored.kind == ARCHIVE:
            try:
                entries = archive.images_in(path)
            except (archive.ArchiveRefused, OSError) as error:
                raise UploadRefused(f"{stored.name} cannot be read any more. Choose the images again.") from error
            found += [_packed(path, entry) for entry in entries]
        else:
            found.append(_stored(path, stored.name))
    return _with_different_names(found)


def _packed(path: Path, entry: zipfile.ZipInfo) -> Source:
    return Source(_shown(entry.filename), lambda: archive.chunks(path, entry))


def _stored(path: Path, name: str) -> Source:
    return Source(_shown(name), lambda: _read(path))


def _shown(name: str) -> str:
    printable = "".join(each if each.isprintable() else "_" for each in name)
    return printable if len(printable) <= MAX_NAME else "…" + printable[1 - MAX_NAME :]


def _with_different_names(found: list[Source]) -> list[Source]:
    """Files of one name from two folders are told apart by a number."""
    seen: dict[str, int] = {}
    named = []
    for each in found:
        seen[each.name] = seen.get(each.name, 0) + 1
        again = seen[each.name]
        if again > 1:
            stem, dot, suffix = each.name.rpartition(".")
            name = f"{stem} ({again}){dot}{suffix}" if dot else f"{each.name} ({again})"
            each = Source(name, each.chunks)
        named.append(each)
    return named
