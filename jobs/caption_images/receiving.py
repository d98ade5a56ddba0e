"""A form with files, read bit by bit: fields into memory, files onto the disk, never more than a piece at a time.

It knows no web framework: `read(size)` gives the next bytes of the body. What works on the disk is called through
`beside`, which runs it where nobody else waits for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData

from jobs.caption_images.bounds import MAX_UPLOAD_FILES
from jobs.caption_images.uploads import Incoming, Upload, UploadRefused

READ_BYTES = 64 * 1024
WRITE_BYTES = 1024 * 1024
DECODER_BYTES = 512 * 1024
BEHIND_BOUNDARY = len(b"--\r\n")
MAX_FIELDS = 60
MAX_PARTS = 4 * MAX_UPLOAD_FILES
MAX_FIELD_BYTES = 16 * 1024
MAX_FIELDS_BYTES = 256 * 1024
Beside = Callable[..., Any]


class FormRefused(ValueError):
    """What came is not a form, or one with too much text in it."""


@dataclass(slots=True)
class ReceivedForm:
    """The fields in the order in which they came, and the files, or why they are not taken."""

    fields: list[tuple[str, str]] = field(default_factory=list)
    upload: Upload | None = None
    refusal: str | None = None

    def first(self, name: str) -> str | None:
        """The first value of this name."""
        return next((value for key, value in self.fields if key == name), None)


@dataclass(frozen=True, slots=True)
class Keeping:
    """Where files go: whose they are, how much may come, and how to work on the disk."""

    data_dir: Path
    owner_id: int
    most_bytes: int
    beside: Beside


def receive(
    read: Callable[[int], bytes], boundary: bytes, keeping: Keeping, before_files: Callable[[ReceivedForm], None]
) -> ReceivedForm:
    """Read the whole form. `before_files` is called once, with the fields so far, before the first file is taken.

    Files that are not taken are read past, so that the fields after them are not lost, and nothing of them stays.
    Raises FormRefused for what is no form, and whatever `before_files` raises.
    """
    return _Receiver(read, boundary, keeping, before_files).run()


class _Receiver:
    def __init__(
        self,
        read: Callable[[int], bytes],
        boundary: bytes,
        keeping: Keeping,
        before_files: Callable[[ReceivedForm], None],
    ) -> None:
        self._read = read
        self._boundary = b"--" + boundary
        self._tail = b""
        self._decoder = MultipartDecoder(boundary, DECODER_BYTES, max_parts=MAX_PARTS)
        self._keeping = keeping
        self._before_files = before_files
        self._form = ReceivedForm()
        self._is_allowed = False
        self._incoming: Incoming | None = None
        self._part: str | None = None  # the field whose text comes; None while a file comes
        self._text = bytearray()
        self._texts_bytes = 0
        self._waiting = bytearray()
        self._skips = False

    def run(self) -> ReceivedForm:
        try:
            self._take_parts()
            self._allow()
            if self._incoming is not None:
                self._form.upload = self._keeping.beside(self._incoming.finish)
            return self._form
        except FormRefused:
            raise
        except RequestEntityTooLarge as error:
            raise FormRefused("This form holds far too much. Send the images in parts, or as one zip.") from error
        except (ValueError, AttributeError) as error:
            # The decoder's own words for a body that breaks off or breaks its rules.
            raise FormRefused("The form did not arrive whole. Send it again.") from error
        finally:
            self._abandon()

    def _take_parts(self) -> None:
        while True:
            event = self._decoder.next_event()
            if isinstance(event, Epilogue):
                return
            if isinstance(event, NeedData):
                self._decoder.receive_data(self._piece() or None)
            elif isinstance(event, Field):
                self._begin_field(event.name)
            elif isinstance(event, File):
                self._begin_file(event.filename)
            elif isinstance(event, Data):
                self._take(event.data, is_last=not event.more_data)

    def _piece(self) -> bytes:
        """The next bytes, never ending right behind a boundary.

        The decoder takes such a boundary's line break for the part's last byte: seen with Werkzeug 3.1.9, when "--"
        or the line end that has to follow a boundary comes with the next piece.
        """
        piece = self._read(READ_BYTES)
        while piece:
            seen = self._tail + piece
            at = seen.rfind(self._boundary)
            missing = at + len(self._boundary) + BEHIND_BOUNDARY - len(seen)
            more = self._read(missing) if at >= 0 and missing > 0 else b""
            if not more:
                break
            piece += more
        self._tail = (self._tail + piece)[-len(self._boundary) - BEHIND_BOUNDARY :]
        return piece

    def _begin_field(self, name: str | None) -> None:
        if len(self._form.fields) >= MAX_FIELDS:
            raise FormRefused(f"The form has more than {MAX_FIELDS} fields.")
        self._part, self._text = name or "", bytearray()

    def _begin_file(self, filename: str) -> None:
        self._part, self._waiting = None, bytearray()
        self._skips = (
            not filename or self._form.refusal is not None
        )  # a control in which nothing was chosen has no name
        if self._skips:
            return
        self._allow()
        keeping = self._keeping
        try:
            if self._incoming is None:
                self._incoming = keeping.beside(Incoming, keeping.data_dir, keeping.owner_id, keeping.most_bytes)
            keeping.beside(self._incoming.begin_file, filename)
        except UploadRefused as error:
            self._refuse(error)

    def _refuse(self, error: UploadRefused) -> None:
        self._form.refusal = str(error)
        self._skips = True
        self._abandon()

    def _abandon(self) -> None:
        """Nothing of an upload stays unless it was finished."""
        if self._incoming is not None:
            self._keeping.beside(self._incoming.__exit__)
            self._incoming = None

    def _allow(self) -> None:
        if not self._is_allowed:
            self._before_files(self._form)
            self._is_allowed = True

    def _take(self, data: bytes, is_last: bool) -> None:
        if self._part is None:
            self._take_file(data, is_last)
            return
        self._texts_bytes += len(data)
        self._text += data
        if len(self._text) > MAX_FIELD_BYTES or self._texts_bytes > MAX_FIELDS_BYTES:
            raise FormRefused("A field of the form holds too much text.")
        if is_last:
            self._form.fields.append((self._part, self._text.decode("utf-8", "replace").replace("\0", "")))

    def _take_file(self, data: bytes, is_last: bool) -> None:
        if self._skips or self._incoming is None:
            return
        self._waiting += data
        try:
            if len(self._waiting) >= WRITE_BYTES or (is_last and self._waiting):
                self._keeping.beside(self._incoming.write, bytes(self._waiting))
                self._waiting.clear()
            if is_last:
                self._keeping.beside(self._incoming.end_file)
        except UploadRefused as error:
            self._refuse(error)
