"""The bar: it never falls, unknown is unknown, and time left is told only when it means something."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest

from database import rfc3339
from tasks.estimates.forecast import ALONE_AFTER_S
from tasks.lifecycle import initial_phases
from tasks.progress import Progress
from tasks.registry import Phase, find_job
from tests.fixtures import core

AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
PHASES = (Phase("find", "Find", 10), Phase("read", "Read", 30), Phase("save", "Save", 60))

pytestmark = pytest.mark.req("A2")
assert core


def _progress(phases: tuple[Phase, ...] = PHASES) -> Progress:
    total = sum(phase.weight for phase in phases)
    initial = [
        {"name": phase.name, "title": phase.title, "weight": phase.weight / total, "state": "pending"}
        for phase in phases
    ]
    return Progress(phases, initial, 0.0)


def test_phases_count_by_their_weight():
    progress = _progress()
    progress.start_phase("find", 4, "paths", 1, 0, AT)
    progress.done = 2
    assert progress.fields(1, AT)["progress_percent"] == 5.0
    progress.start_phase("read", 10, "files", 7, 1, AT)
    progress.done = 5
    fields = progress.fields(2, AT)
    assert fields["progress_percent"] == 25.0
    assert [phase["state"] for phase in fields["phases"]] == ["done", "running", "pending"]
    assert fields["phases"][0]["duration_ms"] == 1000
    assert fields["phases"][1]["first_line"] == 7
    assert fields["phases"][1]["started_at"] == rfc3339(AT)


def test_whatever_a_job_reports_the_bar_never_falls_and_never_reaches_100_before_the_end():
    chance = random.Random(20261121)
    for _ in range(200):
        progress, seen = _progress(), -1.0
        for now_s in range(60):
            act = chance.randrange(4)
            if act == 0:
                progress.start_phase(chance.choice(PHASES).name, chance.choice([None, 0, 10, 100]), None, 1, now_s, AT)
            elif act == 1:
                progress.total = chance.choice([None, 0, -5, 10, 1e9, float("nan"), float("inf")])
            else:
                progress.done = chance.choice([-10, 0, 5, 10, 1e9, float("nan"), float("inf"), float("-inf")])
            percent = progress.fields(now_s, AT)["progress_percent"]
            if percent is not None:
                assert seen <= percent < 100
                seen = percent


def test_an_unknown_total_is_unknown_and_not_nothing():
    progress = _progress()
    assert progress.fields(0, AT)["done"] is None
    progress.start_phase("find", None, "paths", 1, 0, AT)
    progress.done = 1200
    fields = progress.fields(5, AT)
    assert (fields["progress_percent"], fields["total"], fields["done"]) == (None, None, 1200)
    assert fields["eta_s"] is None
    progress.start_phase("read", None, "files", 1, 6, AT)
    assert progress.fields(6, AT)["progress_percent"] == 10.0, "the phase that is over counts"


def test_numbers_that_json_does_not_have_are_unknown():
    progress = _progress()
    progress.start_phase("find", float("nan"), None, 1, 0, AT)
    progress.done = float("inf")
    fields = progress.fields(1, AT)
    assert fields["done"] is None
    assert fields["total"] is None
    assert fields["phases"][0]["done"] is None


def test_time_left_is_told_as_a_range_once_it_means_something():
    progress = _progress((Phase("run", "Run", 1),))
    progress.start_phase("run", 100, None, 1, 0, AT)
    for now_s in range(11):
        progress.done = now_s
        fields = progress.fields(now_s, AT)
        assert (fields["eta_s"] is None) == (now_s < ALONE_AFTER_S), f"after {now_s} s"
    assert fields["eta_low_s"] <= 90 <= fields["eta_high_s"]
    assert fields["rate"] == pytest.approx(1.0)
    assert fields["estimated_completion"] > rfc3339(AT)


def test_a_phase_that_was_not_declared_is_refused_by_name():
    with pytest.raises(ValueError, match="no phase 'fetch'; it declares find, read, save"):
        _progress().start_phase("fetch", 1, None, 1, 0, AT)


def test_an_attempt_that_ends_early_keeps_what_was_true():
    progress = _progress()
    progress.start_phase("find", 4, None, 1, 0, AT)
    progress.done = 1
    progress.fail_phase(2)
    fields = progress.fields(3, AT)
    assert fields["progress_percent"] == 2.5
    assert fields["phases"][0]["state"] == "failed"


def test_the_phases_of_a_new_task_share_one_whole():
    phases = initial_phases(find_job("count"))
    assert [phase["weight"] for phase in phases] == [0.1, 0.9]
    assert all(phase["state"] == "pending" and phase["done"] is None for phase in phases)
