"""Places the boxes and lines of a flow, so that a template can draw it as SVG attributes. Pure.

Lengths are in SVG units of a picture WIDTH wide; one unit is about a pixel on a wide screen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

WIDTH = 1120
BOX_WIDTH = 200
BOX_HEIGHT = 48
GAP = 14
TOP = 30
TITLE_LETTERS = 25
SUBTITLE_LETTERS = 31


@dataclass(frozen=True, slots=True)
class Box:
    """One box: where its upper left corner is and what it says. `title_cut` and `subtitle_cut` fit into it."""

    key: str
    x: float
    y: float
    title: str
    title_cut: str
    subtitle: str
    subtitle_cut: str
    on_path: bool
    is_more: bool
    node_id: int | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A curve from one box to another, as an SVG path."""

    path: str
    on_path: bool


@dataclass(frozen=True, slots=True)
class Picture:
    """The whole picture: column titles, boxes, lines."""

    height: float
    columns: tuple[tuple[float, str], ...]
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]


def picture(flow: Mapping[str, Any]) -> Picture:
    """Lay a flow out: a column each for triggers, routes, code and data; what is folded away is the last box."""
    columns, boxes, places = [], [], {}
    count = len(flow["columns"])
    step = (WIDTH - BOX_WIDTH) / max(1, count - 1)
    for index, column in enumerate(flow["columns"]):
        x = round(index * step, 1)
        columns.append((x, column["title"]))
        for row, each in enumerate(column["boxes"]):
            box = _box(each["key"], x, row, each["title"], each["subtitle"], each["on_path"], node_id=each["node_id"])
            boxes.append(box)
            places[box.key] = box
        if column["more"]:
            title = f"{column['more']:,} more" + ("" if column["boxes"] else f" {column['title'].lower()}s")
            boxes.append(_box(f"more-{column['name']}", x, len(column["boxes"]), title, "", False, is_more=True))
    lines = [
        Line(_curve(places[link["source"]], places[link["target"]]), link["on_path"])
        for link in flow["links"]
        if link["source"] in places and link["target"] in places
    ]
    lines.sort(key=lambda line: line.on_path)
    height = max((box.y + BOX_HEIGHT for box in boxes), default=TOP) + 4
    return Picture(height, tuple(columns), tuple(boxes), tuple(lines))


def _box(
    key: str,
    x: float,
    row: int,
    title: str,
    subtitle: str,
    on_path: bool,
    *,
    is_more: bool = False,
    node_id: int | None = None,
) -> Box:
    y = TOP + row * (BOX_HEIGHT + GAP)
    return Box(
        key,
        x,
        y,
        title,
        _cut(title, TITLE_LETTERS),
        subtitle,
        _cut(subtitle, SUBTITLE_LETTERS),
        on_path,
        is_more,
        node_id,
    )


def _cut(text: str, letters: int) -> str:
    return text if len(text) <= letters else text[: letters - 1] + "…"


def _curve(source: Box, target: Box) -> str:
    """From the right edge of one box to the left edge of another; within one column, around its right side."""
    y1, y2 = source.y + BOX_HEIGHT / 2, target.y + BOX_HEIGHT / 2
    x1 = source.x + BOX_WIDTH
    if target.x <= source.x:
        x2 = target.x + BOX_WIDTH
        return f"M{x1} {y1}C{x1 + 40} {y1} {x2 + 40} {y2} {x2 + 3} {y2}"
    middle = (x1 + target.x) / 2
    return f"M{x1} {y1}C{middle} {y1} {middle} {y2} {target.x - 5} {y2}"
