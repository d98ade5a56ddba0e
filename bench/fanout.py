"""How many deliveries a second one room takes: found by raising the rate until it no longer holds."""

from __future__ import annotations

import math
from collections.abc import Callable

from bench.contenders import Contender
from bench.stage import Stage, Step

START = 40_000.0
"""deliveries a second of the first step"""
LOWEST = 500.0
HIGHEST = 6_000_000.0
LONG_STEPS = 1000
"""the size that the goals are about"""
HOPELESS = 3.0
"""a p99 of so many times the limit is not tried again"""


def capacity(passes: Callable[[float], bool], start: float, factor: float, refinements: int) -> float:
    """The highest rate that passes, by geometric steps from `start` and then halving the gap (in its logarithm).

    0 when not even LOWEST passes.
    """
    good = bad = 0.0
    rate = start
    if passes(rate):
        good, rate = rate, rate * factor
        while rate < HIGHEST and passes(rate):
            good, rate = rate, rate * factor
        bad = rate
    else:
        bad, rate = rate, max(LOWEST, rate / factor)
        while not passes(rate):
            if rate == LOWEST:
                return 0.0
            bad, rate = rate, max(LOWEST, rate / factor)
        good = rate
    for _ in range(refinements):
        middle = math.sqrt(good * bad)
        good, bad = (middle, bad) if passes(middle) else (good, middle)
    return good


class Room:
    """One room of one server while its capacity is looked for."""

    def __init__(self, stage: Stage, contender: Contender, members: int, seconds: float) -> None:
        self._stage, self._contender, self._members, self._seconds = stage, contender, members, seconds
        self._steps: dict[int, list[Step]] = {}
        self.is_open = False

    def holds(self, rate: float, p99_ms: float) -> bool:
        """Whether the room takes so many deliveries a second; a step that fails not too badly has a second chance."""
        steps = self._steps.setdefault(round(rate), [])
        while not any(step.holds(p99_ms) for step in steps):
            if len(steps) == 2 or any(not step.is_valid or step.p99_ms > HOPELESS * p99_ms for step in steps):
                return False
            steps.append(self._measure(rate))
        return True

    def achieved(self, rate: float, p99_ms: float) -> float:
        """The deliveries a second that were really sent in the step that held; 0 for the rate 0."""
        return max((step.rate for step in self._steps.get(round(rate), ()) if step.holds(p99_ms)), default=0.0)

    def is_load_busy(self, rate: float) -> bool:
        """Whether the load generator may have been the limit at the first rate above this one that failed."""
        above = [each for key in sorted(self._steps) if key > round(rate) for each in self._steps[key]]
        return any(step.is_load_busy for step in above[:2])

    def close(self) -> None:
        """Let the members leave."""
        if self.is_open:
            self._stage.close()
            self.is_open = False

    def _measure(self, rate: float) -> Step:
        if not self.is_open:
            opened = self._stage.open(self._contender, self._members, self._contender.rooms(1))
            self._stage.aim(self._contender, opened["acks"])
            self.is_open = True
        step = self._stage.step(self._contender, rate / self._members, self._seconds, self._members)
        if not step.is_valid:  # what is still under way must not disturb the next step
            self.close()
            self._contender.stop()
            self._contender.start()
        return step


def measure(stage: Stage, sizes: tuple[int, ...], rounds: int, seconds: float) -> None:
    """Rows `fanout_N`: deliveries a second within 50 ms, and within 500 ms."""
    known: dict[tuple[str, int], tuple[float, float]] = {}
    for turn in range(rounds):
        for size in sizes:
            for contender in stage.contenders.values():
                room = Room(stage, contender, size, seconds if size == LONG_STEPS else seconds * 2 / 3)
                start, start_prompt = known.get((contender.name, size), (START, 0.0))
                factor = 1.5 if turn else 2.0
                sustained = capacity(lambda rate: room.holds(rate, 500), start, factor, 1)  # noqa: B023
                prompt = 0.0
                if sustained:
                    first = min(start_prompt or sustained, sustained)
                    prompt = capacity(lambda rate: room.holds(rate, 50), first, factor, 1)  # noqa: B023
                    sustained = max(sustained, prompt)
                    known[contender.name, size] = sustained, prompt
                room.close()
                within = {"within_50ms": room.achieved(prompt, 50), "within_500ms": room.achieved(sustained, 500)}
                stage.results.add(f"fanout_{size}", contender.name, **within)
                if room.is_load_busy(sustained):
                    where = f"{contender.title}, one room of {size}"
                    stage.results.flag(f"the load generator may have been the limit: {where}")
                if sustained >= HIGHEST:
                    stage.results.flag(f"no higher rate was tried: {contender.title}, one room of {size}")
                told = ", ".join(f"{value:>11,.0f} {name.replace('_', ' ')}" for name, value in within.items())
                print(f"    one room of {size:>4}, {contender.title:<22} {told}", flush=True)
