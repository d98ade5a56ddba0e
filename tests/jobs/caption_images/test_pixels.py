"""What is read of an image, and what images do to who reads them: hostile files cost their own error and no more."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import ExifTags, Image

from jobs.caption_images.colours import name_of
from jobs.caption_images.decoder import Decoder, ImageRefused
from tests.jobs.caption_images.describing import encoded, picture

pytestmark = pytest.mark.req("B9", "B4")


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    with Decoder(lambda: None, within_s=15) as one:
        yield one


def read(decoder: Decoder, folder: Path, content: bytes, **options: Any) -> dict[str, Any]:
    (folder / "image").write_bytes(content)
    return decoder.examine(folder / "image", folder, **options)


def refusal(decoder: Decoder, folder: Path, content: bytes) -> str:
    with pytest.raises(ImageRefused) as caught:
        read(decoder, folder, content)
    return str(caught.value)


def png(width: int, height: int, data: bytes = b"") -> bytes:
    """A PNG with this header, whatever follows."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">L", len(body)) + kind + body + struct.pack(">L", zlib.crc32(kind + body))

    head = struct.pack(">LLBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data or zlib.compress(b"\0")) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_every_format_gives_facts_and_new_pictures(decoder: Decoder, tmp_path: Path, kind: str) -> None:
    facts = read(decoder, tmp_path, encoded(kind=kind))
    assert (facts["format"], facts["width"], facts["height"]) == (kind, 240, 160)
    assert facts["colours"][0][0] == "blue"
    for size, largest in (("thumb", 192), ("view", 240), ("model", 240)):
        with Image.open(tmp_path / f"{size}.jpg") as made:
            assert made.format == "JPEG"
            assert max(made.size) == largest


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16", "I", "F"])
def test_every_kind_of_pixel_is_understood(decoder: Decoder, tmp_path: Path, mode: str) -> None:
    plain = picture().convert("L") if mode in ("1", "I;16", "I", "F") else picture()
    assert read(decoder, tmp_path, encoded(plain.convert(mode), "TIFF"))["width"] == 240


@pytest.mark.parametrize("size", [(100_000, 100_000), (2_000_000_000, 3), (9_000, 9_000), (0, 5)])
def test_a_pixel_bomb_is_refused_by_its_head(decoder: Decoder, tmp_path: Path, size: tuple[int, int]) -> None:
    words = refusal(decoder, tmp_path, png(*size))
    assert "pixels" in words or "damaged" in words


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xd8\xff",
        encoded()[:500],
        encoded(kind="PNG")[:120],
        b"GIF89a" + b"\xff" * 200,
        b"RIFF\xff\xff\xff\xffWEBPVP8 " + b"\0" * 50,
        b"BM" + b"\xff" * 60,
        b"II*\0" + struct.pack("<L", 8) + b"\xff" * 200,
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        b"#define x_width 9\n#define x_height 9\nstatic char x_bits[] = {0};",
        png(8_000, 8_000, zlib.compress(b"\0" * 300)),
    ],
)
def test_what_is_no_whole_image_of_a_known_format_is_refused(decoder: Decoder, tmp_path: Path, content: bytes) -> None:
    before = decoder.pid
    assert refusal(decoder, tmp_path, content)
    assert read(decoder, tmp_path, encoded())["width"] == 240
    assert before in (None, decoder.pid)


def noise() -> bytes:
    """A sound image that takes some tenths of a second."""
    return encoded(Image.frombytes("L", (4000, 4000), os.urandom(16_000_000)), "PNG", compress_level=0)


def test_one_that_takes_too_long_is_given_up_with_its_process(tmp_path: Path) -> None:
    with Decoder(lambda: None, within_s=0.0) as hasty:
        assert "took longer than 0 s" in refusal(hasty, tmp_path, noise())
        assert hasty.pid is None


def test_one_that_computes_too_long_ends_by_itself(tmp_path: Path) -> None:
    with Decoder(lambda: None, within_s=0.05) as hasty:
        assert "took longer than 0.05 s" in refusal(hasty, tmp_path, noise())


def test_a_cancel_ends_the_waiting_for_a_slow_image(tmp_path: Path) -> None:
    class Stop(BaseException):
        pass

    calls = []

    def check() -> None:
        calls.append(1)
        raise Stop

    with Decoder(check) as one, pytest.raises(Stop):
        read(one, tmp_path, noise())
    assert one.pid is None


def camera_photo() -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Canon"
    exif[ExifTags.Base.Model] = "Canon EOS R6"
    exif[ExifTags.Base.Orientation] = 6
    inner = exif.get_ifd(ExifTags.IFD.Exif)
    inner[ExifTags.Base.DateTimeOriginal] = "2026:11:04 08:12:33"
    gps = exif.get_ifd(ExifTags.IFD.GPSInfo)
    gps[1], gps[2], gps[3], gps[4] = "N", (52.0, 31.0, 12.0), "E", (13.0, 24.0, 18.0)
    return encoded(exif=exif)


@pytest.mark.req("D9")
def test_time_and_camera_are_kept_the_place_only_when_asked_and_none_of_it_in_the_pictures(
    decoder: Decoder, tmp_path: Path
) -> None:
    facts = read(decoder, tmp_path, camera_photo())
    assert (facts["width"], facts["height"]) == (160, 240), "turned upright"
    assert (facts["taken"], facts["camera"]) == ("2026:11:04 08:12:33", "Canon EOS R6")
    assert "place" not in facts
    for size in ("thumb", "view", "model"):
        with Image.open(tmp_path / f"{size}.jpg") as made:
            assert made.height > made.width
            assert not made.getexif()
            assert "exif" not in made.info
    assert read(decoder, tmp_path, camera_photo(), include_location=True)["place"] == [52.52, 13.405]


def test_colours_have_the_words_that_people_use() -> None:
    named = {
        (255, 255, 255): "white",
        (5, 5, 5): "black",
        (128, 128, 128): "grey",
        (220, 30, 30): "red",
        (30, 60, 200): "blue",
        (10, 20, 90): "dark blue",
        (180, 210, 250): "light blue",
        (40, 150, 60): "green",
        (250, 220, 40): "yellow",
        (240, 140, 30): "orange",
        (110, 70, 30): "brown",
        (225, 205, 170): "beige",
    }
    assert {colour: name_of(colour) for colour in named} == named
