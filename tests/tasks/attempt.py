"""A running attempt without a worker: a JobContext on a real database and a real Redis, and what the tail was told."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import orjson
import pytest

from config import Config
from tasks import lifecycle
from tasks.context import JobContext
from tasks.progress import Progress
from tasks.registry import find_job
from tasks.reporter import Reporter
from tasks.runner import TailReports
from tests.fixtures.core import LiveCore
from tests.fixtures.machine import wait_until


class CountedReports(TailReports):
    """The real way to the tail, counting what goes over it."""

    ticks = admin_ticks = 0

    def tick(self, task_id: str, attempt: int, body: str) -> bool | None:
        self.ticks += 1
        return super().tick(task_id, attempt, body)

    def lines(self, task_id: str, lines: Sequence[dict[str, Any]]) -> None:
        super().lines(task_id, lines)

    def admin(self, job: str) -> bool:
        self.admin_ticks += 1
        return super().admin(job)


class Attempt:
    """One attempt of the sample job `count`, in its phase `count` with the given total."""

    def __init__(self, core: LiveCore, folder: Path, max_hz: float = 10.0, total: float | None = 1000) -> None:
        self.core = core
        self.held = core.running("count")
        core.announcer.announce(self.held.task_id)
        job = find_job("count")
        progress = Progress(job.phases, lifecycle.initial_phases(job), time.monotonic())
        self.tail = CountedReports(core.log, core.announcer)
        self.reporter = Reporter(core.database, self.tail, self.held, progress, max_hz)
        self.reporter.start(0)
        config = Config.from_env({}, data_dir=folder)
        self.ctx = JobContext(config, core.database, self.held, self.reporter, folder)
        self.ctx.phase("count", total=total)
        self._is_closed = False

    def told(self) -> dict[str, Any]:
        """The snapshot that somebody would get who joins now."""
        tail = self.core.log.read(self.held.task_id)
        assert tail is not None
        return orjson.loads("{" + tail.snapshot_body + "}")

    def wait_told(self, **wanted: Any) -> dict[str, Any]:
        """The snapshot once it has these values."""
        seen: dict[str, Any] = {}

        def is_there() -> bool:
            seen.update(self.told())
            return all(seen[name] == value for name, value in wanted.items())

        wait_until(is_there, 10, lambda: f"{wanted}, but {seen}")
        return seen

    def close(self) -> dict[str, Any]:
        """The end of the attempt: all lines stored; the last progress."""
        self._is_closed = True
        return self.reporter.close(30)

    def end(self) -> None:
        """Leave no thread behind."""
        if not self._is_closed:
            self.close()


@pytest.fixture
def make_attempt(tmp_path: Path) -> Iterator[Callable[..., Attempt]]:
    """make_attempt(live_core, max_hz=…, total=…)."""
    with ExitStack() as stack:

        def make(core: LiveCore, **options: Any) -> Attempt:
            one = Attempt(core, tmp_path, **options)
            stack.callback(one.end)
            return one

        yield make


@pytest.fixture
def attempt(live_core: LiveCore, make_attempt: Callable[..., Attempt]) -> Attempt:
    """A running attempt on a Redis that is not to be hurt."""
    return make_attempt(live_core)
