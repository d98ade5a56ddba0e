"""What a reporting call costs the job's own thread, beside tqdm, RQ's `save_meta` and an emit of stock Flask-SocketIO.

A process of its own, `python -m bench.reporter_calls FOLDER REDIS_URL ROUNDS`; one JSON object a round on
stdout. The JobContext is put together as tasks/runner.py does it, on a real SQLite and a real Valkey, and somebody
watches. Without tqdm its figures are left out.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import redis

from bench.stats import median
from bench.taskroom_data import TaskroomData
from config import Config
from tasks import lifecycle
from tasks.context import JobContext
from tasks.progress import Progress
from tasks.registry import find_job
from tasks.reporter import Reporter
from tasks.runner import TailReports

PREFIX = "taskroom:"
BLOCK = 10_000
BLOCKS = 100
ITEMS = 1_000_000
SENDS = 200
SEND_GAP_S = 0.012
FAST_HZ = 100.0


@contextmanager
def job_context(folder: Path, redis_url: str, max_hz: float) -> Iterator[JobContext]:
    """A running attempt of the job `bench`, with a watcher of its channel."""
    config = Config.from_env({"REDIS_URL": redis_url, "REDIS_PREFIX": PREFIX}, data_dir=folder)
    data = TaskroomData(f"sqlite:///{folder / f'reporter-{os.urandom(3).hex()}.db'}", redis_url, PREFIX)
    held = data.running_task()
    job = find_job("bench")
    progress = Progress(job.phases, lifecycle.initial_phases(job), time.monotonic())
    reporter = Reporter(data.database, TailReports(data.event_log, data.announcer), held, progress, max_hz)
    with redis.Redis.from_url(redis_url).pubsub() as watcher:  # type: ignore[no-untyped-call]
        watcher.subscribe(data.event_log.channel(held.task_id))
        reporter.start(0, 0, 0)
        ctx = JobContext(replace(config, progress_max_hz=max_hz), data.database, held, reporter, folder)
        ctx.phase("parse", total=None, unit="items")
        yield ctx
        reporter.close()
    data.close()


def per_call_us(call: Callable[[], object]) -> float:
    """The median over BLOCKS of a call's mean cost in a block, without the loop's own."""
    numbers = range(BLOCK)
    costs, empty = [], []
    for _ in range(BLOCKS):
        start = time.perf_counter_ns()
        for _ in numbers:
            call()
        middle = time.perf_counter_ns()
        for _ in numbers:
            pass
        end = time.perf_counter_ns()
        costs.append(middle - start)
        empty.append(end - middle)
    return (median(costs) - median(empty)) / BLOCK / 1000


def per_item_us(iterate: Callable[[range], Any]) -> float:
    """What an item of a whole iteration costs."""
    start = time.perf_counter_ns()
    for _ in iterate(range(ITEMS)):
        pass
    return (time.perf_counter_ns() - start) / ITEMS / 1000


def each_us(call: Callable[[int], object], count: int, gap_s: float = 0.0) -> list[float]:
    """The cost of each of so many calls, with work that takes `gap_s` between them."""
    costs = []
    for number in range(count):
        start = time.perf_counter_ns()
        call(number)
        costs.append((time.perf_counter_ns() - start) / 1000)
        until = time.perf_counter() + gap_s
        while time.perf_counter() < until:
            pass
    return sorted(costs)


def silent(ctx: JobContext) -> dict[str, float]:
    """Calls that send nothing, and iteration."""
    ctx.advance()
    return {
        "advance_us": per_call_us(ctx.advance),
        "track_us": per_item_us(lambda items: ctx.track(items, unit="items")),
    }


def sending(ctx: JobContext) -> dict[str, float]:
    """Calls each of which is followed by an event: they come further apart than events do; without the clock's cost."""
    own = median(each_us(lambda _: None, SENDS, SEND_GAP_S))
    plain = each_us(lambda _: ctx.advance(), SENDS, SEND_GAP_S)
    told = each_us(lambda number: ctx.advance(1, step=f"file {number}", files=number), SENDS, SEND_GAP_S)
    return {
        "sends_us": median(plain) - own,
        "sends_p99_us": plain[int(SENDS * 0.99)],
        "sends_step_us": median(told) - own,
        "sends_step_p99_us": told[int(SENDS * 0.99)],
    }


def of_tqdm() -> dict[str, float]:
    """The same calls of tqdm, writing to nowhere."""
    with suppress(ImportError), Path(os.devnull).open("w") as nowhere:
        tqdm = importlib.import_module("tqdm").tqdm
        with tqdm(total=BLOCK * BLOCKS, file=nowhere) as bar:
            update_us = per_call_us(bar.update)
        return {"update_us": update_us, "iterate_us": per_item_us(lambda items: tqdm(items, file=nowhere))}
    return {}


def of_rq(redis_url: str) -> dict[str, float]:
    """RQ's way to report: the job's meta, saved."""
    from rq.job import Job

    with redis.Redis.from_url(redis_url) as client:
        job = Job.create(print, connection=client)
        job.save()

        def report(number: int) -> None:
            job.meta["done"] = number
            job.save_meta()  # type: ignore[no-untyped-call]

        return {"save_meta_us": median(each_us(report, 500))}


def of_stock(redis_url: str) -> dict[str, float]:
    """Flask-SocketIO's way: an emit from another process through the message queue."""
    from flask_socketio import SocketIO

    away = SocketIO(message_queue=redis_url, async_mode="threading")
    away.emit("progress", {"done": 0}, to="room")
    return {"emit_us": median(each_us(lambda number: away.emit("progress", {"done": number}, to="room"), 500))}


def main() -> None:
    """Measure in turn, so many rounds."""
    folder, redis_url, rounds = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    with job_context(folder, redis_url, 10.0) as ctx, job_context(folder, redis_url, FAST_HZ) as fast:
        for _ in range(rounds):
            taskroom = silent(ctx) | sending(fast)
            others = {"tqdm": of_tqdm(), "rq": of_rq(redis_url), "stock": of_stock(redis_url)}
            print(json.dumps({"taskroom": taskroom, **others}), flush=True)


if __name__ == "__main__":
    main()
