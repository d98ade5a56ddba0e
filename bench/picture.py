"""The picture of the fan-out figures: an SVG by hand, bars on a logarithmic scale."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from bench.goals import value

SIZES = (100, 500, 1000, 2000)
BARS = (
    ("taskroom", "Taskroom", "#2563a8"),
    ("node", "Node socket.io", "#5a9367"),
    ("stock", "stock Flask-SocketIO", "#b0793a"),
)
TITLE = "Deliveries a second to one room while p99 stays below 50 ms"
FONT = 'font-family="sans-serif" font-size="13"'
WIDTH, HEIGHT = 760, 380
LEFT, TOP, RIGHT, BOTTOM = 70, 64, 16, 48
LOW, HIGH = 3, 7
"""the scale goes from 10^3 to 10^7 deliveries a second"""
BAR_WIDTH = 42


def svg(rows: Mapping[str, Any]) -> str:
    """Deliveries a second with p99 below 50 ms, by members of the room and server."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" {FONT}>',
        f"<title>{TITLE}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="16" y="24" font-size="15" font-weight="bold" fill="#1c1c1c">{TITLE}</text>',
        *_scale(),
        *_legend(),
    ]
    sizes = [size for size in SIZES if f"fanout_{size}" in rows]
    for place, size in enumerate(sizes):
        parts += _group(rows, (place + 0.5) / len(sizes), size)
    return "\n".join([*parts, "</svg>", ""])


def _height(amount: float) -> float:
    share = (math.log10(amount) - LOW) / (HIGH - LOW) if amount > 0 else 0.0
    return max(0.0, min(1.0, share)) * (HEIGHT - TOP - BOTTOM)


def _scale() -> list[str]:
    lines = []
    for power in range(LOW, HIGH + 1):
        y = HEIGHT - BOTTOM - _height(10.0**power)
        lines.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#d8d8d8"/>')
        lines.append(
            f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" fill="#444444">{_short(10.0**power)}</text>'
        )
    return lines


def _legend() -> list[str]:
    lines = []
    for place, (_, title, colour) in enumerate(BARS):
        x = LEFT + place * 190
        lines.append(f'<rect x="{x}" y="38" width="12" height="12" fill="{colour}"/>')
        lines.append(f'<text x="{x + 18}" y="49" fill="#1c1c1c">{title}</text>')
    return lines


def _group(rows: Mapping[str, Any], share: float, size: int) -> list[str]:
    middle = LEFT + share * (WIDTH - LEFT - RIGHT)
    lines = [f'<text x="{middle:.1f}" y="{HEIGHT - 20}" text-anchor="middle" fill="#1c1c1c">{size:,} members</text>']
    for number, (server, _, colour) in enumerate(BARS):
        amount = value(rows, f"fanout_{size}", server, "within_50ms")
        if amount is None:
            continue
        x = middle + (number - 1.5) * (BAR_WIDTH + 6) + 3
        height = _height(amount)
        y = HEIGHT - BOTTOM - height
        lines.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{BAR_WIDTH}" height="{height:.1f}" fill="{colour}"/>')
        words = _short(amount) if amount else "none"
        lines.append(
            f'<text x="{x + BAR_WIDTH / 2:.1f}" y="{y - 5:.1f}" text-anchor="middle" fill="#1c1c1c">{words}</text>'
        )
    return lines


def _short(amount: float) -> str:
    if amount >= 1e6:
        return f"{amount / 1e6:.3g} M"
    return f"{amount / 1e3:.3g} k"
