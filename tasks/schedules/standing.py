"""Schedules that every installation begins with: an admin's, to look at, change or pause like any other.

Who removes one gets it back with the next start of a scheduler; who wants none pauses it.
"""

from __future__ import annotations

import logging
import uuid

from sqlalchemy import select, true

from accounts import Actor, Identity, User, identity_of
from database import Database
from tasks.errors import NotFound
from tasks.registry import find_job
from tasks.schedules.models import Schedule
from tasks.schedules.recipes import Schedules
from tasks.service import Tasks

log = logging.getLogger("taskroom.schedules")

CLEAN_UP_ID = str(uuid.uuid5(uuid.NAMESPACE_URL, "taskroom:clean_up"))
CLEAN_UP = {"name": "Clean up the history", "kind": "clean_up", "cron": "40 3 * * *", "priority": "low"}


class Standing:
    """Makes them once there is an admin to whom they can belong."""

    def __init__(self, database: Database, tasks: Tasks) -> None:
        self._database = database
        self._schedules = Schedules(database, tasks)
        self._is_there = False

    def see_to(self) -> None:
        """Cheap once they are there, so it may be called all the time."""
        if self._is_there:
            return
        try:
            find_job(CLEAN_UP["kind"])
        except NotFound:
            self._is_there = True  # this installation has other jobs
            return
        owner = self._first_admin()
        if owner is not None:
            with self._database.read() as session:
                is_known = session.get(Schedule, CLEAN_UP_ID) is not None
            if not is_known:
                self._schedules.create(owner, CLEAN_UP, Actor("scheduler"), CLEAN_UP_ID)
                log.info("ended tasks are cleaned up every night: see the schedule %s", CLEAN_UP_ID)
            self._is_there = True

    def _first_admin(self) -> Identity | None:
        query = select(User.id).where(User.role == "admin", User.is_active.is_(true())).order_by(User.id).limit(1)
        with self._database.read() as session:
            user_id = session.scalar(query)
            return identity_of(session, user_id) if user_id is not None else None
