"""A campaign of faults against one installation: random acts of people, and of everything that can go wrong.

After each round all faults are over, all tasks have ended, and what SQL, the API and the watchers say is compared.
"""

from __future__ import annotations

import contextlib
import os
import random
import secrets
import signal
import subprocess
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import requests
import socketio
from sqlalchemy import select

from tasks.models import Task, TaskAttempt, TaskEvent
from tasks.notices import Notification
from tests.delivery.watchers import TASK_EVENTS, Follower
from tests.fixtures.clients import RecordingClient
from tests.fixtures.machine import wait_until
from tests.fixtures.product import Person, Server
from tests.fixtures.redis_servers import RedisServer
from tests.fixtures.runs import FINAL

FINAL_EVENT = {"completed": "task_completed", "failed": "task_error", "cancelled": "task_cancelled"}
LOST = (socketio.exceptions.SocketIOError, OSError, ValueError)
WATCHED = 8
SETTLED_WITHIN_S = 150


class Watcher(threading.Thread):
    """One tab of somebody who joins, leaves, reloads and loses the network, and comes back whatever happens."""

    def __init__(self, campaign: Campaign, seed: str) -> None:
        super().__init__(daemon=True)
        self.followers: dict[str, Wanted] = {}
        self.done: Counter[str] = Counter()
        self._campaign, self._chance = campaign, random.Random(seed)
        self._client: RecordingClient | None = None
        self._read = 0
        self._turn = threading.Lock()
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(0.05):
            with self._turn:
                self._act()

    def end(self) -> None:
        self._over.set()
        self.join(30)
        self._lose()

    def judge(self, task_ids: list[str]) -> dict[str, Wanted]:
        """Follow these tasks to their ends, and hand over what was seen of them."""
        wait_until(lambda: self._has_seen_ends(task_ids), 60, lambda: f"ends of {self._unseen(task_ids)}")
        with self._turn:
            judged, self.followers = self.followers, {}
            self._lose()
        return judged

    def _act(self) -> None:
        try:
            if self._client is None:
                self._come()
            self._look()
            task_ids = self._campaign.tasks[-WATCHED:]
            if not task_ids:
                return
            task_id = self._chance.choice(task_ids)
            act = self._chance.choices(["join", "leave", "reload", "drop"], [12, 3, 1, 1])[0]
            self.done[act] += 1
            getattr(self, f"_{act}")(task_id)
        except LOST:
            self.done["lost"] += 1
            self._lose()

    def _come(self) -> None:
        client = RecordingClient(self._campaign.server.url, self._campaign.person.token)
        self._client, self._read = client, 0
        client.connect(wait_timeout=5)
        for task_id, follower in self.followers.items():
            if follower.is_wanted:
                self._join(task_id)

    def _lose(self) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        self._take_all(client)
        for follower in self.followers.values():
            follower.is_joined = False
            follower.came.append("lost")
        with contextlib.suppress(*LOST, AttributeError):  # its socket may be closed already
            client.drop()
        with contextlib.suppress(*LOST, RuntimeError):
            client.sio.shutdown()

    def _join(self, task_id: str) -> None:
        assert self._client
        follower = self._follower(task_id)
        if follower.is_joined:
            return
        follower.is_joined = follower.is_wanted = True
        answer = self._client.call("join_task", {"task_id": task_id, **follower.position()}, timeout_s=5)
        if not answer["ok"]:
            raise ValueError(answer)  # too many requests, or the server is away: as when the connection is lost
        self._look()

    def _leave(self, task_id: str) -> None:
        assert self._client
        if not self._client.call("leave_task", {"task_id": task_id}, timeout_s=5)["ok"]:
            raise ValueError("not left")
        self._look()
        follower = self._follower(task_id)
        follower.is_joined = follower.is_wanted = False

    def _reload(self, task_id: str) -> None:
        self._leave(task_id)
        self._follower(task_id).forget()

    def _drop(self, _task_id: str) -> None:
        self._lose()

    def _look(self) -> None:
        """Judge what has arrived since. Raises ValueError when the connection is lost."""
        if self._client is not None and self._take_all(self._client):
            raise ValueError("disconnected")

    def _take_all(self, client: RecordingClient) -> bool:
        is_lost = False
        while self._read < len(client.events):
            event = client.events[self._read]
            self._read += 1
            is_lost |= event.name == "disconnect"
            if event.name not in TASK_EVENTS:
                continue
            follower = self._follower(event.data["task_id"])
            try:
                follower.take(event.name, event.data)
            except LOST:  # while it asked for lines of the log: as a page that has to be loaded again
                follower.forget()
                is_lost = True
        return is_lost

    def _follower(self, task_id: str) -> Wanted:
        if task_id not in self.followers:
            self.followers[task_id] = Wanted(lambda first, last: self._log(task_id, first, last))
        return self.followers[task_id]

    def _log(self, task_id: str, first: int, last: int) -> list[dict[str, Any]]:
        if self._client is None:
            raise ValueError("not connected")
        asked = {"task_id": task_id, "from_line": first, "limit": 1000}
        lines = self._client.call("get_task_log", asked, timeout_s=5)["lines"]
        return [line for line in lines if line["n"] <= last]

    def _has_seen_ends(self, task_ids: list[str]) -> bool:
        with self._turn:
            try:
                if self._client is None:
                    self._come()
                for task_id in task_ids:
                    self._join(task_id)
                self._look()
            except LOST:
                self._lose()
            return not self._unseen(task_ids)

    def _unseen(self, task_ids: list[str]) -> list[str]:
        return [task_id for task_id in task_ids if not self._follower(task_id).finals]


@dataclass
class Wanted(Follower):
    """A Follower that is to be joined again after the connection was lost, and remembers what came last."""

    is_wanted: bool = False
    came: deque[str] = field(default_factory=lambda: deque(maxlen=12))

    def take(self, name: str, data: dict[str, Any]) -> None:
        """One event; what is wrong with it is told with what came before."""
        lines = [line["n"] for line in data.get("lines", ())]
        kept = {key: data[key] for key in ("snapshot", "log_total", "status", "attempt") if key in data}
        self.came.append(f"{name} {data['epoch']}/{data['seq']} {lines or kept} on {len(self.log)} lines")
        known = len(self.faults)
        super().take(name, data)
        if len(self.faults) > known:
            self.faults.append(f"after {list(self.came)}")

    def forget(self) -> None:
        """Start over."""
        super().forget()
        self.came.append("forgotten")


@dataclass
class Campaign:
    """One installation, its people, and what is broken in it now. `folder` is for the evidence of jobs."""

    server: Server
    redis: RedisServer
    person: Person
    folder: Path
    chance: random.Random
    can_fill: bool
    tasks: list[str] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    steps: int = 0
    _heals: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    _busy: set[str] = field(default_factory=set)
    _asked: dict[str, dict[str, Any]] = field(default_factory=dict)

    ACTS = (
        ("start", 30), ("cancel", 6), ("retry", 3), ("kill_job", 3), ("kill_worker", 1.5), ("kill_web", 0.7),
        ("kill_scheduler", 0.7), ("stop_worker", 2), ("stop_web", 1), ("stop_scheduler", 1), ("kill_redis", 1),
        ("pause_redis", 2), ("flush_redis", 1), ("fill_disk", 1),
    )  # fmt: skip

    def step(self) -> None:
        """One random act."""
        self._heal(time.monotonic())
        acts = [(name, weight) for name, weight in self.ACTS if name != "fill_disk" or self.can_fill]
        name = self.chance.choices([name for name, _ in acts], [weight for _, weight in acts])[0]
        with contextlib.suppress(requests.RequestException, psutil.Error):
            getattr(self, name)()
            self.done[name] += 1
        self.steps += 1
        time.sleep(self.chance.uniform(0.02, 0.4))

    # What people do

    def start(self) -> None:
        """Start a task, not knowing whether the answer will arrive."""
        kind = self.chance.choice(["count", "count", "alone", "fail"])
        params: dict[str, Any] = {"count": self._counting, "alone": self._alone, "fail": self._failing}[kind]()
        key = secrets.token_hex(8)
        self._asked[key] = {"kind": kind, "params": params}
        self._post(key)

    def cancel(self) -> None:
        """Cancel one of the newest, ended or not."""
        self._of_task("cancel")

    def retry(self) -> None:
        """Run one of the newest again."""
        if (answer := self._of_task("retry")) is not None and answer.status_code == 202:
            self.tasks.append(answer.json()["task_id"])

    # What goes wrong

    def kill_job(self) -> None:
        """The kernel ends a job's process."""
        jobs = [child for worker in self.server.processes("worker") for child in worker.children()]
        leaves = [job for job in jobs if not job.children()]
        if leaves:
            self.chance.choice(leaves).kill()

    def kill_worker(self) -> None:
        """A worker dies, and its job lives on or dies with it."""
        self._kill("worker")

    def kill_web(self) -> None:
        """The web process dies."""
        self._kill("web")

    def kill_scheduler(self) -> None:
        """The scheduler dies."""
        self._kill("scheduler")

    def stop_worker(self) -> None:
        """A worker or a job stands still for a moment."""
        self._stop("worker")

    def stop_web(self) -> None:
        """The web process stands still for a moment."""
        self._stop("web")

    def stop_scheduler(self) -> None:
        """The scheduler stands still for a moment."""
        self._stop("scheduler")

    def kill_redis(self) -> None:
        """Redis dies, and comes back with what it had on its disk."""
        self._break("redis", self.redis.kill, self.redis.start, 3)

    def pause_redis(self) -> None:
        """Redis accepts and does not answer."""
        self._break("redis", self.redis.pause, self.redis.resume, 3)

    def flush_redis(self) -> None:
        """Redis forgets everything."""
        if "redis" not in self._busy:
            self.redis.flush()

    def fill_disk(self) -> None:
        """The disk under the database is full for a moment."""
        filler = self.server.data_dir / "filler"
        self._break("disk", lambda: _fill(filler), lambda: filler.unlink(missing_ok=True), 2)

    # The truth

    def settle(self) -> None:
        """End every fault, and wait until every task that was asked for has ended."""
        self._heal(float("inf"))
        assert self.redis.is_running()
        wait_until(self._is_ready, 90, lambda: f"ready again; the log ends with {self.server.logs()[-2000:]}")
        for key in list(self._asked):
            wait_until(partial(self._post, key), 20, f"an answer to {key}")
        self._asked.clear()
        wait_until(lambda: not self.unfinished(), SETTLED_WITHIN_S, lambda: f"ended: {self.unfinished()}")

    def unfinished(self) -> list[tuple[str, str]]:
        """The tasks that have not ended, with their state, as SQL has it."""
        with self._session() as session:
            query = select(Task.id, Task.state).where(Task.state.not_in(FINAL))
            return [(task_id, state) for task_id, state in session.execute(query)]

    def state_of(self, task_id: str) -> str:
        """As SQL has it."""
        with self._session() as session:
            return str(session.scalar(select(Task.state).where(Task.id == task_id)))

    def faults(self, watchers: list[Watcher]) -> Iterator[str]:
        """What is wrong after a round: between SQL and itself, the API, and what the watchers saw."""
        known = self.tasks[-WATCHED:]
        seen = [watcher.judge(known) for watcher in watchers]
        with self._session() as session:
            for task in session.scalars(select(Task)):
                yield from self._faults_of(session, task)
                for followers in seen:
                    follower = followers.get(task.id)
                    if follower is not None:
                        yield from (f"{task.id}: {fault}" for fault in follower.faults)
                        yield from _differences(task, follower)
            for task_id in known:
                shown = self._get(f"/api/v1/tasks/{task_id}")
                state = session.scalar(select(Task.state).where(Task.id == task_id))
                if shown["status"] != state:
                    yield f"{task_id}: the API says {shown['status']}, SQL {state}"
        yield from (f"{file}: two attempts at once" for file in self._overlaps())

    def _faults_of(self, session: Any, task: Task) -> Iterator[str]:
        ends = session.scalars(
            select(TaskEvent).where(TaskEvent.task_id == task.id, TaskEvent.name.in_(FINAL_EVENT.values()))
        ).all()
        if [end.name for end in ends] != [FINAL_EVENT[task.state]]:
            yield f"{task.id} is {task.state}, and its ends are {[end.name for end in ends]}"
        attempts = session.scalars(
            select(TaskAttempt).where(TaskAttempt.task_id == task.id).order_by(TaskAttempt.attempt)
        ).all()
        if [each.attempt for each in attempts] != list(range(1, task.attempt + 1)):
            yield f"{task.id}: attempts {[each.attempt for each in attempts]} of {task.attempt}"
        if any(each.ended_at is None for each in attempts):
            yield f"{task.id}: an attempt that never ended"
        told = session.scalars(
            select(Notification.type).where(Notification.task_id == task.id, Notification.user_id == task.owner_id)
        ).all()
        by_owner = task.state == "cancelled" and task.cancelled_by == self.person.username
        if len(told) != (0 if by_owner else 1):
            yield f"{task.id} is {task.state}, and its owner was told {told}"

    def _overlaps(self) -> list[str]:
        return [str(file) for file in self.folder.glob("*/evidence") if "overlap" in file.read_text()]

    @contextlib.contextmanager
    def _session(self) -> Iterator[Any]:
        database = self.server.database()
        with database.read() as session:
            yield session
        database.close()

    # How

    def _counting(self) -> dict[str, Any]:
        return {"to": self.chance.randint(1, 300), "pause_s": 0.01, "log_every": self.chance.choice([1, 3, 10])}

    def _alone(self) -> dict[str, Any]:
        folder = self.folder / secrets.token_hex(6)
        folder.mkdir()
        return {"folder": str(folder), "steps": self.chance.randint(5, 60), "quick_after": 2}

    def _failing(self) -> dict[str, Any]:
        return {"how": self.chance.choice(["retryable", "job_failed", "killed"]), "times": self.chance.randint(0, 3)}

    def _post(self, key: str) -> bool:
        answer = self._api("POST", "/api/v1/tasks", json=self._asked[key], headers={"Idempotency-Key": key})
        if answer is None or answer.status_code != 202:
            return False
        task_id = answer.json()["task_id"]
        if task_id not in self.tasks:
            self.tasks.append(task_id)
        return True

    def _of_task(self, what: str) -> requests.Response | None:
        if not self.tasks:
            return None
        return self._api("POST", f"/api/v1/tasks/{self.chance.choice(self.tasks[-WATCHED:])}/{what}", json={})

    def _get(self, path: str) -> dict[str, Any]:
        answer = self._api("GET", path)
        assert answer is not None and answer.status_code == 200
        shown: dict[str, Any] = answer.json()
        return shown

    def _api(self, method: str, path: str, **options: Any) -> requests.Response | None:
        headers = {**self.person.headers, **options.pop("headers", {})}
        try:
            return requests.request(method, self.server.url + path, timeout=8, headers=headers, **options)
        except requests.RequestException:
            return None

    def _is_ready(self) -> bool:
        answer = self._api("GET", "/health/ready")
        return answer is not None and answer.status_code == 200

    def _kill(self, role: str) -> None:
        """At most once in some seconds, so that `serve` does not take it for a program that cannot run."""
        if role not in self._busy and (found := self.server.processes(role)):
            self._break(role, self.chance.choice(found).kill, lambda: None, 6)

    def _stop(self, role: str) -> None:
        found = self.server.processes(role)
        if role in self._busy or not found:
            return
        process = self.chance.choice(found)

        def go_on() -> None:
            with contextlib.suppress(psutil.Error):
                process.send_signal(signal.SIGCONT)

        self._break(role, process.suspend, go_on, 1.5)

    def _break(self, what: str, hurt: Callable[[], None], heal: Callable[[], None], most_s: float) -> None:
        if what in self._busy:
            return
        self._busy.add(what)
        hurt()

        def over() -> None:
            heal()
            self._busy.discard(what)

        self._heals.append((time.monotonic() + self.chance.uniform(0.2, most_s), over))

    def _heal(self, now_s: float) -> None:
        for each in [each for each in self._heals if each[0] <= now_s]:
            self._heals.remove(each)
            each[1]()


def _differences(task: Task, follower: Follower) -> Iterator[str]:
    if follower.finals and follower.finals != [FINAL_EVENT[task.state]]:
        yield f"{task.id} is {task.state}; a watcher saw {follower.finals}"
    if follower.finals and list(follower.log) != list(range(1, task.log_total + 1)):
        yield f"{task.id} has {task.log_total} lines; a watcher has {len(follower.log)}: {list(follower.log)[-5:]}"


def _fill(file: Path) -> None:
    with contextlib.suppress(OSError), file.open("wb") as filler:
        while True:
            filler.write(b"x" * 65_536)


@contextlib.contextmanager
def small_disk(folder: Path, megabytes: int = 64) -> Iterator[bool]:
    """A disk of its own below this folder, if we may mount one; whether there is."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "taskroom-test", str(folder)]
    mounted = os.getuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=False)


def explain(campaign: Campaign, watchers: list[Watcher], seed: int) -> str:
    """What was done, for the test's output."""
    acts = sum((watcher.done for watcher in watchers), Counter())
    return (
        f"seed {seed}: {campaign.steps} steps {dict(campaign.done)}, watchers {dict(acts)}, {len(campaign.tasks)} tasks"
    )
