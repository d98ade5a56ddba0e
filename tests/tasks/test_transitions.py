"""The database itself refuses what may not happen, whoever asks and however."""

from __future__ import annotations

from itertools import product

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tasks import journal
from tasks.journal import Line
from tasks.states import FINAL, TRANSITIONS, State

pytestmark = pytest.mark.req("C1")

WAY_TO = {
    State.QUEUED: (),
    State.RUNNING: ("running",),
    State.COMPLETED: ("running", "completed"),
    State.FAILED: ("running", "failed"),
    State.CANCELLED: ("cancelled",),
}


def _force(core, task_id: str, state: str) -> None:
    with core.database.write() as session:
        session.execute(text("UPDATE tasks SET state = :state WHERE id = :id"), {"state": state, "id": task_id})


@pytest.mark.parametrize(("old", "new"), list(product(State, State)))
def test_raw_sql_can_write_exactly_the_legal_transitions(core, old, new):
    task_id = core.submit()
    for state in WAY_TO[old]:
        _force(core, task_id, state)
    if new in TRANSITIONS[old] or new == old:
        _force(core, task_id, new)
        assert core.task(task_id).state == new
    else:
        with pytest.raises(DBAPIError, match="illegal transition"):
            _force(core, task_id, new)
        assert core.task(task_id).state == old


def test_final_states_lead_nowhere():
    assert {state for state in State if not TRANSITIONS[state]} == FINAL


@pytest.mark.parametrize("state", ["running", "completed", "paused", ""])
def test_a_task_can_only_begin_as_queued(core, state):
    task_id = core.submit()
    columns = "kind, title, params, owner_id, visibility, priority, priority_rank, attempt, max_attempts, created_at,"
    columns += "queued_at, progress, log_total, log_warnings, log_errors"
    with pytest.raises(DBAPIError, match="starts as queued"), core.database.write() as session:
        session.execute(
            text(
                f"INSERT INTO tasks (id, state, {columns}) SELECT 'other', :state, {columns} FROM tasks WHERE id = :id"
            ),
            {"state": state, "id": task_id},
        )


def test_no_state_but_the_five_can_be_written(core):
    task_id = core.submit()
    with pytest.raises(DBAPIError):
        _force(core, task_id, "paused")


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE task_log SET text = 'other'",
        "UPDATE task_log SET n = 7",
        "UPDATE task_events SET name = 'task_completed'",
        "UPDATE task_events SET data = '{}'",
        "UPDATE task_events SET id = 99",
    ],
)
def test_history_only_ever_grows(core, change):
    held = core.running()
    journal.append_lines(core.database, held, [Line(core.now(), "info", "one")])
    with pytest.raises(DBAPIError, match="append-only"), core.database.write() as session:
        session.execute(text(change))
    assert core.lines(held.task_id) == ["one"]
    assert len(core.events(held.task_id)) == 2  # queued, running
