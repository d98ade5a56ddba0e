"""Refused access in the audit log: kept once a minute, and a flood of it fills no disk."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import insert, select

from accounts import COMMAND_LINE, Actor, AuditEntry, User
from accounts.refused import ACTION, MAX_A_MINUTE, note_refused
from database import Database, utc_now

pytestmark = pytest.mark.req("D2", "H5")

EVE, ADA = Actor("eve", 2, "192.0.2.7", "tr-TEST01-1200"), Actor("ada", 1)


def kept(db: Database) -> Counter[tuple[str, str]]:
    with db.read() as session:
        rows = session.execute(select(AuditEntry.actor_name, AuditEntry.subject).where(AuditEntry.action == ACTION))
        return Counter((name, subject) for name, subject in rows)


def test_one_entry_a_person_thing_and_minute(db: Database) -> None:
    for actor in (EVE, ADA):
        for subject in ("task:1", "task:2", "task:1"):
            note_refused(db, subject, actor)
    assert set(kept(db).values()) == {1}
    assert len(kept(db)) == 4
    with db.write() as session:
        earlier = utc_now() - timedelta(seconds=61)
        session.execute(
            insert(AuditEntry).values(at=earlier, actor_id=2, actor_name="eve", action=ACTION, subject="task:3")
        )
    note_refused(db, "task:3", EVE)
    assert kept(db)["eve", "task:3"] == 2


def test_a_flood_of_different_things_is_bounded_and_leaves_room_for_others(db: Database) -> None:
    for number in range(MAX_A_MINUTE + 5):
        note_refused(db, f"task:{number}", EVE)
    note_refused(db, "room:admin", ADA)
    assert sum(kept(db).values()) == MAX_A_MINUTE + 1


def test_parallel_requests_for_one_thing_leave_one_entry(db: Database, make_user: Callable[..., User]) -> None:
    eve = Actor("eve", make_user("eve").id)
    threads = [threading.Thread(target=note_refused, args=(db, "task:1", eve)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert kept(db)["eve", "task:1"] == 1


def test_nobody_to_name_and_a_database_that_does_not_answer_leave_nothing_and_raise_nothing(
    db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    note_refused(db, "task:1", COMMAND_LINE)
    assert not kept(db)
    note_refused(Database("sqlite:////no/such/place.db"), "task:1", EVE)
    assert "could not be kept" in caplog.text
