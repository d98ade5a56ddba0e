"""What can be measured of an image, and the pictures of it that people and models look at. Runs in the child only.

The pictures are made anew from the pixels: nothing else of a stranger's file (metadata, scripts, a second format hidden
in it) reaches a browser or a model.
"""

from __future__ import annotations

import importlib
import warnings
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image, ImageFilter, ImageOps, ImageStat

from jobs.caption_images.bounds import FORMATS, MAX_PIXELS
from jobs.caption_images.colours import merged, name_of
from jobs.caption_images.pictures import MODEL_PX, THUMB_PX, VIEW_PX

SMALL_PX = 96
DISTINCT_MATTERS = 4_000
OPAQUE = 250
TAG = ExifTags.Base
PLUGINS = ("Jpeg", "Png", "WebP", "Gif", "Bmp", "Tiff", "Avif")  # of bounds.FORMATS
_UNDECIDED = "This image is damaged or not of the kind that its name says."


def prepare() -> None:
    """Load the readers of the formats that are taken, and no others."""
    warnings.simplefilter("ignore")
    for plugin in PLUGINS:
        importlib.import_module(f"PIL.{plugin}ImagePlugin")
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS


def examine(request: dict[str, Any]) -> dict[str, Any]:
    """Facts of the image at `path`, and its pictures at `thumb`, `view` and `model`; or {"refused": a sentence}."""
    try:
        with Image.open(request["path"], formats=FORMATS) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                return _refused(_too_many(width * height))
            return _facts(image, request)
    except Image.DecompressionBombError:
        return _refused(_too_many(None))
    except MemoryError:
        return _refused("This image needs more memory than one may take.")
    except Exception as error:
        # Decoders raise whatever their format makes them: the file is at fault, and its own line says so.
        return _refused(_UNDECIDED, type(error).__name__)


def _refused(reason: str, kind: str = "") -> dict[str, Any]:
    return {"refused": reason, "kind": kind}


def _too_many(pixels: int | None) -> str:
    size = f"has {pixels:,} pixels" if pixels else "has far too many pixels"
    return f"This image {size}; at most {MAX_PIXELS:,} are read. Send a smaller one."


def _facts(image: Image.Image, request: dict[str, Any]) -> dict[str, Any]:
    kind, frames = image.format or "", int(getattr(image, "n_frames", 1))
    exif = image.getexif()
    orientation = exif.get(TAG.Orientation, 1)
    width, height = image.size if orientation < 5 else image.size[::-1]
    told = _told_by_camera(exif, bool(request["include_location"]))
    image.draft("RGB", (VIEW_PX, VIEW_PX))  # JPEG only: decode at a fraction of the size
    upright = _upright(image, orientation)
    has_holes = upright.mode in ("RGBA", "LA") and min(upright.getchannel("A").tobytes(), default=255) < OPAQUE
    view = _flat(upright)
    _save(view, request["view"], VIEW_PX, 85)
    _save(view, request["model"], MODEL_PX, 88)
    _save(view, request["thumb"], THUMB_PX, 80)
    return {
        "format": "JPEG" if kind == "MPO" else kind,
        "width": width,
        "height": height,
        "frames": frames if kind != "MPO" else 1,
        "has_holes": has_holes,
        **told,
        **_measured(view),
    }


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    """The image as it is looked at, in at most VIEW_PX, so that what follows is small."""
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        image = _eight_bit(image)
    if image.mode in ("P", "PA", "1", "CMYK", "YCbCr", "LAB", "HSV"):
        image = image.convert("RGBA" if "transparency" in image.info or image.mode == "PA" else "RGB")
    image.thumbnail((VIEW_PX, VIEW_PX), Image.Resampling.LANCZOS)
    if orientation in range(2, 9):
        exif = Image.Exif()
        exif[TAG.Orientation] = orientation
        image.info["exif"] = exif.tobytes()
        image = ImageOps.exif_transpose(image)
    return image


def _eight_bit(image: Image.Image) -> Image.Image:
    """Sixteen bits and more, scaled so that the darkest is black and the brightest white."""
    wide = image.convert("F")
    low, high = wide.getextrema()
    scale = 255.0 / ((high - low) or 1.0)  # type: ignore[operator]
    return wide.point(lambda value: value * scale - low * scale).convert("L")  # type: ignore[operator]


def _flat(image: Image.Image) -> Image.Image:
    """RGB, with what is transparent on white."""
    if image.mode in ("RGBA", "LA"):
        whole = image.convert("RGBA")
        ground = Image.new("RGB", whole.size, (255, 255, 255))
        ground.paste(whole, mask=whole.getchannel("A"))
        return ground
    return image.convert("RGB")


def _save(view: Image.Image, path: str, largest: int, quality: int) -> None:
    picture = view.copy()
    picture.info = {}
    picture.thumbnail((largest, largest), Image.Resampling.LANCZOS)
    picture.save(Path(path), "JPEG", quality=quality, optimize=True)


def _told_by_camera(exif: Image.Exif, with_place: bool) -> dict[str, Any]:
    """Camera and time as the file says them; a place only when it was asked for."""
    inner = exif.get_ifd(ExifTags.IFD.Exif)
    made = _text(inner.get(TAG.DateTimeOriginal)) or _text(exif.get(TAG.DateTime))
    told: dict[str, Any] = {
        "taken": made,
        "camera": " ".join(dict.fromkeys(f"{_text(exif.get(TAG.Make))} {_text(exif.get(TAG.Model))}".split())),
        "words": _text(exif.get(TAG.ImageDescription)),
    }
    if with_place:
        told["place"] = _place(exif.get_ifd(ExifTags.IFD.GPSInfo))
    return told


def _text(value: Any) -> str:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value or "")
    return "".join(each if each.isprintable() else " " for each in text).strip()[:200]


def _place(gps: dict[int, Any]) -> list[float] | None:
    """[latitude, longitude] in degrees."""
    try:
        north = sum(float(part) / 60**n for n, part in enumerate(gps[2]))
        east = sum(float(part) / 60**n for n, part in enumerate(gps[4]))
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    place = [north if gps.get(1) != "S" else -north, east if gps.get(3) != "W" else -east]
    return [round(each, 5) for each in place] if abs(place[0]) <= 90 and abs(place[1]) <= 180 else None


def _measured(view: Image.Image) -> dict[str, Any]:
    """Colours in words with their shares, and a few numbers from 0 to 1."""
    small = view.copy()
    small.thumbnail((SMALL_PX, SMALL_PX), Image.Resampling.BOX)
    grey = small.convert("L")
    saturation = ImageStat.Stat(small.convert("HSV").getchannel("S")).mean[0] / 255
    thirds = [
        ImageStat.Stat(grey.crop((0, top, grey.width, max(top + 1, bottom)))).mean[0] / 255
        for top, bottom in ((0, grey.height // 3), (grey.height - grey.height // 3, grey.height))
    ]
    crisp = view.copy()
    crisp.thumbnail((256, 256), Image.Resampling.NEAREST)
    edges = ImageStat.Stat(crisp.convert("L").filter(ImageFilter.FIND_EDGES)).mean[0] / 255
    distinct = crisp.getcolors(maxcolors=DISTINCT_MATTERS)
    return {
        "colours": _colours(small),
        "brightness": round(ImageStat.Stat(grey).mean[0] / 255, 3),
        "contrast": round(ImageStat.Stat(grey).stddev[0] / 255, 3),
        "saturation": round(saturation, 3),
        "top": round(thirds[0], 3),
        "bottom": round(thirds[1], 3),
        "edges": round(edges, 3),
        "distinct": len(distinct) if distinct is not None else None,
    }


def _colours(small: Image.Image) -> list[list[Any]]:
    """[[name, share], …], the most frequent first."""
    reduced = small.quantize(24, Image.Quantize.MEDIANCUT)
    palette = reduced.getpalette() or []
    shares: dict[str, float] = {}
    total = reduced.width * reduced.height
    for count, index in reduced.getcolors() or []:
        at = 3 * int(index)  # type: ignore[arg-type]
        name = name_of((palette[at], palette[at + 1], palette[at + 2]))
        shares[name] = shares.get(name, 0) + count / total
    return [[name, round(share, 3)] for name, share in merged(shares)]
