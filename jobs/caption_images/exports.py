"""Captions to take away: JSON, CSV, and a zip with a text file beside each image's name.

A task has at most 500 images, so each export is made whole, in memory.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Sequence
from typing import Any

import orjson

from database import rfc3339
from jobs.caption_images.models import APPROVED, CaptionImage

COLUMNS = (
    "name", "caption", "status", "decorative", "characters", "edited", "captioner", "model", "error", "width", "height",
    "format", "size", "sha256",
)  # fmt: skip
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
EPOCH = (1980, 1, 1, 0, 0, 0)


def entry(row: CaptionImage) -> dict[str, Any]:
    """One image as programs read it. `caption` is empty for a decorative one, as its alternative text is to be."""
    facts = row.facts
    return {
        "image_id": row.id,
        "name": row.name,
        "caption": "" if row.is_decorative else row.caption,
        "drafted": row.drafted,
        "status": row.status,
        "decorative": row.is_decorative,
        "characters": 0 if row.is_decorative else len(row.caption),
        "edited": bool(row.drafted) and row.caption != row.drafted,
        "captioner": row.captioner or None,
        "model": row.model or None,
        "error": row.error if row.status != APPROVED else None,
        "width": facts.get("width"),
        "height": facts.get("height"),
        "format": facts.get("format"),
        "size": row.size,
        "sha256": row.digest or None,
        "revision": row.revision,
        "made_at": rfc3339(row.made_at),
        "decided_at": rfc3339(row.decided_at),
    }


def as_json(rows: Sequence[CaptionImage], task_id: str) -> bytes:
    """`{task_id, captions: […]}`."""
    return orjson.dumps({"task_id": task_id, "captions": [entry(row) for row in rows]}, option=orjson.OPT_INDENT_2)


def as_csv(rows: Sequence[CaptionImage]) -> bytes:
    """UTF-8 with a mark, as spreadsheets want it; no cell can be taken for a formula."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for row in rows:
        described = entry(row)
        writer.writerow([_cell(described[name]) for name in COLUMNS])
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str) and value.lstrip(" ").startswith(FORMULA):
        return "'" + value
    return "" if value is None else value


def as_sidecars(rows: Sequence[CaptionImage]) -> bytes:
    """A zip in which `shop/cup.jpg` has `shop/cup.txt`; where two images would share that, `shop/cup.jpg.txt`."""
    names = [_inside(row.name) for row in rows]
    short = [re.sub(r"\.[^./]+\Z", "", name) + ".txt" for name in names]
    out = io.BytesIO()
    taken: set[str] = set()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for row, name, sidecar in zip(rows, names, short, strict=True):
            chosen = sidecar if short.count(sidecar) == 1 else f"{name}.txt"
            if chosen in taken:
                chosen = f"{name}.{row.position}.txt"
            taken.add(chosen)
            text = "" if row.is_decorative else f"{row.caption}\n"
            archive.writestr(zipfile.ZipInfo(chosen, EPOCH), text.encode())
    return out.getvalue()


def _inside(name: str) -> str:
    """A path that no program unpacks outside of its folder."""
    parts = [re.sub(r'[<>:"|?*\\]', "_", part) for part in name.split("/")]
    return "/".join(part for part in parts if part not in ("", ".", "..")) or "image"
