"""Colours in words, by hue, lightness and saturation: the plain words that most people would use."""

from __future__ import annotations

import colorsys

_HUES = (
    (12, "red"),
    (40, "orange"),
    (66, "yellow"),
    (160, "green"),
    (195, "turquoise"),
    (255, "blue"),
    (290, "purple"),
    (335, "pink"),
    (361, "red"),
)


def name_of(colour: tuple[int, int, int]) -> str:
    """A word for an RGB colour of 0 to 255 each."""
    hue, light, saturation = colorsys.rgb_to_hls(*(part / 255 for part in colour))
    chroma = (max(colour) - min(colour)) / 255
    if light > 0.93 and chroma < 0.12:
        return "white"
    if light < 0.1:
        return "black"
    if chroma < 0.09 or saturation < 0.1:
        return "light grey" if light > 0.7 else "dark grey" if light < 0.3 else "grey"
    degrees = hue * 360
    word = next(name for until, name in _HUES if degrees < until)
    if 10 <= degrees < 50:
        if light < 0.42:
            return "brown" if light > 0.18 else "dark brown"
        if saturation < 0.55 or light > 0.72:
            return "beige"
    if light > 0.75:
        return f"light {word}"
    return f"dark {word}" if light < 0.25 else word


def merged(shares: dict[str, float]) -> list[tuple[str, float]]:
    """Light, plain and dark shades of one colour as one, called after the most frequent; the largest share first."""
    families: dict[str, list[tuple[float, str]]] = {}
    for name, share in shares.items():
        families.setdefault(name.rpartition(" ")[2], []).append((share, name))
    found = [(max(shades)[1], sum(share for share, _ in shades)) for shades in families.values()]
    return sorted(found, key=lambda each: -each[1])
