"""How long an attempt still takes, as a range: earlier runs of the job and the speed of this one, weighed.

Each earlier run says what was left when it was as far as this one is now, stretched by how much slower or faster this
one has been so far. The speed of the running phase says the same without any history. What is surer counts for more.
The range is as wide as these voices differ, times what the earlier runs' own estimates turned out to need.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from tasks.estimates.course import PhaseCourse, Points

ALONE_AFTER_S = 3.0
ALONE_AFTER_FRACTION = 0.01
"""without history nothing is said before"""
FEWEST_OTHERS = 3
"""runs on something else say something only together"""
OTHER_WEIGHT = 0.25
OLDER_WEIGHT = 0.93
"""of the run after it: jobs and machines change"""
EIGHTY_PERCENT = 1.28
"""of a normal distribution lie within so many deviations"""
WIDEST = 8.0
"""a range with a longer end so many times its shorter one says nothing"""
ALWAYS_SAID_S = 20.0
"""unless it is no wider than this"""
SETTLE_S = 2.0
MOST_AT_ONCE = 1.6
"""the factor by which an end of the range moves at most from one update to the next"""
FINEST_S = 0.3
FEW_DEVIATION = 0.26
"""what one or two runs leave open"""
AHEAD_BY_HISTORY = 0.4
AHEAD_BY_WEIGHT = 0.9
"""deviations of the phases to come, by earlier runs and by declared weights"""
SPEED_CHANGES = 0.4
"""what the live speed leaves open where there is something better"""
WORST_MISS = 6.0
NEAR = 0.2
UNTRIED = 6.0
"""so many misses as expected are added to those that were seen"""


@dataclass(frozen=True, slots=True)
class Run:
    """An earlier completed run. `is_same` says that it worked on the same thing; `misses` are (share of its duration,
    how far the estimate of that moment was off, in units of the deviation that it assumed).
    """

    phases: Mapping[str, PhaseCourse]
    is_same: bool
    misses: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Position:
    """Where an attempt is. `past` has the seconds and counts of the phases that are over; `index` is None before the
    first one. Times are seconds.
    """

    elapsed_s: float
    index: int | None = None
    phase_s: float = 0.0
    done: float = 0.0
    total: float | None = None
    unit: str | None = None
    past: Mapping[int, PhaseCourse] = field(default_factory=dict)
    points: Points = field(default_factory=Points)

    @property
    def fraction(self) -> float | None:
        """The share of the running phase's total that is done."""
        if not self.total or not math.isfinite(self.total) or self.total < 0 or not math.isfinite(self.done):
            return None
        return min(1.0, max(0.0, self.done / self.total))


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds left. `deviation` is that of the logarithm, before the earlier runs' misses widened it; `runs` is how
    many earlier runs had a voice.
    """

    low_s: float
    middle_s: float
    high_s: float
    deviation: float
    runs: int


@dataclass(frozen=True, slots=True)
class _Voice:
    """One opinion: the logarithm of the seconds left, and its deviation."""

    log: float
    deviation: float


@dataclass(frozen=True, slots=True)
class _Member:
    """What one earlier run says: seconds left, of these in phases to come, and how much that counts."""

    left_s: float
    ahead_s: float
    weight: float
    misses: tuple[tuple[float, float], ...]


class Forecast:
    """The estimates of one attempt, each no further from the one before than a reader can follow."""

    def __init__(self, names: Sequence[str], weights: Sequence[float], runs: Sequence[Run] = ()) -> None:
        self._names = names
        self._weights = weights
        self._runs = runs
        same = sum(run.is_same for run in runs)
        self._heard = runs if same or len(runs) >= FEWEST_OTHERS else ()
        self._told: tuple[float, Estimate] | None = None

    def at(self, position: Position) -> Estimate | None:
        """The range at this position, or None where nobody can know. To be asked as time goes on, not backwards."""
        fresh = self._fresh(position)
        if fresh is None or _says_nothing(fresh, WIDEST if self._told is None else 1.5 * WIDEST):
            self._told = None
            return None
        told = fresh if self._told is None else _settled(*self._told, fresh, position.elapsed_s)
        self._told = (position.elapsed_s, told)
        return told

    def _fresh(self, position: Position) -> Estimate | None:
        members = self._members(position)
        history = _voice_of(members)
        live = self._live(position, members)
        if history is None and (live is None or not self._may_speak_alone(position)):
            return None
        voice = _blended(history, live)
        middle_s = max(0.0, math.exp(voice.log) - FINEST_S)
        share = position.elapsed_s / (position.elapsed_s + middle_s + FINEST_S)
        reach = EIGHTY_PERCENT * voice.deviation * _width(members, share)
        low_s = max(0.0, math.exp(voice.log - reach) - 2 * FINEST_S)
        return Estimate(low_s, middle_s, math.exp(voice.log + reach), voice.deviation, len(members))

    def _may_speak_alone(self, position: Position) -> bool:
        fraction = position.fraction
        weight = self._weights[position.index] if position.index is not None else 0.0
        done = sum(self._weights[index] for index in position.past) + weight * (fraction or 0.0)
        return position.elapsed_s >= ALONE_AFTER_S and done >= ALONE_AFTER_FRACTION and len(position.points) >= 3

    # What earlier runs say

    def _members(self, position: Position) -> list[_Member]:
        """What each earlier run says."""
        found = []
        weight = {True: 1.0, False: 1.0}
        has_same = any(run.is_same for run in self._heard)
        for run in self._heard:
            heard = weight[run.is_same] * (OTHER_WEIGHT if has_same and not run.is_same else 1.0)
            weight[run.is_same] *= OLDER_WEIGHT
            said = self._member(run, position)
            if said is not None:
                rest_s, ahead_s, likeness = said
                found.append(_Member(rest_s + ahead_s, ahead_s, heard * likeness, run.misses))
        return found

    def _member(self, run: Run, position: Position) -> tuple[float, float, float] | None:
        """(seconds left in this phase, in those to come, how alike that run is in size).

        None if it had other phases.
        """
        if any(name not in run.phases for name in self._names):
            return None
        size, likeness = self._size(run, position)
        expected = spent = 0.0
        for index, past in position.past.items():
            expected += run.phases[self._names[index]].seconds
            spent += past.seconds
        rest = 0.0
        if position.index is not None:
            course = run.phases[self._names[position.index]]
            whole = course.seconds * size
            fraction = position.fraction
            if fraction is None:
                rest = max(whole - position.phase_s, 0.2 * min(position.phase_s, whole))
                spent, expected = spent + position.phase_s, expected + min(position.phase_s, whole)
            else:
                so_far = whole * course.share_at(fraction)
                rest = (whole - so_far) * _pace(position.phase_s, so_far, whole)
                spent, expected = spent + position.phase_s, expected + so_far
        begun = -1 if position.index is None else position.index
        coming = [run.phases[name].seconds for name in self._names[begun + 1 :]]
        ahead = sum(coming) * size
        ahead *= math.sqrt(_pace(spent, expected, expected + rest + ahead))
        return rest, ahead, likeness

    def _size(self, run: Run, position: Position) -> tuple[float, float]:
        """How many times as much there is to do as in that run, and how alike that makes them (0 to 1)."""
        pairs = [(past.count, past.unit, run.phases[self._names[index]]) for index, past in position.past.items()]
        if position.index is not None:
            pairs.append((position.total, position.unit, run.phases[self._names[position.index]]))
        for count, unit, course in reversed(pairs):
            if unit == course.unit and count and course.count and 0 < count < math.inf:
                ratio = min(max(count / course.count, 1e-3), 1e3)
                return ratio, math.exp(-0.7 * abs(math.log(ratio)))
        return 1.0, 1.0

    # What this run's speed says

    def _live(self, position: Position, members: Sequence[_Member]) -> _Voice | None:
        fraction = position.fraction
        if fraction is None or position.index is None or position.phase_s < 1.0 or position.done <= 0:
            return None
        rest_s, deviation = _by_speed(position, fraction)
        if members:
            ahead_s = _middle([(each.ahead_s, each.weight) for each in members])
            ahead_deviation = AHEAD_BY_HISTORY
        else:
            begun = sum(self._weights[index] for index in position.past) + self._weights[position.index]
            of_one_s = (position.elapsed_s + rest_s) / max(begun, 1e-6)
            ahead_s = of_one_s * sum(self._weights[position.index + 1 :])
            ahead_deviation = AHEAD_BY_WEIGHT
        left_s = max(rest_s + ahead_s, FINEST_S)
        unsure_s = math.hypot(rest_s * deviation, ahead_s * ahead_deviation)
        return _Voice(math.log(left_s + FINEST_S), unsure_s / left_s)


def _by_speed(position: Position, fraction: float) -> tuple[float, float]:
    """Seconds left in the running phase if it goes on like this, and the deviation of their logarithm."""
    blocks = 8
    ends = [position.phase_s * each / blocks for each in range(blocks + 1)]
    total = position.total or 1.0
    shares = [min(max(each / total, 0.0), 1.0) for each in position.points.counts_at(ends)]
    speeds = [max(0.0, after - before) for before, after in pairwise(shares)]
    mean = sum(speeds) / blocks
    if mean <= 1e-9:
        return position.phase_s * (1 - fraction) / max(fraction, 1e-3), 1.2
    recent = max(sum(speeds[-3:]) / 3, 0.02 * mean)
    rest = position.phase_s / blocks * (1 - fraction) / math.sqrt(mean * recent)
    spread = math.sqrt(sum((each - mean) ** 2 for each in speeds) / (blocks - 1)) / mean
    to_come = max(rest / (position.phase_s / blocks), 0.5)
    variance = 2 * spread**2 * (1 / blocks + 1 / to_come) if to_come < 50 else 2 * spread**2 / blocks
    variance += (0.5 * math.log(recent / mean)) ** 2 + 0.3 / max(len(position.points), 1)
    return rest, math.sqrt(variance + 0.06**2 + (0.3 * (1 - fraction)) ** 2)


def _pace(spent_s: float, expected_s: float, whole_s: float) -> float:
    """How many times as slow as expected the rest will be, by what was spent: trusted the more, the more is done."""
    grain = FINEST_S + 0.02 * whole_s
    trust = expected_s / (expected_s + 0.1 * whole_s + FINEST_S)
    return float(((spent_s + grain) / (expected_s + grain)) ** trust)


def _voice_of(members: Sequence[_Member]) -> _Voice | None:
    """What earlier runs say together: their middle, and how far they are from one."""
    logs = [(math.log(each.left_s + FINEST_S), each.weight) for each in members if each.weight > 1e-3]
    whole = sum(weight for _, weight in logs)
    if whole < 0.05:
        return None
    middle = _middle(logs)
    many = whole**2 / sum(weight**2 for _, weight in logs)
    apart = sum(weight * (log - middle) ** 2 for log, weight in logs) / whole
    variance = (many * apart + 2 * FEW_DEVIATION**2) / (many + 2) * (1 + 1 / many)
    return _Voice(middle, math.sqrt(variance + 0.03**2))


def _middle(logs: Sequence[tuple[float, float]]) -> float:
    """The weighted median."""
    ordered, half, seen = sorted(logs), sum(weight for _, weight in logs) / 2, 0.0
    for place, (log, weight) in enumerate(ordered):
        seen += weight
        if seen > half:
            return log
        if seen == half and place + 1 < len(ordered):
            return (log + ordered[place + 1][0]) / 2
    return ordered[-1][0]


def _blended(history: _Voice | None, live: _Voice | None) -> _Voice:
    """The two weighed by how sure each is; where they contradict each other, the range shows it."""
    if history is None or live is None:
        voice = history or live
        assert voice is not None
        return voice
    unsure = math.hypot(live.deviation, SPEED_CHANGES)
    trust = history.deviation**-2 / (history.deviation**-2 + unsure**-2)
    log = trust * history.log + (1 - trust) * live.log
    apart = trust * (1 - trust) * (history.log - live.log) ** 2
    variance = 1 / (trust / history.deviation**2 + (1 - trust) / unsure**2)
    return _Voice(log, math.sqrt(variance + apart))


def _width(members: Sequence[_Member], share: float) -> float:
    """By how much a range has to be wider (or may be narrower) for four of five to hold, by the misses of such runs at
    such moments.
    """
    misses = []
    for each in members:
        for at, miss in each.misses:
            misses.append((min(miss, WORST_MISS), each.weight * (1.0 if abs(at - share) < NEAR else 0.3)))
    whole = sum(weight for _, weight in misses)
    if not misses or whole <= 0:
        return 1.0
    seen, usual = 0.0, 0.0
    for miss, weight in sorted(misses):
        usual = miss
        seen += weight
        if seen >= 0.8 * whole:
            break
    return (whole * usual / EIGHTY_PERCENT + UNTRIED) / (whole + UNTRIED)


def _says_nothing(fresh: Estimate, widest: float) -> bool:
    return fresh.high_s > widest * fresh.low_s and fresh.high_s - fresh.low_s > ALWAYS_SAID_S


def _settled(told_s: float, told: Estimate, fresh: Estimate, now_s: float) -> Estimate:
    """The fresh range, as far as it may differ from the told one: that one, so much later, and a part of the way."""
    passed_s = max(0.0, now_s - told_s)
    part = 1 - math.exp(-passed_s / SETTLE_S)

    def between(old: float, new: float) -> float:
        start, end = min(old, max(old - passed_s, new, 0.0)) + 1.0, new + 1.0
        factor = math.exp(part * math.log(end / start))
        return start * min(max(factor, 1 / MOST_AT_ONCE), MOST_AT_ONCE) - 1.0

    low, middle, high = (
        between(told.low_s, fresh.low_s), between(told.middle_s, fresh.middle_s), between(told.high_s, fresh.high_s),
    )  # fmt: skip
    return Estimate(max(0.0, low), max(low, middle, 0.0), max(low, middle, high, 0.0), fresh.deviation, fresh.runs)
