"""The promise to one socket and one task, with real clients of a real server who do at random what clients do."""

from __future__ import annotations

import os
import random
import secrets
import threading
import time
from collections import Counter

import pytest
import socketio

from tests.delivery.watchers import TASK_EVENTS, Follower
from tests.fixtures.machine import wait_until
from tests.fixtures.runs import FINAL, snapshot, start

pytestmark = [pytest.mark.slow, pytest.mark.req("A6", "A8", "A10", "A11")]

CLIENTS = 6
SECONDS = float(os.environ.get("TASKROOM_RACE_SECONDS", "6"))


class RealWatcher:
    """One person's tab: joins, leaves, loses the network and comes back, and judges all that it gets."""

    def __init__(self, product, token, make_client, chance: random.Random, tasks: list[str]) -> None:
        self._product, self._token, self._make, self._chance, self._tasks = product, token, make_client, chance, tasks
        self.followers: dict[str, Follower] = {}
        self.done: Counter[str] = Counter()
        self._client = make_client(product.url, token)
        self._read = 0

    def step(self) -> None:
        """One random act."""
        act = self._chance.choices(["join", "leave", "drop", "reload", "bogus"], [12, 6, 2, 1, 1])[0]
        task_id = self._chance.choice(self._tasks[-5:])
        self.done[act] += 1
        getattr(self, act)(task_id)

    def join(self, task_id: str) -> None:
        follower = self._follower(task_id)
        if follower.is_joined:
            self.leave(task_id)
        position = follower.position()
        follower.is_joined = True
        answer = self._client.call("join_task", {"task_id": task_id, **position})
        assert answer["ok"], answer
        follower.replays += answer["recovered"]
        self.read()

    def bogus(self, task_id: str) -> None:
        self.reload(task_id)
        self._follower(task_id).is_joined = True
        last_seq, epoch = self._chance.choice([0, 5, 10**12, 2**53]), self._chance.choice(["", "nonsense"])
        answer = self._client.call("join_task", {"task_id": task_id, "last_seq": last_seq, "epoch": epoch})
        assert answer["recovered"] is False
        self.read()

    def leave(self, task_id: str) -> None:
        assert self._client.call("leave_task", {"task_id": task_id})["ok"]
        self.read()
        self._follower(task_id).is_joined = False

    def reload(self, task_id: str) -> None:
        self.leave(task_id)
        self._follower(task_id).forget()

    def drop(self, _task_id: str) -> None:
        self.read()
        self._client.drop()
        for follower in self.followers.values():
            follower.is_joined = False
        self._client, self._read = self._make(self._product.url, self._token), 0

    def read(self) -> None:
        """Judge what has arrived since."""
        while self._read < len(self._client.events):
            event = self._client.events[self._read]
            self._read += 1
            if event.name in TASK_EVENTS:
                self._follower(event.data["task_id"]).take(event.name, event.data)

    def _follower(self, task_id: str) -> Follower:
        if task_id not in self.followers:
            self.followers[task_id] = Follower(lambda first, last: self._log(task_id, first, last))
        return self.followers[task_id]

    def _log(self, task_id: str, first: int, last: int) -> list[dict]:
        ask = {"task_id": task_id, "from_line": first, "limit": 1000}
        return [line for line in self._client.call("get_task_log", ask)["lines"] if line["n"] <= last]


@pytest.mark.timeout(170)
def test_real_clients_miss_nothing_and_get_nothing_twice(product, ada, make_client):
    seed = int(os.environ.get("TASKROOM_SEED", secrets.randbelow(10**6)))
    tasks = [_start(product, ada, random.Random(seed))]
    watchers = [
        RealWatcher(product, ada.token, make_client, random.Random(f"{seed} {n}"), tasks) for n in range(CLIENTS)
    ]
    over, errors = threading.Event(), []

    def watch(watcher: RealWatcher) -> None:
        try:
            while not over.is_set():
                watcher.step()
                over.wait(0.03)  # within the limit of requests of one connection
        except (AssertionError, KeyError, socketio.exceptions.SocketIOError, pytest.fail.Exception) as error:
            errors.append(error)

    threads = [threading.Thread(target=watch, args=(watcher,)) for watcher in watchers]
    for thread in threads:
        thread.start()
    chance, end = random.Random(seed), time.monotonic() + SECONDS
    while time.monotonic() < end and not errors:
        tasks.append(_start(product, ada, chance))
        over.wait(1.0)
    over.set()
    for thread in threads:
        thread.join(30)
    assert not errors, f"seed {seed}: {errors[:2]!r}"
    for task_id in tasks:
        wait_until(lambda t=task_id: snapshot(product, ada, t)["status"] in FINAL, 60, "all tasks have ended")
    _judge(product, ada, watchers, tasks, seed)


def _start(product, ada, chance: random.Random) -> str:
    if chance.random() < 0.25:
        return start(product, ada, "fail", how="retryable", times=chance.randint(0, 3))
    return start(product, ada, "count", to=chance.randint(20, 600), log_every=chance.choice([1, 3, 10]), pause_s=0.004)


def _judge(product, ada, watchers, tasks, seed) -> None:
    for watcher in watchers:
        for task_id in tasks[-5:]:
            watcher.join(task_id)
        wait_until(
            lambda w=watcher: w.read() or all(w.followers[t].finals for t in tasks[-5:]), 10, f"seed {seed}: ends"
        )
    followers = [pair for watcher in watchers for pair in watcher.followers.items()]
    faults = [fault for _, follower in followers for fault in follower.faults]
    assert not faults, f"seed {seed}: {len(faults)}, such as {faults[:5]}"
    ended = 0
    for task_id, follower in followers:
        if follower.finals:
            total = snapshot(product, ada, task_id)["log_total"]
            assert list(follower.log) == list(range(1, total + 1)), f"seed {seed}, task {task_id}"
            ended += 1
    done = sum((watcher.done for watcher in watchers), Counter())
    replays = sum(follower.replays for _, follower in followers)
    print(f"seed {seed}: {dict(done)}, {len(tasks)} tasks, {replays} recovered, {ended} ends judged")
