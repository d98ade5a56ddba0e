"""The server's first paint and the page's own words are the same: pages/view.py and static/js/task_view.js."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Page

from pages import format as words
from pages import house
from pages.terminal import terminal
from pages.view import task_view
from tasks import events
from tasks.registry import Job
from tests.browser.by_hand import PHASES, Nothing

NOW = datetime(2026, 11, 21, 14, 4, 10, 402_000, tzinfo=UTC)


def at(seconds: float) -> str:
    """RFC 3339 of so many seconds from NOW."""
    return (NOW + timedelta(seconds=seconds)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def phase(name: str, state: str, **known: Any) -> dict[str, Any]:
    """A phase as snapshots have it."""
    blank = {"done": None, "total": None, "unit": None, "note": None, "started_at": None, "duration_ms": None}
    return {"name": name, "title": name.title(), "weight": 0.25, "state": state, "first_line": None, **blank, **known}


def snapshot(**known: Any) -> dict[str, Any]:
    """A running task in its parse phase, with what is known otherwise."""
    return {
        "task_id": "7c1e0d52", "kind": "code_scan", "title": "Scan of acme/warehouse",
        "status": "running", "phase": "parse",
        "phases": [
            phase("fetch", "done", note="at 9f3c1ab", duration_ms=6_240),
            phase("parse", "running", done=6124, total=8340, unit="files", started_at=at(-112)),
            phase("persist", "pending"),
        ],
        "progress_percent": 61.4, "done": 6124, "total": 8340, "unit": "files", "rate": 51.83,
        "eta_s": 59, "eta_low_s": 48, "eta_high_s": 70, "estimated_completion": at(59),
        "current_step": "services/pricing/postgres.go",
        "details": {"nodes_found": 21764, "routes_found": 214, "ratio": 0.123, "is_partial": True},
        "attempt": 1, "max_attempts": 3, "cancel_requested": False, "cancel_requested_at": None, "cancelled_by": None,
        "retry_at": None, "error": None, "started_at": at(-120), "queued_at": at(-121), "created_at": at(-121),
        "finished_at": None, "duration_ms": None, "queue_position": None, "timestamp": at(-1), "epoch": "e1", "seq": 9,
        "owner": {"id": 1, "username": "mira"},
    }  # fmt: skip


CASES = {
    "running": {},
    "running without a total": {"progress_percent": None, "total": None, "eta_low_s": None, "eta_high_s": None},
    "just begun": {"progress_percent": 0.0, "phase": None, "done": None, "total": None, "rate": None, "eta_low_s": None,
                   "eta_high_s": None, "eta_s": None, "current_step": None, "details": {}},
    "by earlier runs": {"eta_runs": 14},
    "by one earlier run": {"eta_runs": 1},
    "stalled": {"stalled_since": at(-240), "usual_gap_s": 2.3, "eta_low_s": None, "eta_high_s": None, "eta_s": None,
                "estimated_completion": None},
    "stalled without a total": {"stalled_since": at(-75), "usual_gap_s": 0.1, "progress_percent": None, "total": None,
                                "eta_low_s": None, "eta_high_s": None, "eta_s": None},
    "nearly done": {"progress_percent": 99.99, "eta_low_s": 1.2, "eta_high_s": 1.4},
    "queued": {"status": "queued", "attempt": 0, "progress_percent": None, "phase": None, "done": None,
               "queue_position": 3, "started_at": None},
    "next in line": {"status": "queued", "attempt": 0, "phase": None, "done": None, "queue_position": 1},
    "queued in a paused queue": {"status": "queued", "attempt": 0, "phase": None, "done": None, "held": "queue"},
    "queued, of a paused kind": {"status": "queued", "attempt": 0, "phase": None, "done": None, "held": "kind"},
    "queued in maintenance": {"status": "queued", "attempt": 0, "phase": None, "done": None, "held": "maintenance"},
    "waiting for a retry": {"status": "queued", "retry_at": at(10), "error": "git server closed the connection.",
                            "progress_percent": 22.7},
    "cancelling": {"cancel_requested": True, "cancel_requested_at": at(-12), "cancelled_by": "jonas"},
    "completed": {"status": "completed", "progress_percent": 99.99, "duration_ms": 184_000, "finished_at": at(-60)},
    "failed": {"status": "failed", "error": "The disk is full.", "duration_ms": 134_000, "finished_at": at(-60)},
    "cancelled": {"status": "cancelled", "progress_percent": 63.4, "duration_ms": 800, "finished_at": at(-60)},
}  # fmt: skip


def of_server(task: dict[str, Any]) -> dict[str, Any]:
    """What the templates get."""
    view = task_view(task, NOW)
    return {
        "badge": [view.state, view.word], "bar": [view.bar.mode, view.bar.text], "percent": view.percent,
        "phase": [view.phase_line, view.phase_title], "progress": view.progress_line, "step": view.step,
        "done": [view.done, view.done_of, view.done_left], "rate": [view.rate, view.rate_unit],
        "eta": [view.eta, view.eta_at] if not view.is_final else None, "sentence": view.sentence,
        "end": view.end if not view.is_final else None, "stats": [value for _, _, value in view.stats],
        "phases": None if view.is_final else [[p.state, p.icon, p.word, p.note, p.time] for p in view.phases],
        "attempt": view.attempt_line,
    }  # fmt: skip


OF_PAGE = """async ([task, now]) => {
  const { describe } = await import("/static/js/task_view.js");
  const { plainValue } = await import("/static/js/format.js");
  const isFinal = ["completed", "failed", "cancelled"].includes(task.status);
  const view = describe(task, { kind: isFinal ? "none" : "live", words: "", confirmed: true, asOf: "" }, now);
  return {
    badge: [view.badge.state, view.badge.word], bar: [view.bar.mode, view.bar.text], percent: view.percent.whole,
    phase: [view.phaseLine, view.phaseTitle], progress: view.progressLine, step: view.step,
    done: [view.done, view.doneOf, view.doneLeft], rate: [view.rate, view.rateUnit],
    eta: isFinal ? null : [view.eta, view.etaAt], sentence: view.sentence, end: isFinal ? null : view.end,
    stats: view.stats.map(([, value]) => plainValue(value)),
    phases: isFinal ? null : view.phases.map((each) => [each.state, each.icon, each.word, each.note, each.time]),
    attempt: view.attempt,
  };
}"""


@pytest.mark.req("F10", "F1")
@pytest.mark.parametrize("name", CASES)
def test_a_task_reads_the_same_before_and_after_scripts(module_page: Page, name: str) -> None:
    task = snapshot() | CASES[name]
    assert module_page.evaluate(OF_PAGE, [task, NOW.timestamp() * 1000]) == of_server(task)


NUMBERS = [None, 0, 1, 12, 99.95, 999.4, 1000, 6124, 1_234_567.8]
PERCENTS = [None, 0, 0.04, 0.3, 61.4, 61.44, 99.97, 100]
SPANS_MS = [None, 0, 400, 4_000, 14_230, 59_949, 59_990, 60_000, 134_000, 3_600_000, 5_280_000, 266_400_000]
AGES_S = [0, 4, 6, 34, 59, 61, 372, 3_599, 3_700, 80_000]


@pytest.mark.req("F10")
def test_numbers_and_times_read_the_same(module_page: Page) -> None:
    of_page = module_page.evaluate(
        """async ([numbers, percents, spans, ages, now]) => {
          const f = await import("/static/js/format.js");
          const t = await import("/static/js/time.js");
          return [numbers.map(f.count), numbers.map(f.rateNumber), percents.map(f.percent), spans.map(f.duration),
            spans.map(f.measured), ages.map((age) => t.ago(new Date(now - age * 1000).toISOString(), now)),
            [1, 2, 3, 4, 11, 21, 112].map(f.ordinal), t.fullTime(now), t.clockTime(now, { ms: true })];
        }""",
        [NUMBERS, PERCENTS, SPANS_MS, AGES_S, NOW.timestamp() * 1000],
    )
    assert of_page == [
        [words.count(each) for each in NUMBERS], [words.rate_number(each) for each in NUMBERS],
        [words.percent(each) for each in PERCENTS], [words.duration(each) for each in SPANS_MS],
        [words.measured(each) for each in SPANS_MS], [words.ago(NOW - timedelta(seconds=each), NOW) for each in AGES_S],
        [words.ordinal(each) for each in (1, 2, 3, 4, 11, 21, 112)],
        words.full_time(NOW), words.clock(NOW, milliseconds=True),
    ]  # fmt: skip


HOLD = {"by": "ada", "since": at(-400), "reason": None}
HOUSES = [
    None,
    {"paused": None, "paused_kinds": {}, "maintenance": None},
    {"paused": HOLD | {"reason": "moving repositories"}, "paused_kinds": {}, "maintenance": HOLD | {"running": 1}},
    {"paused": None, "paused_kinds": {}, "maintenance": HOLD | {"running": 2, "since": at(-90_000)}},
    {"paused": None, "paused_kinds": {}, "maintenance": HOLD | {"running": 1}},
    {"paused": None, "paused_kinds": {}, "maintenance": HOLD | {"running": 0}},
    {"paused": None, "paused_kinds": {"code_scan": HOLD | {"title": "Scan code"}}, "maintenance": None},
    {"paused": None, "paused_kinds": {each: HOLD | {"title": each} for each in "ab"}, "maintenance": None},
]


@pytest.mark.req("H5", "F10")
def test_the_banner_of_the_house_reads_the_same(module_page: Page) -> None:
    of_page = module_page.evaluate(
        """async ([houses, now]) => {
          const { houseBanner } = await import("/static/js/house_words.js");
          const plain = (told) => told && [told.key, told.icon, told.title, told.text, told.act];
          return houses.map((each) => plain(houseBanner(each, now)));
        }""",
        [HOUSES, NOW.timestamp() * 1000],
    )
    told = [house.banner(each, NOW) for each in HOUSES]
    assert of_page == [each and [each[name] for name in ("key", "symbol", "title", "text", "act")] for each in told]


PARAMS = {
    "path": "/srv/it's here",
    "types": [".py", ".ts"],
    "deep": True,
    "limit": 3,
    "quoted": 'say "hi"',
    "plain": "main",
}


@pytest.mark.req("J1")
def test_the_terminal_beside_the_form_reads_the_same(module_page: Page) -> None:
    of_page = module_page.evaluate(
        """async ([kind, said, base]) => {
          return (await import("/static/js/terminal_words.js")).terminalWords(kind, said, base);
        }""",
        ["code_scan", PARAMS, "http://127.0.0.1:8080"],
    )
    job = Job("code_scan", "Scan code", "", lambda context, params: {}, Anything, PHASES)
    assert of_page == terminal(job, PARAMS, "http://127.0.0.1:8080")


class Anything(Nothing):
    """Parameters of every kind."""

    path: str = ""
    types: list[str] = []
    deep: bool = False
    limit: int = 0
    quoted: str = ""
    plain: str = ""


@pytest.mark.req("A1")
def test_the_page_listens_to_every_event_of_a_task(module_page: Page) -> None:
    of_page = module_page.evaluate("""async () => {
      const { TASK_EVENTS } = await import("/static/js/task_streams.js");
      const { FINAL_STATUS } = await import("/static/js/task_reducer.js");
      return [TASK_EVENTS, Object.keys(FINAL_STATUS)];
    }""")
    assert [set(of_page[0]), set(of_page[1])] == [set(events.TASK_EVENTS), set(events.FINAL_EVENTS)]
