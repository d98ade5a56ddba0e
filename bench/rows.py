"""The rows at a fixed load: one room, a thousand rooms, nobody looking, idle watchers, connecting, slow readers."""

from __future__ import annotations

import time

from bench.contenders import Contender, Taskroom
from bench.machine import cpu_s, peak_rss, rss
from bench.stage import Stage, Step

MEMBERS = 1000
EVENTS_PER_S = 10.0
ROOMS = 1000
SLOW = 200
SLOW_READER = {"receive": False, "receive_buffer": 4096, "max_segment": 1460}
SLOW_PADDING = 12_000


def watched(stage: Stage, rounds: int, seconds: float) -> None:
    """Row `steady`: 1,000 members × 10 events/s. Row `true_path`: the same through Taskroom's own script."""
    for _ in range(rounds):
        for contender in stage.contenders.values():
            room = contender.rooms(1)
            opened = stage.open(contender, MEMBERS, room)
            stage.aim(contender, opened["acks"])
            stage.step(contender, EVENTS_PER_S, 1.0, MEMBERS)
            _note(stage, "steady", contender, stage.step(contender, EVENTS_PER_S, seconds, MEMBERS))
            stage.close()
            if isinstance(contender, Taskroom):
                room = contender.rooms(1)
                stage.open(contender, MEMBERS, room)
                stage.use_routes([contender.true_route(room[0])])
                stage.step(contender, EVENTS_PER_S, 1.0, MEMBERS)
                _note(stage, "true_path", contender, stage.step(contender, EVENTS_PER_S, seconds, MEMBERS))
                stage.close()


def rooms_of_one(stage: Stage, rounds: int, seconds: float) -> None:
    """Row `rooms`: 1,000 rooms of one × 10 events/s."""
    for _ in range(rounds):
        for contender in stage.contenders.values():
            opened = stage.open(contender, ROOMS, contender.rooms(ROOMS))
            stage.aim(contender, opened["acks"])
            stage.step(contender, ROOMS * EVENTS_PER_S / 4, 1.0, 1, rooms=ROOMS)
            _note(stage, "rooms", contender, stage.step(contender, ROOMS * EVENTS_PER_S, seconds, 1, rooms=ROOMS))
            stage.close()


def unwatched(stage: Stage, rounds: int, seconds: float) -> None:
    """Row `unwatched`: 1,000 tasks × 10 events/s through Taskroom's script, and nobody looks."""
    contender = stage.contenders.get("taskroom")
    if not isinstance(contender, Taskroom):
        return
    tasks = contender.rooms(ROOMS)
    stage.use_routes([contender.true_route(task) for task in tasks])
    for _ in range(rounds):
        step = stage.step(contender, ROOMS * EVENTS_PER_S, seconds, 0, rooms=ROOMS)
        stage.results.add("unwatched", contender.name, cpu_percent=100 * step.cpu_share)
        if step.is_publisher_late:
            stage.results.flag("the publisher could not keep the rate: unwatched tasks")
    _tell(stage, "unwatched", contender, ("cpu_percent",))


def idle(stage: Stage, rounds: int, count: int, settle_s: float, many: int) -> None:
    """Row `idle`: memory of a watcher who offers compression as browsers do. Row `idle_many`: very many on Taskroom."""
    for _ in range(rounds):
        for contender in stage.contenders.values():
            _idle(stage, contender, "idle", count, settle_s)
    if many and "taskroom" in stage.contenders:
        _idle(stage, stage.contenders["taskroom"], "idle_many", many, 2 * settle_s)


def _idle(stage: Stage, contender: Contender, row: str, count: int, settle_s: float) -> None:
    contender.stop()
    contender.start()
    rooms = contender.rooms(100)
    stage.open(contender, 100, rooms, deflate=True)
    stage.close()
    time.sleep(1.0)
    before = rss(contender.pid)
    opened = stage.open(contender, count, rooms, deflate=True)
    time.sleep(settle_s)
    after = rss(contender.pid)
    stage.aim(contender, opened["acks"])
    step = stage.step(contender, 100.0, 1.0, count // 100, rooms=100)
    stage.results.add(
        row,
        contender.name,
        rss_kb=(after - before) / count / 1024,
        connected=step.received / step.expected * count,
        p99_ms=step.p99_ms,
        per_s=count / opened["seconds"],
    )
    if not step.is_valid:
        arrived = f"{step.received} of {step.expected} events arrived"
        stage.results.flag(f"{contender.title}, {count} idle watchers: {arrived}")
    stage.close()
    _tell(stage, row, contender, ("rss_kb", "connected", "per_s"))
    contender.stop()
    contender.start()


def connecting(stage: Stage, rounds: int, count: int) -> None:
    """Row `connect`: clients that connect, log in and join, a second; 64 at once, WebSocket directly."""
    for _ in range(rounds):
        for contender in stage.contenders.values():
            used_s = cpu_s(contender.pid)
            opened = stage.open(contender, count, contender.rooms(1))
            cpu_us = (cpu_s(contender.pid) - used_s) / count * 1e6
            stage.results.add("connect", contender.name, per_s=count / opened["seconds"], cpu_us=cpu_us)
            if opened["busy"] > 0.85:
                stage.results.flag(f"the load generator may have been the limit: {contender.title}, connecting")
            stage.close()
            time.sleep(0.5)
            _tell(stage, "connect", contender, ("per_s", "cpu_us"))


def slow_readers(stage: Stage, rounds: int, seconds: float, rounds_of_others: int) -> None:
    """Row `slow`: 1,000 healthy members, without and with 200 that never read; 5 big events a second.

    The goals are about Taskroom alone, so the others take part in the first rounds only.
    """
    for turn in range(rounds):
        for contender in stage.contenders.values():
            if turn >= rounds_of_others and not isinstance(contender, Taskroom):
                continue
            contender.stop()
            contender.start()
            alone = _slow(stage, contender, seconds, 0)
            grown_alone = peak_rss(contender.pid)
            contender.stop()
            contender.start()
            beside = _slow(stage, contender, seconds, SLOW)
            grown = peak_rss(contender.pid)
            stage.results.add(
                "slow",
                contender.name,
                p99_without_ms=alone.p99_ms,
                p99_with_ms=beside.p99_ms,
                ratio=beside.p99_ms / alone.p99_ms,
                rss_growth_mb=(grown - grown_alone) / 2**20,
            )
            stage.close()
            stage.close("slow")
            _tell(stage, "slow", contender, ("p99_without_ms", "p99_with_ms", "ratio", "rss_growth_mb"))
            contender.stop()
            contender.start()


def _slow(stage: Stage, contender: Contender, seconds: float, slow: int) -> Step:
    room = contender.rooms(1)
    stage.close()
    opened = stage.open(contender, MEMBERS, room)
    if slow:
        stage.open(contender, slow, room, group="slow", **SLOW_READER)
    if isinstance(contender, Taskroom):
        stage.use_routes([contender.true_route(room[0], SLOW_PADDING, with_lines=True)])
    else:
        stage.aim(contender, opened["acks"], SLOW_PADDING)
    step = stage.step(contender, 5.0, seconds, MEMBERS)
    if not step.is_valid:
        beside = f" beside {slow} that never read" if slow else ""
        stage.results.flag(f"{contender.title}: of {step.expected} big events {step.received} arrived{beside}")
    return step


def _note(stage: Stage, row: str, contender: Contender, step: Step) -> None:
    stage.results.add(
        row,
        contender.name,
        p50_ms=step.p50_ms,
        p99_ms=step.p99_ms,
        cpu_us=step.cpu_us,
        tree_cpu_us=step.tree_cpu_us,
        cpu_percent=100 * step.cpu_share,
        load_percent=100 * step.load_busy,
    )
    if not step.is_valid:
        stage.results.flag(f"{contender.title}, {row}: of {step.expected} events {step.received} arrived")
    if step.is_load_busy:
        stage.results.flag(f"the load generator may have been the limit: {contender.title}, {row}")
    _tell(stage, row, contender, ("p50_ms", "p99_ms", "cpu_us", "cpu_percent", "load_percent"))


def _tell(stage: Stage, row: str, contender: Contender, metrics: tuple[str, ...]) -> None:
    values = stage.results.rows[row][contender.name]
    words = ", ".join(f"{name} {values[name][-1]:,.2f}" for name in metrics if name in values)
    print(f"    {row:<10} {contender.title:<22} {words}", flush=True)
