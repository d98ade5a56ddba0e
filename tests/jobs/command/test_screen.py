"""What comes out of a terminal, as lines: rewritten rows collapse, nothing grows, any cut gives the same."""

from __future__ import annotations

import random
import re

import pytest

from jobs.command.screen import MAX_ROW, MAX_ROWS, Line, Screen

pytestmark = pytest.mark.req("B12")
UP = "\x1b[A"


def read(*pieces: str, settled: bool = False) -> tuple[list[str], list[str]]:
    """(the lines, the rows that still stand) after these pieces, a tenth of a second apart."""
    screen = Screen()
    lines: list[Line] = []
    for number, piece in enumerate(pieces):
        lines += screen.feed(piece, number / 10)
    if settled:
        lines += screen.settle(len(pieces) / 10 + 1)
    return [line.text for line in lines], screen.rows


def whole(text: str) -> list[Line]:
    screen = Screen()
    return screen.feed(text, 0.0) + screen.end()


@pytest.mark.parametrize(
    ("text", "lines", "rows"),
    [
        ("one\ntwo\nthr", ["one", "two"], ["thr"]),
        ("one\r\ntwo\r\n", ["one", "two"], []),
        ("one\n\ntwo\n", ["one", "", "two"], []),
        ("first\rsecond\n", ["second"], []),
        ("a long row\rshort\x1b[K\n", ["short"], []),
        ("abc\b\bX\n", ["aXc"], []),
        ("a\tb\n", ["a       b"], []),
        ("\x1b[1;31mred\x1b[0m and \x1b]0;title\x07plain\x1b(B\n", ["red and plain"], []),
        ("\x1b[2J\x1b[Hfresh\n", ["fresh"], []),
        ("wiped\r\x1b[2K\nkept\n", ["kept"], []),
        ("\x1b[5Cfar\n", ["     far"], []),
        ("\x1bP1;2|data\x1b\\shown\n", ["shown"], []),
        ("nul\0 and \x07 bell\n", ["nul and  bell"], []),
    ],
)
def test_what_a_terminal_would_show(text: str, lines: list[str], rows: list[str]) -> None:
    assert read(text) == (lines, rows)


def test_nested_bars_stay_below_and_only_their_last_state_becomes_a_line() -> None:
    screen, lines = Screen(), []
    for outer in range(3):
        lines += screen.feed(f"\rShards: {outer * 33}%|##  | {outer}/3", outer)
        for inner in range(3):
            lines += screen.feed(f"\n\rshard-{outer}: {inner * 50}%|## | {inner}/2{UP}", outer + inner / 10)
        lines += screen.feed(
            f"\n\r\x1b[K{UP}\r\x1b[Kshard {outer} written\n\rShards: {outer * 33}%|##  | {outer}/3", outer + 0.5
        )
    assert [line.text for line in lines] == ["shard 0 written", "shard 1 written"]
    lines += screen.feed("\rShards: 100%|####| 3/3\n", 4)
    assert [line.text for line in lines + screen.end()] == [
        "shard 0 written", "shard 1 written", "shard 2 written", "Shards: 100%|####| 3/3",
    ]  # fmt: skip


def test_a_region_that_is_drawn_again_and_grows_leaves_one_copy() -> None:
    screen, lines = Screen(), []
    for height in (1, 1, 2, 2, 3, 3):
        erase = "\r\x1b[2K" + (UP + "\x1b[2K") * (len(screen.rows) - 1 if screen.rows else 0)
        lines += screen.feed(erase + "\n".join(f"part {n} ━━━━ {height}0%" for n in range(height)), 0.0)
    assert lines == []
    assert screen.rows == [f"part {n} ━━━━ 30%" for n in range(3)]


def test_a_bar_that_has_ended_becomes_a_line_when_nothing_returns_to_it() -> None:
    assert read("10%\r20%\r30%\ndone\n") == ([], ["30%", "done"])
    assert read("10%\r20%\r30%\ndone\n", settled=True) == (["30%", "done"], [])
    assert read("10%\r30%\n" + "more\n" * 6)[0][:2] == ["30%", "more"]


def test_a_prompt_without_an_end_is_a_row_and_at_last_a_line() -> None:
    assert read("Compiling ", settled=True) == ([], ["Compiling"])
    assert [line.text for line in whole("Compiling ")] == ["Compiling"]


def test_aptitudes_footer_is_no_line() -> None:
    text = "Get:1 a\n\x1b7\x1b[32;0fProgress: [ 45%] [###.....]\x1b8Get:2 b\n"
    lines, rows = read(text)
    assert lines == ["Get:1 a", "Get:2 b"]
    assert rows == ["Progress: [ 45%] [###.....]"]


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("error: no such file", "error"), ("main.c:3:5: error: expected ;", "error"), ("ERROR: it broke", "error"),
        ("[WARNING] old", "warning"), ("npm WARN: deprecated", "warning"), ("fatal: not a repository", "error"),
        ("\x1b[31mbroken\x1b[0m", "error"), ("\x1b[33mcareful\x1b[0m", "warning"), ("\x1b[32mfine\x1b[0m", "info"),
        ("no errors found", "info"), ("0 error(s)", "info"), ("terror: a film", "info"), ("errors are human", "info"),
    ],
)  # fmt: skip
def test_what_a_line_says_of_itself_is_its_level(text: str, level: str) -> None:
    assert whole(text + "\n")[0].level == level


def test_a_very_long_line_is_cut_and_says_so() -> None:
    (line,) = whole("x" * 10_000_000 + "\n")
    assert (len(line.text), line.cut) == (MAX_ROW, 10_000_000 - MAX_ROW)
    pieces = Screen()
    for _ in range(100):
        assert pieces.feed("y" * 50_000, 0.0) == []
    assert len(pieces.rows[0]) == MAX_ROW


def test_where_the_output_is_cut_does_not_matter() -> None:
    text = (
        "plain\r\nbar 10%|#  |\rbar 20%|## |\n\x1b[31merror\x1b[0m: é ü\n\x1b]0;title\x07a\x1b[2Kb\n"
        f"outer 1%\n\rinner 2%{UP}\router 5%\n\rinner 9%{UP}\rend\n"
    )
    expected = whole(text)
    for seed in range(40):
        chance, screen, lines, rest = random.Random(seed), Screen(), [], text
        while rest:
            length = chance.randint(1, 7)
            lines += screen.feed(rest[:length], 0.0)
            rest = rest[length:]
        assert lines + screen.end() == expected


@pytest.mark.parametrize("seed", range(8))
def test_no_output_makes_it_fail_or_grow(seed: int) -> None:
    chance, screen = random.Random(seed), Screen()
    escapes = [
        "\x1b[A",
        "\x1b[99999A",
        "\x1b[B",
        "\x1b[30B",
        "\x1b[H",
        "\x1b[99;99H",
        "\x1b[5;5H",
        "\x1b[J",
        "\x1b[1K",
        "\x1b7",
        "\x1b8",
    ]
    for _ in range(400):
        noise = chance.choice(
            [chance.choice(escapes), chance.randbytes(20).decode("latin-1"), "\n", "\x1b[", "\x1b]0;", "45%|# |"]
        )
        for line in screen.feed(noise * chance.randint(1, 30), chance.random() * 100):
            assert len(line.text) <= MAX_ROW
            assert re.search(r"[\x00-\x1f\x7f]", line.text) is None
        screen.settle(chance.random() * 100)
        assert len(screen._rows) <= MAX_ROWS + 1
        assert len(screen._pending) <= 4_096
    screen.end()
