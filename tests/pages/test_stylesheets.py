"""The stylesheets: one palette for both ways into the dark, readable contrast, and nothing from elsewhere."""

from __future__ import annotations

import re

import pytest

from tests.fixtures.machine import ROOT

CSS = ROOT / "static" / "css"
TEXT_INKS = ("ink", "ink-2", "ink-3", "run", "ok", "fail", "warn")
SHAPES = ("run-solid", "ok-solid", "fail-solid", "warn-solid")


def palettes() -> dict[str, dict[str, str]]:
    text = (CSS / "tokens.css").read_text()
    blocks = re.findall(r"(:root[^{]*)\{([^}]*)\}", text)
    named: dict[str, dict[str, str]] = {}
    for selector, body in blocks:
        named.setdefault(" ".join(selector.split()), dict(re.findall(r"--([\w-]+):\s*([^;]+);", body)))
    return {
        "light": named[":root"],
        "dark by system": named[':root:not([data-theme="light"])'],
        "dark by choice": named[':root[data-theme="dark"]'],
    }


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.req("F9")
def test_both_ways_into_the_dark_give_the_same_palette() -> None:
    found = palettes()
    assert found["dark by system"] == found["dark by choice"]
    missing = {name for name, value in found["light"].items() if value.startswith("#")} - set(found["dark by choice"])
    assert missing == {"danger-ground", "veil"}
    assert contrast("#ffffff", found["light"]["danger-ground"]) >= 4.5


@pytest.mark.req("F9", "F7")
@pytest.mark.parametrize("theme", ["light", "dark by choice"])
def test_text_and_shapes_stand_out_from_every_ground(theme: str) -> None:
    tokens = palettes()["light"] | palettes()[theme]
    for ink in TEXT_INKS:
        for ground in ("surface", "bg", "inset"):
            assert contrast(tokens[ink], tokens[ground]) >= 4.5, f"{ink} on {ground}"
    for state in ("run", "ok", "fail", "warn"):
        assert contrast(tokens[state], tokens[f"{state}-tint"]) >= 4.5, state
        assert contrast(tokens["ink-3"], tokens[f"{state}-tint"]) >= 4.5, state
    for shape in (*SHAPES, "control"):
        assert contrast(tokens[shape], tokens["surface"]) >= 3, shape
    for shape in SHAPES:
        assert contrast(tokens[shape], tokens["line"]) >= 3, f"{shape} on the track"


@pytest.mark.req("F6")
def test_no_stylesheet_fetches_anything() -> None:
    for sheet in CSS.glob("*.css"):
        assert not re.search(r"url\(|@import|https?:", sheet.read_text()), sheet.name


@pytest.mark.req("F9")
def test_colours_are_named_in_one_file_only() -> None:
    for sheet in CSS.glob("*.css"):
        if sheet.name == "tokens.css":
            continue
        colours = re.findall(r"#[0-9a-fA-F]{3,8}\b", sheet.read_text())
        assert set(colours) <= {"#fff"}, f"{sheet.name}: {colours}"


@pytest.mark.req("F9")
def test_everything_that_moves_stands_still_for_who_asked_for_less_motion() -> None:
    for sheet in CSS.glob("*.css"):
        text = sheet.read_text()
        still = "".join(re.findall(r"prefers-reduced-motion: reduce\)\s*\{((?:[^{}]*\{[^{}]*\})*)", text))
        for rule in re.findall(r"([^{}]*)\{[^{}]*animation: (?!none)", text):
            name = rule.strip().splitlines()[-1].split(",")[0].strip()
            assert name.split()[-1] in still, f"{sheet.name}: {name} moves"
