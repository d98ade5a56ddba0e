"""Taskroom's database for the bench: users with API tokens, and tasks that run, made by the product's own core."""

from __future__ import annotations

import secrets

import accounts
import bench.sample_job  # noqa: F401  # registers the job
from accounts import COMMAND_LINE, Identity, User
from database import Database
from delivery.announcer import TailAnnouncer
from delivery.event_log import SCRIPT, EventLog, connect
from tasks import lifecycle
from tasks.lifecycle import Claim, Limits, Submission
from tasks.registry import find_job
from tasks.states import Visibility

USERS = 64
LEASE_S = 6 * 3600.0
NO_LIMITS = Limits(100_000, 100_000)


class TaskroomData:
    """One database and one Redis, with people and running tasks in it."""

    def __init__(self, database_url: str, redis_url: str, prefix: str) -> None:
        self.database = Database(database_url)
        self.database.upgrade()
        self._client = connect(redis_url, timeout_s=30.0)
        self.event_log = EventLog(self._client, prefix)
        self.announcer = TailAnnouncer(self.database, self.event_log)
        self._people = [self._person(f"person{number}") for number in range(USERS)]
        self.tokens = [
            accounts.create_token(self.database, person.user_id, "bench", COMMAND_LINE)[1] for person in self._people
        ]

    def running_task(self) -> Claim:
        """A task of the job `bench` that a worker has just claimed; everybody may watch it."""
        job = find_job("bench")
        submission = Submission(job, {}, job.title, visibility=Visibility.EVERYONE)
        task_id, _ = lifecycle.submit(self.database, self._people[0], submission)
        held = lifecycle.claim(self.database, task_id, "bench", LEASE_S, NO_LIMITS, job)
        if held is None:
            raise RuntimeError("a new task could not be claimed")
        self.announcer.announce(task_id)
        return held

    def running_tasks(self, count: int) -> list[str]:
        """The ids of so many."""
        return [self.running_task().task_id for _ in range(count)]

    def script(self) -> str:
        """The name under which Redis knows the tail's script."""
        run_id = str(self._client.info("server")["run_id"])
        return str(self._client.script_load(SCRIPT.replace("@RUN@", run_id)))

    def close(self) -> None:
        """Close its connections."""
        self.database.close()
        self._client.close()

    def _person(self, username: str) -> Identity:
        with self.database.write() as session:
            user = User(username=username, name_key=username, password_hash=secrets.token_hex(8), role="user")
            session.add(user)
            session.flush()
            return Identity(user.id, username, "user", None, 1)
