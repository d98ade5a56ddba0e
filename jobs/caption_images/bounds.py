"""How much of anything is taken. Each bound is said in the sentence that refuses what is over it."""

from __future__ import annotations

MIB = 2**20
MAX_IMAGE_BYTES = 40 * MIB
MAX_PIXELS = 64_000_000
MAX_UPLOAD_FILES = 500
MAX_ENTRIES = 5_000  # of an archive
MAX_DIRECTORY_BYTES = 4 * MIB  # of the list at an archive's end
MAX_UNPACKED_BYTES = 2_048 * MIB
MAX_RATIO = 100  # unpacked to packed; pictures are packed already
RATIO_MATTERS_FROM_BYTES = 64 * MIB
MAX_LISTED = 100_000  # files of a folder
MAX_NAME_CHARS = 400
DECODE_WITHIN_S = 20.0
QUOTA_UPLOADS = 4  # what one person may keep here, in uploads of the largest size

SUFFIXES = (".jpg", ".jpeg", ".jpe", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif")
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")


def is_image_name(name: str) -> bool:
    """Whether a file's name ends like that of an image that can be read here."""
    return name.lower().endswith(SUFFIXES)


def in_mib(size: float) -> str:
    """ "256 MB", as sentences say it."""
    return f"{size / MIB:,.0f} MB" if size >= MIB else f"{max(1, size / 1024):,.0f} KB"
