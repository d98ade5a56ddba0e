"""Time left is a range that holds, comes from earlier runs first and from the live speed later, or is not said."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import event, select

from database import utc_now
from tasks import lifecycle
from tasks.estimates import forecast
from tasks.estimates.course import KEPT_POINTS, MARKS, PhaseCourse, Points
from tasks.estimates.forecast import Run
from tasks.estimates.history import LIKE_RUNS, RUNS, Timing, history_of, keep, likeness_of
from tasks.estimates.judging import KEPT, Judge, Verdict
from tasks.estimates.models import TaskTiming
from tasks.progress import Progress
from tasks.registry import Phase, find_job
from tasks.stall import Gaps
from tests.fixtures.core import Core
from tests.fixtures.machine import wait_until
from tests.fixtures.runs import SAMPLES, start, wait_for

pytestmark = pytest.mark.req("F1", "A2")

AT = datetime(2026, 11, 21, tzinfo=UTC)
Phases = Sequence[tuple[str, float, float | None, Callable[[float], float]]]
"""name, seconds, total, and what share of it is done at a share of the time"""
Told = list[tuple[float, dict[str, Any]]]


def _steady(share: float) -> float:
    return share


def _slowing(share: float) -> float:
    return 1 - (1 - share) ** 2


def _in_bursts(chance: random.Random, bursts: int = 25) -> Callable[[float], float]:
    moments = sorted(chance.random() for _ in range(bursts))
    return lambda share: sum(moment <= share for moment in moments) / bursts


def _begun(phases: Phases, runs: Sequence[Run] = (), weights: Sequence[float] = ()) -> Progress:
    shares = weights or [1 / len(phases)] * len(phases)
    declared = tuple(Phase(name, name, share) for (name, *_), share in zip(phases, shares, strict=True))
    initial = [
        {"name": each.name, "title": each.title, "weight": each.weight, "state": "pending", "duration_ms": None}
        for each in declared
    ]
    return Progress(declared, initial, 0.0, runs)


def _play(phases: Phases, runs: Sequence[Run] = (), weights: Sequence[float] = ()) -> tuple[Told, Run, Verdict]:
    """Run it by a clock that ticks once a second: what was told when, and what it teaches."""
    progress, told, begun_s, next_s = _begun(phases, runs, weights), [], 0.0, 0.0
    for name, seconds, total, share_done in phases:
        progress.start_phase(name, total, "files", 1, begun_s, AT)
        told.append((begun_s, progress.fields(begun_s, AT)))
        while next_s < begun_s + seconds:
            if next_s > begun_s:
                progress.done = math.floor(share_done((next_s - begun_s) / seconds) * (total or 200))
                told.append((next_s, progress.fields(next_s, AT)))
            next_s += 1
        begun_s += seconds
        progress.done = total or 200
        progress.end_phase(begun_s)
    verdict = progress.verdict(begun_s)
    course = {name: PhaseCourse.of_json(kept) for name, kept in progress.course().items()}
    return told, Run(course, True, verdict.misses), verdict


def _repeated(make: Callable[[], Phases], times: int, **options: Any) -> Iterator[tuple[Told, Verdict, Phases]]:
    runs: list[Run] = []
    for _ in range(times):
        phases = make()
        told, run, verdict = _play(phases, runs[:LIKE_RUNS], **options)
        runs.insert(0, run)
        yield told, verdict, phases


def _known(told: Told) -> list[tuple[float, dict[str, Any]]]:
    return [(at_s, fields) for at_s, fields in told if fields["eta_s"] is not None]


def test_without_earlier_runs_nothing_is_said_until_enough_is_done():
    told, _, _ = _play([("run", 100, 1000, _steady)])
    assert _known(told)[0][0] == forecast.ALONE_AFTER_S
    for _, fields in told[:3]:
        assert {fields[name] for name in ("eta_s", "eta_low_s", "eta_high_s", "eta_runs", "estimated_completion")} == {
            None
        }
    assert _known(told)[0][1]["eta_runs"] == 0


def test_without_earlier_runs_and_without_a_total_nothing_is_ever_said():
    told, _, _ = _play([("run", 60, None, _steady)])
    assert _known(told) == []


def test_one_earlier_run_of_the_same_is_heard_from_the_first_moment_also_without_a_total():
    _, run, _ = _play([("find", 20, None, _steady), ("read", 40, 500, _steady)])
    told, _, _ = _play([("find", 20, None, _steady), ("read", 40, 500, _steady)], [run])
    at_s, first = told[0]
    assert (at_s, first["eta_runs"]) == (0.0, 1)
    assert first["eta_low_s"] < 60 < first["eta_high_s"]
    assert first["eta_s"] == pytest.approx(60, rel=0.05)


def test_runs_on_something_else_are_heard_only_together():
    def run(number: int) -> Run:
        phase = PhaseCourse(50.0 + number, 500, "files")
        return Run({"run": phase}, is_same=False)

    assert _play([("run", 50, 500, _steady)], [run(1), run(2)])[0][0][1]["eta_s"] is None
    assert _play([("run", 50, 500, _steady)], [run(1), run(2), run(3)])[0][0][1]["eta_runs"] == 3


def test_a_phase_that_has_not_begun_is_estimated_by_its_history_and_not_by_its_weight():
    phases = [("quick", 10.0, 100, _steady), ("long", 90.0, 100, _steady)]
    weights = [0.9, 0.1]
    runs = [_play(phases, weights=weights)[1] for _ in range(3)]
    told, _, _ = _play(phases, runs, weights)
    at_s, fields = told[6]
    assert fields["progress_percent"] > 50
    assert fields["eta_s"] == pytest.approx(100 - at_s, rel=0.1)


def test_twice_as_much_to_do_takes_twice_as_long():
    runs = [_play([("run", 50, 500, _steady)])[1] for _ in range(3)]
    told, _, _ = _play([("run", 100, 1000, _steady)], runs)
    assert told[0][1]["eta_s"] == pytest.approx(100, rel=0.1)


def test_later_the_live_speed_decides():
    runs = [_play([("run", 50, 500, _steady)])[1] for _ in range(5)]
    told, _, _ = _play([("run", 200, 500, _steady)], runs)
    assert told[0][1]["eta_s"] == pytest.approx(50, rel=0.1), "all before were that quick"
    at_s, fields = told[100]
    assert fields["eta_s"] == pytest.approx(200 - at_s, rel=0.25)


def test_a_job_that_slows_down_each_time_is_known_to():
    runs = [_play([("run", 100, 500, _slowing)])[1] for _ in range(4)]
    told, _, _ = _play([("run", 100, 500, _slowing)], runs)
    for at_s, fields in told[:90]:
        assert fields["eta_s"] == pytest.approx(100 - at_s, rel=0.2, abs=3)


def test_earlier_runs_that_differ_too_much_say_nothing():
    runs = [_play([("run", seconds, None, _steady)])[1] for seconds in (3, 4, 200, 300, 5, 250)]
    told, _, _ = _play([("run", 100, None, _steady)], runs)
    assert told[0][1]["eta_s"] is None


def test_a_run_with_other_phases_than_the_job_has_now_says_nothing():
    run = _play([("find", 20, None, _steady)])[1]
    told, _, _ = _play([("find", 20, None, _steady), ("new", 40, None, _steady)], [run] * 5)
    assert _known(told) == []


@pytest.mark.parametrize("kind", ["linear", "slowing", "bursty", "uneven phases", "other sizes", "wild"])
def test_the_truth_lies_within_the_range_about_four_times_of_five(kind):
    chance = random.Random(20261121)

    def vary(seconds: float, spread: float = 0.15) -> float:
        return seconds * math.exp(chance.gauss(0, spread))

    def make() -> Phases:
        size = math.exp(chance.gauss(0, 0.8))
        found: dict[str, Phases] = {
            "linear": [("run", vary(60), 500, _steady)],
            "slowing": [("run", vary(60), 500, _slowing)],
            "bursty": [("run", vary(80), 25, _in_bursts(chance))],
            "uneven phases": [
                ("find", vary(20), None, _steady), ("fetch", vary(3, 0.4), None, _steady),
                ("read", vary(12), 800, _steady), ("save", vary(25, 0.25), 3000, _steady),
            ],
            "other sizes": [
                ("read", vary(40 * size), 10 + int(800 * size), _steady), ("save", vary(8 * size), None, _steady),
            ],
            "wild": [("run", vary(60, 0.8), 500, _steady)],
        }  # fmt: skip
        return found[kind]

    told = held = 0
    for number, (_, verdict, _) in enumerate(_repeated(make, 40)):
        if number >= 5:
            told, held = told + verdict.told, held + verdict.within
    assert told >= 0.8 * 4 * 35, "it is mostly said"
    assert 0.68 <= held / told <= 0.97, f"{held} of {told}"


def test_it_never_jumps_and_its_parts_are_in_order():
    chance = random.Random(7)

    def make() -> Phases:
        big = chance.random() < 0.4
        return [("find", 3, None, _steady), ("read", 60 if big else 3, 900 if big else 9, _in_bursts(chance))]

    for told, _, _ in _repeated(make, 25):
        for (before_s, before), (at_s, fields) in pairwise(told):
            if before["eta_s"] is None or fields["eta_s"] is None:
                continue
            assert 0 <= fields["eta_low_s"] <= fields["eta_s"] <= fields["eta_high_s"]
            assert fields["eta_s"] + 1 <= forecast.MOST_AT_ONCE * (before["eta_s"] + 1) + 0.2
            least = (max(0, before["eta_s"] - (at_s - before_s)) + 1) / forecast.MOST_AT_ONCE - 0.2
            assert fields["eta_s"] + 1 >= least
            middle = datetime.fromisoformat(fields["estimated_completion"]) - AT
            assert middle == pytest.approx(timedelta(seconds=fields["eta_s"]), abs=timedelta(seconds=0.06))


def test_whatever_a_job_reports_an_estimate_is_a_number_or_nothing():
    chance = random.Random(1)
    runs = [_play([("find", 20, None, _steady), ("read", 40, 500, _steady)])[1] for _ in range(3)]
    odd = [None, 0, -5, 10, 1e308, 10**400, float("nan"), float("inf"), float("-inf"), 5e-324]
    for _ in range(60):
        progress = _begun([("find", 0, None, _steady), ("read", 0, None, _steady)], runs)
        for now_s in range(40):
            if not chance.randrange(6):
                name, unit = chance.choice(["find", "read"]), chance.choice([None, "files"])
                progress.start_phase(name, chance.choice(odd), unit, 1, now_s, AT)
            progress.total = chance.choice(odd)
            progress.done = chance.choice(odd[1:])
            fields = progress.fields(now_s, AT)
            if fields["eta_s"] is not None:
                assert 0 <= fields["eta_low_s"] <= fields["eta_s"] <= fields["eta_high_s"] < 1e9
        progress.end_phase(40)
        for kept in progress.course().values():
            assert all(0 <= share <= 1 for share in PhaseCourse.of_json(kept).shares)
        progress.verdict(40)


def test_what_is_remembered_is_bounded():
    points, judge = Points(), Judge()
    for second in range(100_000):
        points.add(second, second)
        judge.note(second, None)
    assert len(points) < KEPT_POINTS
    assert len(judge._told) < KEPT
    assert points.counts_at([50_000]) == [pytest.approx(50_000, rel=0.02)]
    assert points.shares(99_999) == pytest.approx(MARKS, abs=0.01)


def test_estimates_are_judged_by_what_stood_there_at_the_moment():
    judge = Judge()
    judge.note(0, None)
    judge.note(30, forecast.Estimate(50, 60, 80, 0.2, 3))
    judge.note(74, forecast.Estimate(1, 5, 10, 0.2, 3))
    verdict = judge.verdict(100)
    assert (verdict.told, verdict.within) == (2, 1)
    assert [moment["at"] for moment in verdict.moments] == [0.5, 0.75]
    assert verdict.error == pytest.approx((0.2 + 0.8) / 2)
    assert judge.verdict(1).told == 0, "nobody waits for less"


def test_the_same_thing_is_told_by_the_resource_or_by_all_parameters():
    job = find_job("count")
    assert likeness_of(job, "repo:1", {"a": 1}) == likeness_of(job, "repo:1", {"a": 2})
    assert likeness_of(job, None, {"a": 1, "b": 2}) == likeness_of(job, None, {"b": 2, "a": 1})
    assert likeness_of(job, None, {"a": 1}) != likeness_of(job, None, {"a": 2})
    assert likeness_of(job, None, {"a": "\ud800"})


def test_what_one_command_takes_says_nothing_of_another(core):
    job = replace(find_job("count"), family_for=lambda params: str(params.get("template")))
    now = utc_now()
    ids = [core.submit() for _ in range(6)]
    with core.database.write() as session:
        for number, task_id in enumerate(ids):
            likeness = likeness_of(job, None, {"template": "quick", "number": number})
            keep(session, task_id, "count", now + timedelta(seconds=number), _timing(number, likeness))
    with core.database.read() as session:
        of_same = history_of(session, "count", likeness_of(job, None, {"template": "quick", "number": 100}))
        of_other = history_of(session, "count", likeness_of(job, None, {"template": "slow", "number": 1}))
    assert len(of_same.runs) == 6
    assert of_other.runs == ()


def _timing(seconds: float, likeness: str, gap_s: float | None = None) -> Timing:
    phases = {"count": PhaseCourse(seconds, 10, None).as_json()}
    return Timing(likeness, phases, Gaps(gap_s, gap_s), Verdict(4, 3, 0.1, ((0.5, 1.0),), []))


def test_a_completed_task_keeps_its_timing_and_its_removal_takes_it_along(core):
    held = core.running()
    lifecycle.complete(core.database, held, {}, {}, 5000, _timing(5, "x", 0.5))
    with core.database.read() as session:
        row = session.scalars(select(TaskTiming)).one()
        assert (row.task_id, row.kind, row.told, row.held, row.error) == (held.task_id, "count", 4, 3, 0.1)
        history = history_of(session, "count", "x")
    assert history.runs == (Run({"count": PhaseCourse(5, 10, None)}, True, ((0.5, 1.0),)),)
    assert history.gaps == Gaps(0.5, 0.5)
    lifecycle.remove(core.database, [held.task_id])
    with core.database.read() as session:
        assert session.scalars(select(TaskTiming)).all() == []


def test_a_task_that_did_not_complete_teaches_nothing(core):
    core.fail(core.running(), "The disk is full.")
    with core.database.read() as session:
        assert session.scalars(select(TaskTiming)).all() == []


def test_history_is_the_newest_runs_on_the_same_thing_and_the_newest_of_the_job(core):
    now = utc_now()
    ids = [core.submit() for _ in range(40)]
    with core.database.write() as session:
        for number, task_id in enumerate(ids):
            likeness = "one_family_: mine" if number < 25 else "one_family_: other"
            keep(session, task_id, "count", now + timedelta(seconds=number), _timing(number, likeness))
    with core.database.read() as session:
        runs = history_of(session, "count", "one_family_: mine").runs
        of_others = history_of(session, "count", "one_family_: never seen").runs
    assert [run.phases["count"].seconds for run in runs if run.is_same] == [*range(24, 24 - LIKE_RUNS, -1)]
    assert [run.phases["count"].seconds for run in of_others] == [*range(39, 39 - RUNS, -1)]
    assert not any(run.is_same for run in of_others)


def test_history_walks_indexes_only(database):
    core = Core(database)
    with core.database.read() as session:
        asked: list[tuple[str, Any]] = []
        event.listen(session.get_bind(), "before_cursor_execute", lambda *args: asked.append((args[2], args[3])))
        history_of(session, "count", "mine")
        ((statement, values),) = [each for each in asked if "task_timings" in each[0]]
        steps = [row[3] for row in session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)]
    assert sum("USING INDEX" in step for step in steps) == 2, steps
    assert not any("TEMP B-TREE" in step or "SCAN task_timings" in step for step in steps)


@pytest.mark.req("F1", "H7")
@pytest.mark.serve_options(SAMPLES | {"WORKERS": "1"})
def test_the_second_run_begins_with_what_the_first_took_and_its_job_says_how_right_that_was(server, client):
    ada = server.person()
    watcher = client(ada.token)
    pace = {"to": 30, "pause_s": 0.08}
    wait_for(server, ada, start(server, ada, "count", **pace))
    second = start(server, ada, "count", **pace)
    watcher.join(second)
    first = watcher.wait_for("progress_update", where=lambda data: data["eta_runs"] == 1, timeout_s=20).data
    assert first["progress_percent"] < 50, "before its own speed could tell"
    assert 0 < first["eta_low_s"] <= first["eta_s"] <= first["eta_high_s"] < 30
    took_ms = wait_for(server, ada, second)["duration_ms"]
    said = server.api("GET", "/api/v1/jobs/count/statistics", token=ada.token).json()
    assert said["completed"] == 2
    assert said["runs"][-1]["duration_ms"] == took_ms
    assert said["estimates"]["moments"] >= 1


def test_time_left_is_told_again_while_nothing_moves(live_core, make_attempt, monkeypatch):
    monkeypatch.setattr("tasks.reporter.SAVE_INTERVAL_S", 0.2)
    one = make_attempt(live_core, max_hz=50)
    courses = {"prepare": PhaseCourse(0.01), "count": PhaseCourse(100, 1000)}
    one.reporter.progress._forecast = forecast.Forecast(["prepare", "count"], [0.1, 0.9], [Run(courses, is_same=True)])
    one.ctx.advance(10)
    one.wait_told(done=10, eta_runs=1)
    told = one.tail.ticks
    wait_until(lambda: one.tail.ticks > told + 1, 10, "told again")
    one.wait_told(done=10, eta_runs=1)
