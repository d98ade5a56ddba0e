"""How far a job is: its phases, the overall percentage, rate and time left. Pure: the clock is passed in."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from database import rfc3339
from tasks.counter import Counter
from tasks.estimates.course import PhaseCourse, Points, plain
from tasks.estimates.forecast import Estimate, Forecast, Position, Run
from tasks.estimates.judging import Judge, Verdict
from tasks.events import clean
from tasks.registry import Phase

RATE_WINDOW_S = 10.0
SAMPLE_EVERY_S = 0.5
KEPT_SAMPLES = 120


class Progress:
    """The progress of one attempt. `now_s` is any monotonic clock in seconds; wall times are given separately.

    The overall fraction is the weight of finished phases plus the running phase's own share; it never falls. `runs` are
    earlier runs of the job, from which time left is estimated.
    """

    def __init__(
        self, phases: tuple[Phase, ...], initial: list[dict[str, Any]], now_s: float, runs: Sequence[Run] = ()
    ) -> None:
        self._names = [phase.name for phase in phases]
        self._phases = [dict(phase) for phase in initial]
        self._current: int | None = None
        self._phase_started_s = now_s
        self._started_s = now_s
        self._floor = 0.0
        self.counter = Counter()
        self.total: float | None = None
        self.unit: str | None = None
        self.step: str | None = None
        self.details: dict[str, Any] = {}
        self.stalled_since: str | None = None
        self.usual_gap_s: float | None = None
        self._counts: deque[tuple[float, float]] = deque(maxlen=KEPT_SAMPLES)
        self._points = Points()
        self._past: dict[int, PhaseCourse] = {}
        self._forecast = Forecast(self._names, [phase["weight"] for phase in self._phases], runs)
        self._judge = Judge()
        self.tells_time_left = False

    @property
    def done(self) -> Any:
        """How much of the running phase is done; the counter counts it."""
        return self.counter.value

    @done.setter
    def done(self, value: float) -> None:
        self.counter.set(value)

    @property
    def phase(self) -> str | None:
        """The name of the running phase."""
        return None if self._current is None else self._names[self._current]

    def check_phase(self, name: str) -> None:
        """Raise ValueError for a phase that the job did not declare."""
        if name not in self._names:
            raise ValueError(f"the job has no phase {name!r}; it declares {', '.join(self._names)}")

    def start_phase(
        self, name: str, total: float | None, unit: str | None, first_line: int, now_s: float, at: datetime
    ) -> None:
        """End the phase before and begin this one. Raises ValueError for a phase that the job did not declare."""
        self.check_phase(name)
        self.end_phase(now_s)
        index = self._names.index(name)
        for skipped in range(self._current + 1 if self._current is not None else 0, index):
            self._phases[skipped] |= {"state": "done", "duration_ms": 0}
            self._past[skipped] = PhaseCourse(0.0)
        self._current = index
        self._past = {place: course for place, course in self._past.items() if place < index}
        self._phase_started_s = now_s
        begun = {"state": "running", "started_at": rfc3339(at), "first_line": first_line, "duration_ms": None}
        self._phases[index] |= begun
        self.done, self.total, self.unit, self.step = 0, total, unit, None
        self._counts.clear()
        self._points = Points()

    def end_phase(self, now_s: float) -> None:
        """Mark the running phase as done; its weight counts whole from here on."""
        phase = self._running()
        if phase is None or phase["state"] != "running":
            return
        seconds = now_s - self._phase_started_s
        phase |= {"state": "done", "duration_ms": int(seconds * 1000), **self._phase_counts()}
        assert self._current is not None
        done = plain(self.done)
        self._points.add(seconds, done)
        count = done if math.isfinite(done) and done > 0 else None
        self._past[self._current] = PhaseCourse(seconds, count, self._unit(), self._points.shares(seconds))

    def fail_phase(self, now_s: float) -> None:
        """Mark the running phase as the one in which the attempt ended early."""
        phase = self._running()
        if phase is not None and phase["state"] == "running":
            phase |= {
                "state": "failed",
                "duration_ms": int((now_s - self._phase_started_s) * 1000),
                **self._phase_counts(),
            }

    def note(self, words: str) -> None:
        """What the running phase has to say in a few words."""
        phase = self._running()
        if phase is not None:
            phase["note"] = words[:200]

    def fraction(self) -> float | None:
        """The overall share from 0 to 1, or None while nothing is known of it."""
        finished = sum(phase["weight"] for phase in self._phases if phase["state"] == "done")
        phase = self._running()
        own = 0.0
        if phase is not None and phase["state"] in ("running", "failed"):
            if self.total:
                own = phase["weight"] * min(1.0, max(0.0, plain(self.done) / plain(self.total)))
            elif not finished:
                return self._floor or None
        self._floor = max(self._floor, min(1.0, finished + own))
        return self._floor

    def fields(self, now_s: float, now: datetime) -> dict[str, Any]:
        """The progress as it is stored and sent; unknown is None."""
        fraction = self.fraction()
        self._sample(now_s)
        phase = self._running()
        if phase is not None and phase["state"] == "running":
            phase |= self._phase_counts()
        return {
            "phase": None if phase is None else phase["name"],
            "phases": [dict(each) for each in self._phases],
            "progress_percent": None if fraction is None else round(min(fraction * 100, 99.99), 2),
            "done": clean(self.done) if phase is not None else None,
            "total": clean(self.total),
            "unit": clean(self.unit),
            "rate": self._rate(now_s),
            **_left(self._estimate(now_s), now),
            "current_step": None if self.step is None else str(clean(self.step)),
            "details": {clean(name): clean(value) for name, value in self.details.items()},
            "stalled_since": self.stalled_since,
            "usual_gap_s": self.usual_gap_s,
        }

    def course(self) -> dict[str, dict[str, Any]]:
        """How long each phase that is over took and what it counted, by its name: what later runs learn from."""
        return {self._names[index]: course.as_json() for index, course in self._past.items()}

    def verdict(self, duration_s: float) -> Verdict:
        """How good the estimates were, now that the attempt is known to have taken so long."""
        return self._judge.verdict(duration_s)

    def _running(self) -> dict[str, Any] | None:
        return None if self._current is None else self._phases[self._current]

    def _phase_counts(self) -> Mapping[str, Any]:
        return {"done": clean(self.done), "total": clean(self.total), "unit": clean(self.unit)}

    def _unit(self) -> str | None:
        return None if self.unit is None else str(clean(self.unit))

    def _sample(self, now_s: float) -> None:
        done = plain(self.done)
        if not self._counts or now_s - self._counts[-1][0] >= SAMPLE_EVERY_S:
            self._counts.append((now_s, done))
        self._points.add(now_s - self._phase_started_s, done)

    def _rate(self, now_s: float) -> float | None:
        """Units a second over the last RATE_WINDOW_S of this phase; None until there is something to measure."""
        start = next((sample for sample in self._counts if now_s - sample[0] <= RATE_WINDOW_S), None)
        if start is None or now_s - start[0] < SAMPLE_EVERY_S:
            return None
        return round((plain(self.done) - start[1]) / (now_s - start[0]), 3)

    def _estimate(self, now_s: float) -> Estimate | None:
        """The range of the seconds left; None while nobody can know them, also while nothing moves any more."""
        if self._current is not None and self._phases[self._current]["state"] != "running":
            return None
        elapsed_s, phase_s = now_s - self._started_s, now_s - self._phase_started_s
        total = None if self.total is None else plain(self.total)
        position = Position(
            elapsed_s, self._current, phase_s, plain(self.done), total, self._unit(), self._past, self._points
        )
        told = None if self.stalled_since is not None else self._forecast.at(position)
        self._judge.note(elapsed_s, told)
        self.tells_time_left = told is not None
        return told


def _left(told: Estimate | None, now: datetime) -> dict[str, Any]:
    if told is None:
        unknown = ("eta_s", "eta_low_s", "eta_high_s", "eta_runs", "estimated_completion")
        return dict.fromkeys(unknown)
    return {
        "eta_s": round(told.middle_s, 1),
        "eta_low_s": round(told.low_s, 1),
        "eta_high_s": round(told.high_s, 1),
        "eta_runs": told.runs,
        "estimated_completion": rfc3339(now + timedelta(seconds=told.middle_s)),
    }
