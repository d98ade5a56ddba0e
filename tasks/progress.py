"""How far a job is: its phases, the overall percentage, rate and time left. Pure: the clock is passed in."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from database import rfc3339
from tasks.counter import Counter
from tasks.events import clean
from tasks.registry import Phase

RATE_WINDOW_S = 10.0
ESTIMATE_AFTER_S = 3.0
ESTIMATE_AFTER_FRACTION = 0.01
SAMPLE_EVERY_S = 0.5
KEPT_SAMPLES = 120


class Progress:
    """The progress of one attempt. `now_s` is any monotonic clock in seconds; wall times are given separately.

    The overall fraction is the weight of finished phases plus the running phase's own share; it never falls.
    """

    def __init__(self, phases: tuple[Phase, ...], initial: list[dict[str, Any]], now_s: float) -> None:
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
        self._counts: deque[tuple[float, float]] = deque(maxlen=KEPT_SAMPLES)
        self._fractions: deque[tuple[float, float]] = deque(maxlen=KEPT_SAMPLES)

    @property
    def done(self) -> Any:
        """How much of the running phase is done; the counter counts it."""
        return self.counter.value

    @done.setter
    def done(self, value: float) -> None:
        self.counter.set(value)

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
        for skipped in self._phases[(self._current + 1 if self._current is not None else 0) : index]:
            skipped["state"] = "done"
            skipped["duration_ms"] = 0
        self._current = index
        self._phase_started_s = now_s
        begun = {"state": "running", "started_at": rfc3339(at), "first_line": first_line, "duration_ms": None}
        self._phases[index] |= begun
        self.done, self.total, self.unit, self.step = 0, total, unit, None
        self._counts.clear()

    def end_phase(self, now_s: float) -> None:
        """Mark the running phase as done; its weight counts whole from here on."""
        phase = self._running()
        if phase is None or phase["state"] != "running":
            return
        phase |= {"state": "done", "duration_ms": int((now_s - self._phase_started_s) * 1000), **self._phase_counts()}

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
                own = phase["weight"] * min(1.0, max(0.0, self.done / self.total))
            elif not finished:
                return self._floor or None
        self._floor = max(self._floor, min(1.0, finished + own))
        return self._floor

    def fields(self, now_s: float, now: datetime) -> dict[str, Any]:
        """The progress as it is stored and sent; unknown is None."""
        fraction = self.fraction()
        self._sample(fraction, now_s)
        phase = self._running()
        if phase is not None and phase["state"] == "running":
            phase |= self._phase_counts()
        estimate = self._estimate(fraction, now_s)
        middle = None if estimate is None else (estimate[0] + estimate[1]) / 2
        return {
            "phase": None if phase is None else phase["name"],
            "phases": [dict(each) for each in self._phases],
            "progress_percent": None if fraction is None else round(min(fraction * 100, 99.99), 2),
            "done": clean(self.done) if phase is not None else None,
            "total": clean(self.total),
            "unit": clean(self.unit),
            "rate": self._rate(now_s),
            "eta_s": None if middle is None else round(middle, 1),
            "eta_low_s": None if estimate is None else round(estimate[0], 1),
            "eta_high_s": None if estimate is None else round(estimate[1], 1),
            "estimated_completion": None if middle is None else rfc3339(now + timedelta(seconds=middle)),
            "current_step": None if self.step is None else str(clean(self.step)),
            "details": {clean(name): clean(value) for name, value in self.details.items()},
            "stalled_since": self.stalled_since,
        }

    def _running(self) -> dict[str, Any] | None:
        return None if self._current is None else self._phases[self._current]

    def _phase_counts(self) -> Mapping[str, Any]:
        return {"done": clean(self.done), "total": clean(self.total), "unit": clean(self.unit)}

    def _sample(self, fraction: float | None, now_s: float) -> None:
        if not self._counts or now_s - self._counts[-1][0] >= SAMPLE_EVERY_S:
            self._counts.append((now_s, self.done))
        if fraction is not None and (not self._fractions or now_s - self._fractions[-1][0] >= SAMPLE_EVERY_S):
            self._fractions.append((now_s, fraction))

    def _rate(self, now_s: float) -> float | None:
        """Units a second over the last RATE_WINDOW_S of this phase; None until there is something to measure."""
        start = next((sample for sample in self._counts if now_s - sample[0] <= RATE_WINDOW_S), None)
        if start is None or now_s - start[0] < SAMPLE_EVERY_S:
            return None
        return round(float(self.done - start[1]) / (now_s - start[0]), 3)

    def _estimate(self, fraction: float | None, now_s: float) -> tuple[float, float] | None:
        """Shortest and longest seconds left, from the recent and the whole speed; None before they mean much."""
        elapsed = now_s - self._started_s
        if (
            fraction is None
            or elapsed < ESTIMATE_AFTER_S
            or fraction < ESTIMATE_AFTER_FRACTION
            or len(self._fractions) < 3
        ):
            return None
        recent = next((sample for sample in self._fractions if now_s - sample[0] <= RATE_WINDOW_S), self._fractions[-1])
        speeds = [fraction / elapsed]
        if fraction > recent[1] and now_s > recent[0]:
            speeds.append((fraction - recent[1]) / (now_s - recent[0]))
        left = [(1 - fraction) / speed for speed in speeds]
        return min(left) * 0.9, max(left) * 1.1
