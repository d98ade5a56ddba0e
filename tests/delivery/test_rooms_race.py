"""Joins, leaves, drops and returns at random while tasks run as fast as they can: nobody misses or repeats anything.

Real Redis, real database, the real rooms and subscriber of a web process on native threads; only the sockets are lists.
The seed of a run is in its name and message: TASKROOM_SEED repeats nothing by itself, but the random choices.
"""

from __future__ import annotations

import os
import random
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest
from redis.exceptions import RedisError

from delivery.history import History
from delivery.outbox import Batch
from delivery.published import Published
from delivery.refusals import Refusals
from delivery.rooms import Rooms
from delivery.subscriber import Subscriber
from tasks import events, journal, lifecycle
from tasks.journal import Line
from tasks.lifecycle import Failure
from tests.delivery.watchers import Follower
from tests.fixtures.core import LiveCore
from tests.fixtures.machine import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.req("A6", "A8", "A10", "A11", "E3")]

WATCHERS = 12
SECONDS = float(os.environ.get("TASKROOM_RACE_SECONDS", "8"))


class WebProcess:
    """What delivers in one web process: subscriber, rooms, and a list instead of each socket."""

    def __init__(self, core: LiveCore, url: str) -> None:
        self.core = core
        self.inboxes: dict[str, list[tuple[str, dict[str, Any]]]] = {}
        subscriber = Subscriber(url, self._take, lambda: None, lambda: _spawn(self.rooms.resync))
        self.published = Published(core.database, Refusals())
        self.rooms = Rooms(History(core.database, core.log, core.announcer), subscriber, self._target, _spawn)
        _spawn(self.rooms.subscriber.run)
        wait_until(lambda: self.rooms.subscriber.is_live, 5, "the subscriber is live")

    def _take(self, channel: str, payloads: list[bytes]) -> None:
        task_id = channel.removeprefix("taskroom:task:")
        self.rooms.receive(task_id, self.published.task_events(task_id, payloads))

    def _target(self, sid: str) -> Inbox | None:
        inbox = self.inboxes.get(sid)
        return None if inbox is None else Inbox(inbox)


class Inbox:
    """A list in place of a socket."""

    is_overrun = False

    def __init__(self, received: list[tuple[str, dict[str, Any]]]) -> None:
        self._received = received

    def write(self, batch: Batch) -> None:
        """Take the packets down in their order."""
        for item in batch.items:
            name, data = orjson.loads(item.packet[2:])
            self._received.append((name, data))


def _spawn(function: Callable[..., object], *arguments: Any) -> None:
    threading.Thread(target=function, args=arguments, daemon=True).start()


class Watcher:
    """A client that does everything a client may do, at random; its checks are the Follower's."""

    def __init__(self, web: WebProcess, chance: random.Random, tasks: list[str]) -> None:
        self.web, self.chance, self.tasks = web, chance, tasks
        self.followers: dict[str, Follower] = {}
        self.done: Counter[str] = Counter()
        self.sid = ""
        self.connect()

    def connect(self) -> None:
        self.sid = secrets.token_hex(8)
        self.inbox: list[tuple[str, dict[str, Any]]] = []
        self.web.inboxes[self.sid] = self.inbox

    def step(self) -> None:
        """One random act."""
        task_id = self.chance.choice(self.tasks[-6:])
        act = self.chance.choices(["join", "bogus", "leave", "drop", "reload", "linger"], [10, 2, 4, 3, 1, 2])[0]
        self.done[act] += 1
        getattr(self, f"_{act}")(task_id)

    def _join(self, task_id: str) -> None:
        follower = self._follower(task_id)
        if follower.is_joined:
            self._leave(task_id)  # else what is on its way would be asked for once more
        before = follower.position()
        follower.is_joined = True
        answer = self.web.rooms.join(self.sid, task_id, before.get("last_seq"), before.get("epoch"))
        self.read()
        if answer.recovered:
            follower.replays += 1
            if follower.epoch != before.get("epoch") and len(follower.epochs) < 2:
                follower.faults.append("recovered, but in another epoch")

    def _bogus(self, task_id: str) -> None:
        """A position that was never given out: the rest or a snapshot, and never an error."""
        self._leave(task_id)
        follower = self._follower(task_id)
        follower.forget()
        follower.is_joined = True
        last_seq = self.chance.choice([0, 1, 7, 10**6, 2**53])
        epoch = self.chance.choice([None, "", "nonsense"])
        answer = self.web.rooms.join(self.sid, task_id, last_seq, epoch)
        if answer.recovered:
            follower.faults.append(f"a bogus position {last_seq}/{epoch} was recovered")
        self.read()

    def _leave(self, task_id: str) -> None:
        self.web.rooms.leave(self.sid, task_id)
        self.read()
        self._follower(task_id).is_joined = False

    def _drop(self, _task_id: str) -> None:
        self.web.rooms.drop(self.sid)
        self.read()
        del self.web.inboxes[self.sid]
        for follower in self.followers.values():
            follower.is_joined = False
        self.connect()

    def _reload(self, task_id: str) -> None:
        self._leave(task_id)
        self._follower(task_id).forget()

    def _linger(self, _task_id: str) -> None:
        time.sleep(self.chance.random() * 0.02)
        self.read()

    def read(self) -> None:
        """Take what has arrived."""
        while self.inbox:
            name, data = self.inbox.pop(0)
            self._follower(data["task_id"]).take(name, data)

    def _follower(self, task_id: str) -> Follower:
        if task_id not in self.followers:
            self.followers[task_id] = Follower(lambda first, last: _read_log(self.web.core, task_id, first, last))
        return self.followers[task_id]


def _read_log(core: LiveCore, task_id: str, first: int, last: int) -> list[dict[str, Any]]:
    texts = core.lines(task_id)
    return [{"n": n, "text": texts[n - 1]} for n in range(first, min(last, len(texts)) + 1)]


def run_a_task(core: LiveCore, chance: random.Random, tasks: list[str], pause: Callable[[], None]) -> None:
    """What service, worker and reporter do, one after the other: progress, lines, a retry, an end of any kind."""
    task_id = core.submit("fail")
    tasks.append(task_id)
    core.announced(task_id)
    held = core.claim(task_id)
    assert held is not None
    core.announced(held)
    for turn in range(chance.randint(5, 40)):
        pause()
        percent = {"progress_percent": turn * 2.0, "phases": [], "done": turn}
        if chance.random() < 0.7:
            body = {**core.snapshot(task_id), **percent}
            if (
                core.log.tick(task_id, held.attempt, events.encode_fields(events.progress_body(body))).outcome
                == "absent"
            ):
                core.announcer.rebuild(task_id)
        else:
            journal.save_progress(core.database, held, percent)
            lines = [Line(core.now(), "info", f"{task_id} {turn} {n}") for n in range(chance.randint(1, 4))]
            core.announcer.announce_lines(task_id, journal.append_lines(core.database, held, lines))
        if turn == 10 and held.attempt == 1 and chance.random() < 0.3:
            lifecycle.retry_later(core.database, held, Failure("Once more.", "retryable", True), 0.0, percent)
            core.announced(held)
            held = core.claim(task_id) or held
            core.announced(held)
    end = chance.random()
    if end < 0.6:
        lifecycle.complete(core.database, held, {"end": 1}, {"progress_percent": 99.0}, 5)
    elif end < 0.8:
        core.fail(held)
    else:
        lifecycle.confirm_cancel(core.database, held, {"progress_percent": 50.0}, 5, forced=False)
    core.announced(held)


@pytest.fixture
def seed() -> int:
    return int(os.environ.get("TASKROOM_SEED", secrets.randbelow(10**6)))


@pytest.fixture
def live(database, redis_server, make_live_core) -> Iterator[tuple[LiveCore, Any]]:
    yield make_live_core(database, redis_server.url), redis_server


@pytest.mark.parametrize("trouble", ["none", "flushed", "killed", "rebuilt"])
def test_random_watchers_of_fast_tasks_miss_nothing_and_see_nothing_twice(live, seed, trouble):
    core, redis_server = live
    webs = [WebProcess(core, redis_server.url), WebProcess(core, redis_server.url)]
    tasks: list[str] = []
    over = threading.Event()
    errors: list[BaseException] = []

    def work(number: int) -> None:
        chance = random.Random(f"{seed} worker {number}")
        while not over.is_set():
            try:
                run_a_task(core, chance, tasks, lambda: time.sleep(chance.random() * 0.01))
            except Exception as error:
                if trouble != "killed" or not isinstance(error, RedisError):
                    errors.append(error)

    def watch(watcher: Watcher) -> None:
        try:
            while not over.is_set():
                watcher.step()
        except Exception as error:
            errors.append(error)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for worker in workers:
        worker.start()
    wait_until(lambda: tasks, 5, "a task is there")
    watchers = [Watcher(webs[n % 2], random.Random(f"{seed} watcher {n}"), tasks) for n in range(WATCHERS)]
    threads = [threading.Thread(target=watch, args=(watcher,)) for watcher in watchers]
    for thread in threads:
        thread.start()
    end = time.monotonic() + (SECONDS if trouble == "none" else SECONDS / 2)
    chance = random.Random(f"{seed} trouble")
    while time.monotonic() < end and not errors:
        over.wait(0.2 + chance.random() * 0.6)
        make_trouble(trouble, core, redis_server, tasks)
    over.set()
    for thread in [*workers, *threads]:
        thread.join(30)
    assert not errors, f"seed {seed}: {errors[:3]!r}"
    finish(core, tasks, watchers, seed)


def make_trouble(trouble: str, core: LiveCore, redis_server: Any, tasks: list[str]) -> None:
    if trouble == "flushed":
        redis_server.flush()
    elif trouble == "killed":
        redis_server.kill()
        redis_server.start()
    elif trouble == "rebuilt":
        for task_id in tasks[-4:]:
            tail = core.log.read(task_id)
            core.announcer.rebuild(task_id, replacing=tail.epoch if tail else "")


def finish(core: LiveCore, tasks: list[str], watchers: list[Watcher], seed: int) -> None:
    """After all is over, everybody joins every task once more with what he knows; then all must have everything."""
    wait_until(lambda: core.announcer.sweep(older_than_s=0) == 0, 20, "all is announced")
    followers = []
    for watcher in watchers:
        for task_id in tasks[-6:]:
            watcher._join(task_id)
        wait_until(lambda w=watcher: _has_ends(w, core), 15, lambda w=watcher: f"seed {seed}: {_lacking(w, core)}")
        watcher.read()
        followers += watcher.followers.items()
    faults = [fault for _, follower in followers for fault in follower.faults]
    assert not faults, f"seed {seed}: {len(faults)} faults, such as {faults[:5]}"
    for task_id, follower in followers:
        if follower.finals:
            assert list(follower.log.values()) == core.lines(task_id), f"seed {seed}: the log of {task_id} is not whole"
    done = sum((watcher.done for watcher in watchers), Counter[str]())
    replays = sum(follower.replays for _, follower in followers)
    print(f"seed {seed}: {dict(done)}, {len(tasks)} tasks, {replays} recovered joins")


def _has_ends(watcher: Watcher, core: LiveCore) -> bool:
    watcher.read()
    return not _lacking(watcher, core)


def _lacking(watcher: Watcher, core: LiveCore) -> list[str]:
    return [
        f"{task_id}: {follower.finals} at {follower.epoch}/{follower.seq}, {core.task(task_id).state}"
        for task_id, follower in watcher.followers.items()
        if follower.is_joined
        and len(follower.finals) != (core.task(task_id).state in ("completed", "failed", "cancelled"))
    ]
