"""What people send: taken below DATA_DIR under names of our own, or refused whole with a sentence."""

from __future__ import annotations

import io
import os
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from config import Config
from jobs.caption_images import archive, bounds, uploads
from jobs.caption_images.receiving import FormRefused, Keeping, ReceivedForm, receive
from jobs.caption_images.uploads import Incoming, UploadRefused, find_upload
from tests.jobs.caption_images.describing import encoded, zipped

pytestmark = [pytest.mark.req("B9", "D11")]
MIB = 2**20


def take(config: Config, name: str, content: bytes, owner_id: int = 7, most_bytes: int = 10 * MIB) -> uploads.Upload:
    """One file as an upload."""
    with Incoming(config.data_dir, owner_id, most_bytes) as incoming:
        incoming.begin_file(name)
        for start in range(0, len(content), 100_000):
            incoming.write(content[start : start + 100_000])
        incoming.end_file()
        return incoming.finish()


def refusal(config: Config, name: str, content: bytes, **options: Any) -> str:
    """The sentence with which a file is refused; nothing of it may stay."""
    with pytest.raises(UploadRefused) as caught:
        take(config, name, content, **options)
    assert [each for each in (config.data_dir / "uploads").rglob("*") if each.is_file()] == []
    return str(caught.value)


def test_a_name_from_outside_never_becomes_a_name_on_the_disk(config: Config) -> None:
    kept = take(config, "../../etc/cron.d/x\n.jpg", encoded())
    assert [each.name for each in kept.files] == ["x_.jpg"]
    assert sorted(path.name for path in kept.folder.iterdir()) == ["0000", "manifest.json"]
    assert stat.S_IMODE(kept.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((kept.folder / "0000").stat().st_mode) == 0o600
    assert find_upload(config.data_dir, kept.id) == kept
    assert kept.id.startswith("7-")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("notes.jpg", b"these are notes", "not an image"),
        ("drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "not an image"),
        ("page.png", b"<!doctype html><script>alert(1)</script>", "not an image"),
        ("empty.png", b"", "is empty"),
        ("cut.zip", zipped({"a.jpg": b"x" * 1000})[:-40], "did not arrive whole"),
        ("text.zip", zipped({"a.txt": b"no image"}), "no image in this zip"),
    ],
    ids=["text", "svg", "page", "empty", "cut zip", "zip of text"],  # a zip holds the time of day
)
def test_what_is_no_image_and_no_zip_of_them_is_refused(config: Config, name: str, content: bytes, words: str) -> None:
    assert words in refusal(config, name, content)


def test_too_much_is_refused_while_it_comes(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "more than 1 MB" in refusal(config, "a.jpg", encoded() + b"\0" * MIB, most_bytes=MIB)
    monkeypatch.setattr(uploads, "MAX_IMAGE_BYTES", 200_000)
    assert "the most for one image" in refusal(config, "a.jpg", encoded() + b"\0" * 300_000)


@pytest.mark.parametrize(
    "head",
    [
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">LL", 100_000, 100_000),
        b"GIF89a" + struct.pack("<HH", 65_535, 65_535),
        b"BM" + b"\0" * 16 + struct.pack("<ll", 90_000, -90_000),
        b"RIFF\0\0\0\0WEBPVP8X" + b"\0" * 8 + b"\xff\xff\0" * 2,
    ],
)
def test_a_pixel_bomb_is_refused_by_what_it_promises(config: Config, head: bytes) -> None:
    assert "pixels; at most 64,000,000 are read" in refusal(config, "a.png", head + b"\0" * 100)
    kinds = ("PNG", "GIF", "BMP", "WEBP", "JPEG", "TIFF", "AVIF")
    assert {uploads.promised_pixels(encoded(kind=kind)[:32]) for kind in kinds} == {240 * 160, 0}


def test_too_many_files_are_refused(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_UPLOAD_FILES", 2)
    with pytest.raises(UploadRefused, match="more than 2 files"), Incoming(config.data_dir, 7, MIB) as incoming:
        for number in range(3):
            incoming.begin_file(f"{number}.jpg")
            incoming.write(encoded())
            incoming.end_file()


def test_who_keeps_four_full_uploads_gets_no_fifth_and_others_do(config: Config) -> None:
    image = encoded()
    for _ in range(4):
        take(config, "a.jpg", image, most_bytes=len(image) + 1)
    with pytest.raises(UploadRefused, match="all that one person may"):
        take(config, "a.jpg", image, most_bytes=len(image) + 1)
    take(config, "a.jpg", image, owner_id=8, most_bytes=len(image) + 1)


@pytest.mark.parametrize(
    "name", ["../a.jpg", "x/../../a.jpg", "/etc/a.jpg", "..\\a.jpg", "C:\\a.jpg", "\\\\host\\share\\a.jpg", "ok/.."]
)
def test_a_zip_that_leads_out_of_itself_is_refused_whole(config: Config, name: str) -> None:
    assert "leads out of the archive" in refusal(config, "a.zip", zipped({"good.jpg": encoded(), name: encoded()}))


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_a_zip_with_a_link_or_device_is_refused_whole(config: Config, kind: int) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        entry = zipfile.ZipInfo("a.jpg")
        entry.external_attr = (kind | 0o777) << 16
        packed.writestr(entry, "/etc/passwd")
    assert "a link or a device" in refusal(config, "a.zip", out.getvalue())


def test_a_zip_bomb_is_refused_by_what_it_promises_and_read_no_further_than_that(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = zipped({f"{number}.png": b"\0" * 40 * MIB for number in range(2)})
    assert len(bomb) < 200_000
    assert "hundred times its size" in refusal(config, "a.zip", bomb)
    monkeypatch.setattr(archive, "MAX_UNPACKED_BYTES", 60 * MIB)
    assert "unpacked it would be 80 MB" in refusal(config, "a.zip", bomb)
    one = zipped({"a.png": b"\0" * 41 * MIB})
    assert "the most for one image" in refusal(config, "a.zip", one)


def test_an_entry_that_is_longer_than_it_promised_is_damage(tmp_path: Path) -> None:
    packed = bytearray(zipped({"a.png": b"\0" * 5_000_000}))
    at = packed.rindex(b"PK\x01\x02")
    packed[at + 24 : at + 28] = struct.pack("<L", 1_000)
    (tmp_path / "a.zip").write_bytes(packed)
    [entry] = archive.images_in(tmp_path / "a.zip")
    with pytest.raises(archive.ArchiveRefused):
        assert sum(map(len, archive.chunks(tmp_path / "a.zip", entry))) <= 1_000


def test_a_million_entries_are_refused_before_they_are_listed(config: Config, tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        for number in range(bounds.MAX_ENTRIES + 1):
            packed.writestr(f"{number}.jpg", b"")
    assert "more than 5,000 entries" in refusal(config, "a.zip", out.getvalue())
    # One that says "one entry" and has a longer list, and one that hides its length in a second end.
    lying = bytearray(zipped({"a.jpg": b"x"}))
    end = lying.rindex(b"PK\x05\x06")
    lying[end + 12 : end + 16] = struct.pack("<L", 2**31)
    assert "entries" in refusal(config, "a.zip", bytes(lying))
    hidden = bytearray(zipped({"a.jpg": b"x"}))
    hidden[end:end] = b"PK\x06\x07" + b"\0" * 16
    assert "entries" in refusal(config, "a.zip", bytes(hidden))


def test_a_locked_zip_is_refused(config: Config) -> None:
    packed = bytearray(zipped({"a.jpg": b"x"}))
    packed[packed.rindex(b"PK\x01\x02") + 8] |= 1
    assert "password" in refusal(config, "a.zip", bytes(packed))


def test_uploads_that_are_too_old_or_broke_off_are_swept(config: Config) -> None:
    kept, old, unused, used = (take(config, "a.jpg", encoded()) for _ in range(4))
    broken = config.data_dir / "uploads" / "7" / ("f" * 32)
    broken.mkdir()
    now = kept.folder.stat().st_mtime
    os.utime(old.folder / "manifest.json", (now - 1000, now - 1000))
    os.utime(broken, (now - 100_000, now - 100_000))
    assert uploads.sweep(config.data_dir, keep_for_s=900, now_s=now) == 2
    assert [each.folder.exists() for each in (kept, old)] == [True, False]
    assert not broken.exists()
    uploads.mark_used(used)
    for each in (unused, used):
        os.utime(each.folder / "manifest.json", (now - 8 * 86_400, now - 8 * 86_400))
    assert uploads.sweep(config.data_dir, keep_for_s=90 * 86_400, now_s=now) == 1
    assert [each.folder.exists() for each in (kept, unused, used)] == [True, False, True]


def form(*parts: tuple[str, str | None, bytes], boundary: str = "x1") -> bytes:
    """A multipart body of (field, file name or None, content)."""
    out = b""
    for name, filename, content in parts:
        head = f'Content-Disposition: form-data; name="{name}"' + (
            f'; filename="{filename}"' if filename is not None else ""
        )
        out += f"--{boundary}\r\n{head}\r\n\r\n".encode() + content + b"\r\n"
    return out + f"--{boundary}--\r\n".encode()


def received(
    config: Config, body: bytes, step: int = 7919, before: Callable[[ReceivedForm], None] = lambda _: None
) -> ReceivedForm:
    stream = io.BytesIO(body)
    keeping = Keeping(config.data_dir, 7, 10 * MIB, lambda call, *arguments: call(*arguments))
    return receive(lambda size: stream.read(min(size, step)), b"x1", keeping, before)


@pytest.mark.parametrize("step", [1, 13, 65536])
def test_a_form_is_read_in_pieces_of_any_size(config: Config, step: int) -> None:
    image = encoded(quality=30)
    body = form(("csrf_token", None, b"t"), ("f", "a.jpg", image), ("f", "", b""), ("p.path", None, "ü".encode()))
    found = received(config, body, step)
    assert found.fields == [("csrf_token", "t"), ("p.path", "ü")]
    assert found.upload is not None
    assert (found.upload.folder / "0000").read_bytes() == image
    assert found.refusal is None


def test_a_refused_file_loses_no_field_after_it_and_leaves_nothing(config: Config) -> None:
    found = received(
        config, form(("f", "a.txt", b"text" * 50_000), ("g", "b.jpg", encoded()), ("title", None, b"Mine"))
    )
    assert found.refusal is not None
    assert "a.txt is not an image" in found.refusal
    assert found.first("title") == "Mine"
    assert found.upload is None
    assert list((config.data_dir / "uploads" / "7").iterdir()) == []


def test_nothing_is_kept_before_the_token_was_seen(config: Config) -> None:
    def refuse(fields: ReceivedForm) -> None:
        assert fields.first("csrf_token") == "wrong"
        raise PermissionError

    with pytest.raises(PermissionError):
        received(config, form(("csrf_token", None, b"wrong"), ("f", "a.jpg", encoded())), before=refuse)
    assert not (config.data_dir / "uploads").exists()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not a form at all",
        form(("f", "a.jpg", encoded()))[:-30],
        b"--x1\r\nContent-Disposition: form-data\r\n\r\nx\r\n--x1--\r\n"[:40],
        b"--x1\r\nNothing: here\r\n\r\nx\r\n--x1--\r\n",
        form(("a", None, b"x" * 20_000)),
        form(*((f"a{n}", None, b"x") for n in range(70))),
        b"--x1\r\nContent-Disposition: form-data; name=" + b"a" * 600_000,
    ],
)
def test_what_is_no_whole_form_is_refused_and_leaves_nothing(config: Config, body: bytes) -> None:
    with pytest.raises(FormRefused):
        received(config, body)
    assert [each for each in (config.data_dir / "uploads").rglob("*") if each.is_file()] == []
