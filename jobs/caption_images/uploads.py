"""Images that people send: one folder for each upload, below one for each person, in DATA_DIR/uploads.

A name that came from outside never becomes a name on this disk: files are numbered, and what they were called stands in
the manifest. An upload exists from the moment its manifest is there.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import struct
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from jobs.caption_images import archive
from jobs.caption_images.bounds import (
    MAX_IMAGE_BYTES,
    MAX_NAME_CHARS,
    MAX_PIXELS,
    MAX_UPLOAD_FILES,
    QUOTA_UPLOADS,
    in_mib,
)

FOLDER = "uploads"
MANIFEST = "manifest.json"
USED = "used"
ARCHIVE = "archive"
IMAGE = "image"
UNFINISHED_FOR_S = 6 * 3600
UNUSED_FOR_S = 7 * 86_400
HEAD_BYTES = 32
_ID = re.compile(r"([1-9][0-9]{0,9})-([0-9a-f]{32})", re.ASCII)


class UploadRefused(ValueError):
    """These files are not taken. The message says why and what to do."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file as it came: `name` is what its owner calls it, `stored` its name here, `kind` archive or image."""

    name: str
    stored: str
    size: int
    kind: str
    images: int


@dataclass(frozen=True, slots=True)
class Upload:
    """What somebody sent at one time."""

    id: str
    owner_id: int
    folder: Path
    files: tuple[StoredFile, ...]

    @property
    def images(self) -> int:
        """How many images it holds, those in archives included."""
        return sum(each.images for each in self.files)

    @property
    def size(self) -> int:
        """Its bytes on the disk."""
        return sum(each.size for each in self.files)


def find_upload(data_dir: Path, upload_id: str) -> Upload:
    """The finished upload with this id. Raises UploadRefused."""
    folder = _folder(data_dir, upload_id)
    try:
        manifest = orjson.loads((folder / MANIFEST).read_bytes()) if folder else None
    except (OSError, orjson.JSONDecodeError):
        manifest = None
    if folder is None or manifest is None:
        raise UploadRefused("These images are not here any more. Choose them again.")
    files = tuple(StoredFile(**each) for each in manifest["files"])
    return Upload(upload_id, int(manifest["owner_id"]), folder, files)


def _folder(data_dir: Path, upload_id: str) -> Path | None:
    parts = _ID.fullmatch(upload_id)
    return data_dir / FOLDER / parts[1] / parts[2] if parts else None


def remove_upload(data_dir: Path, upload_id: str) -> None:
    """Delete it with its files, as far as they are there."""
    if folder := _folder(data_dir, upload_id):
        shutil.rmtree(folder, ignore_errors=True)


def mark_used(upload: Upload) -> None:
    """A task reads it: from now on it is kept as long as tasks are."""
    (upload.folder / USED).touch()


def sweep(data_dir: Path, keep_for_s: float, now_s: float | None = None) -> int:
    """Delete uploads older than `keep_for_s`, those that no task read after a week, and those that broke off.

    Returns how many.
    """
    now_s = time.time() if now_s is None else now_s
    removed = 0
    for folder in (data_dir / FOLDER).glob("*/*"):
        with contextlib.suppress(OSError):
            is_finished = (folder / MANIFEST).exists()
            age_s = now_s - (folder / MANIFEST if is_finished else folder).stat().st_mtime
            limit_s = UNUSED_FOR_S if is_finished else UNFINISHED_FOR_S
            if age_s > (keep_for_s if (folder / USED).exists() else min(keep_for_s, limit_s)):
                shutil.rmtree(folder, ignore_errors=True)
                removed += 1
    return removed


class Incoming:
    """An upload that is being received. Use as a context: unless `finish` was called, nothing of it stays."""

    def __init__(self, data_dir: Path, owner_id: int, most_bytes: int) -> None:
        """Raises UploadRefused when this person keeps too much here already."""
        own = data_dir / FOLDER / str(owner_id)
        kept = sum(file.stat().st_size for file in own.glob("*/*") if file.is_file())
        if kept >= QUOTA_UPLOADS * most_bytes:
            raise UploadRefused(
                f"You keep {in_mib(kept)} of uploads here, which is all that one person may. They are removed with "
                "their tasks; until then, put images into a folder below a scan root."
            )
        token = secrets.token_hex(16)
        self.id = f"{owner_id}-{token}"
        self._owner_id = owner_id
        self._most_bytes = most_bytes
        self._folder = own / token
        self._folder.mkdir(mode=0o700, parents=True)
        self._files: list[StoredFile] = []
        self._taken = 0
        self._open: tuple[str, str, int] | None = None
        self._size = 0
        self._head = b""
        self._is_finished = False

    def __enter__(self) -> Incoming:
        return self

    def __exit__(self, *_: object) -> None:
        if self._open is not None:
            os.close(self._open[2])
            self._open = None
        if not self._is_finished:
            shutil.rmtree(self._folder, ignore_errors=True)

    def begin_file(self, name: str) -> None:
        """What comes next belongs to this file. Raises UploadRefused."""
        if len(self._files) >= MAX_UPLOAD_FILES:
            raise UploadRefused(
                f"These are more than {MAX_UPLOAD_FILES} files. Send them in parts, or as one zip of up to "
                f"{in_mib(self._most_bytes)}."
            )
        stored = f"{len(self._files):04d}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        self._open = (plain_name(name), stored, os.open(self._folder / stored, flags, 0o600))
        self._size, self._head = 0, b""

    def write(self, data: bytes) -> None:
        """The next bytes of the open file. Raises UploadRefused, and OSError from the disk."""
        assert self._open is not None
        name, _, descriptor = self._open
        self._head = self._head or data[:HEAD_BYTES]
        self._size += len(data)
        self._taken += len(data)
        if self._taken > self._most_bytes:
            raise UploadRefused(f"This is more than {in_mib(self._most_bytes)}, the most that is taken at a time.")
        if self._size > MAX_IMAGE_BYTES and not self._head.startswith(archive.MAGIC):
            raise UploadRefused(f"{name} is larger than {in_mib(MAX_IMAGE_BYTES)}, the most for one image.")
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]

    def end_file(self) -> None:
        """The open file is complete. Raises UploadRefused for what is neither an image nor a sound archive."""
        assert self._open is not None
        name, stored, descriptor = self._open
        os.close(descriptor)
        self._open = None
        if self._size == 0:
            raise UploadRefused(f"{name} is empty. Choose a file with a picture in it.")
        if self._head.startswith(archive.MAGIC):
            try:
                images = len(archive.images_in(self._folder / stored))
            except archive.ArchiveRefused as error:
                raise UploadRefused(f"{name}: {error}") from error
            self._files.append(StoredFile(name, stored, self._size, ARCHIVE, images))
            return
        if not looks_like_image(self._head):
            raise UploadRefused(
                f"{name} is not an image that can be read here. JPEG, PNG, WebP, GIF, BMP, TIFF and AVIF can, and a "
                "zip of them."
            )
        pixels = promised_pixels(self._head)
        if pixels > MAX_PIXELS:
            raise UploadRefused(f"{name} has {pixels:,} pixels; at most {MAX_PIXELS:,} are read. Send a smaller one.")
        self._files.append(StoredFile(name, stored, self._size, IMAGE, 1))

    def finish(self) -> Upload:
        """Make it an upload. Raises UploadRefused when there is nothing in it."""
        if not self._files:
            raise UploadRefused("No file was chosen.")
        manifest = {"owner_id": self._owner_id, "files": [asdict(each) for each in self._files]}
        partial = self._folder / f"{MANIFEST}.new"
        partial.write_bytes(orjson.dumps(manifest))
        partial.rename(self._folder / MANIFEST)
        self._is_finished = True
        return Upload(self.id, self._owner_id, self._folder, tuple(self._files))


def plain_name(name: str) -> str:
    """The last part of a name as a browser or program sent it, in printable characters."""
    last = re.split(r"[/\\]", name)[-1]
    printable = "".join(each if each.isprintable() else "_" for each in last).strip()
    return printable[-MAX_NAME_CHARS:] or "file"


def promised_pixels(head: bytes) -> int:
    """How many pixels the first bytes of an image promise; 0 where the format says it further on.

    Nothing is decoded for it, so this only spares a person the wait: the job looks again, and at every format.
    """
    if head.startswith(b"\x89PNG") and len(head) >= 24:
        width, height = struct.unpack(">LL", head[16:24])
    elif head.startswith(b"GIF8") and len(head) >= 10:
        width, height = struct.unpack("<HH", head[6:10])
    elif head.startswith(b"BM") and len(head) >= 26:
        width, height = (abs(each) for each in struct.unpack("<ll", head[18:26]))
    elif head[8:16] == b"WEBPVP8X" and len(head) >= 30:
        width, height = (1 + int.from_bytes(head[at : at + 3], "little") for at in (24, 27))
    else:
        return 0
    return int(width * height)


def looks_like_image(head: bytes) -> bool:
    """Whether a file begins like an image of one of the formats that are read. Its end decides later."""
    if head.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"BM", b"II*\0", b"MM\0*")):
        return True
    return (head[:4] == b"RIFF" and head[8:12] == b"WEBP") or (
        head[4:8] == b"ftyp" and head[8:12] in (b"avif", b"avis")
    )
