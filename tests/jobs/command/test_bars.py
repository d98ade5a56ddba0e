"""Progress read from what programs print, and what is no progress."""

from __future__ import annotations

import time

import pytest

from jobs.command.bars import Meter, bar_in_line, bar_in_row

pytestmark = pytest.mark.req("B12")


@pytest.mark.parametrize(
    ("row", "label", "done", "total", "unit"),
    [
        (" 45%|####      | 45/100 [00:12<00:15,  3.60it/s]", "", 45, 100, "it"),
        ("Shards:  58%|█████▍    | 7/12 [04:48<03:25, 41.1s/shard]", "Shards", 7, 12, "shards"),
        ("get: 35%|███  | 1.20M/3.40M [00:01<00:02, 1.10MB/s]", "get", 1_200_000, 3_400_000, "B"),
        ("  0%|          | 0/9 [00:00<?, ?it/s]", "", 0, 9, "it"),
        ("12it [00:03,  3.97it/s]", "", 12, None, "it"),
        ("   ━━━━━━━━━╸━━━━━━ 12.3/45.6 MB 10.2 MB/s eta 0:00:03", "", 12.3, 45.6, "MB"),
        ("Downloading ━━━━━━━╸━━━━━━━━━  45% 0:00:12", "Downloading", 45, 100, "%"),
        ("Receiving objects:  45% (450/1000), 1.2 MiB | 3 MiB/s", "Receiving objects", 450, 1000, ""),
        ("Progress: [ 45%] [#########.........] ", "Progress", 45, 100, "%"),
        (" 45 1234k   45  555k    0     0  123k      0  0:00:10  0:00:04  0:00:06  123k", "", 45, 100, "%"),
        ("######################           45.3%", "", 45.3, 100, "%"),
        ("linux.tar.xz   45%[====>      ]  12.34M  1.20MB/s    eta 3s", "linux.tar.xz", 45, 100, "%"),
        ("      1,234,567  45%    1.20MB/s    0:00:12", "", 45, 100, "%"),
        ("[ 45%] Building CXX object a.o", "", 45, 100, "%"),
    ],
)
def test_bars_of_well_known_programs(row: str, label: str, done: float, total: float | None, unit: str) -> None:
    bar = bar_in_row(row)
    assert bar is not None
    assert (bar.label, bar.done, bar.total, bar.unit) == (label, done, total, unit)


@pytest.mark.parametrize("row", ["", "hello", "about 450% more", "1/2", "50", "version 1.45", "a/b", "100.5%"])
def test_what_is_no_bar_is_none(row: str) -> None:
    assert bar_in_row(row) is None


@pytest.mark.parametrize(
    ("line", "done", "total"),
    [
        ("[3/10] Compiling a.c", 3, 10), ("(3/10) installing glibc", 3, 10), ("Step 3/10 : RUN make", 3, 10),
        ("Epoch 3/10", 3, 10), ("tests/test_a.py ..........   [ 45%]", 45, 100), ("Progress: 45 %", 45, 100),
    ],
)  # fmt: skip
def test_lines_that_count(line: str, done: float, total: float) -> None:
    bar = bar_in_line(line)
    assert bar is not None
    assert (bar.done, bar.total) == (done, total)


@pytest.mark.parametrize(
    "line",
    ["CPU at 45%", "[03/11 10:00] starts", "on 3/10 we met", "[12/3] odd", "87% of all is well", "[0/0]", "/3/10/"],
)
def test_percentages_and_fractions_in_prose_are_not_believed(line: str) -> None:
    assert bar_in_line(line) is None


def test_the_top_bar_is_the_whole_and_a_counter_is_above_it() -> None:
    meter = Meter()
    meter.see_rows(["Shards: 50%|#| 1/2 [00:01<00:01, 1.0shard/s]", "part: 10%|#| 1/10 [00:01<00:01, 1.0it/s]"])
    assert [bar.label for bar in meter.bars] == ["Shards", "part"]
    meter.see_line("[1/4] building")
    assert [(bar.label, bar.done) for bar in meter.bars] == [("", 1), ("Shards", 1), ("part", 1)]


def test_the_whole_never_falls() -> None:
    meter, told = Meter(), []
    for percent in (10, 60, 30, 0, 59, 61, 100, 5):
        meter.see_rows([f"{percent}%"])
        if whole := meter.advanced():
            told.append(whole.done)
    assert told == [10, 60, 61, 100]


def test_bars_that_follow_each_other_are_parts_once_the_first_has_ended() -> None:
    meter = Meter()
    for row in ("download: 50%", "download: 100%"):
        meter.see_rows([row])
        assert meter.advanced() is not None
    meter.see_rows(["unpack: 40%"])
    assert (meter.whole, meter.advanced()) == (None, None)
    assert [bar.label for bar in meter.bars] == ["unpack"]


def test_a_name_that_changes_is_still_the_same_bar() -> None:
    meter = Meter()
    for n, name in enumerate(("loss=0.5", "loss=0.4", "done")):
        meter.see_rows([f"{name}: {n * 50}%|#| {n * 5}/10 [00:01<00:01, 1.0it/s]"])
        whole = meter.advanced()
        assert whole is not None
        assert whole.done == n * 5


def test_gits_counting_and_compressing_are_not_the_whole() -> None:
    meter = Meter()
    meter.see_rows(["remote: Compressing objects: 100% (9/9), done."])
    assert meter.advanced() is None
    meter.see_rows(["Receiving objects:  10% (1/10)"])
    whole = meter.advanced()
    assert whole is not None
    assert whole.fraction == 0.1


def test_hostile_rows_cost_nothing() -> None:
    started_s = time.monotonic()
    many = 100_000
    repeated = [each * many for each in ("1", "%", "[", "1/", " ", ":", "━", "1 ", "a ", "#")]
    for row in [
        *repeated,
        *(f"{each}%" for each in repeated),
        "9" * 400 + "/" + "9" * 400,
        "a " * 200 + "progress" * 50,
    ]:
        bar_in_row(row)
        bar_in_line(row)
    assert time.monotonic() - started_s < 20
