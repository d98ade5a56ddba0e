"""Schedules: recipes that start tasks at the times of a cron expression."""

from __future__ import annotations

from typing import Any

import extensions
from api import reading
from api.operations import PREFIX, Call, Reply, operation
from api.schedule_shapes import (
    ChangeSchedule,
    CronQuestion,
    NewSchedule,
    ReadCron,
    RunPage,
    RunQuery,
    ScheduleFilters,
    SchedulePage,
    ScheduleShape,
)
from api.task_shapes import Snapshot
from database import rfc3339, utc_now
from tasks import listing
from tasks.cron import Cron
from tasks.errors import NotFound
from tasks.schedules import recipes
from tasks.schedules.recipes import NEXT_TIMES, Schedules

ONE = "/schedules/{schedule_id}"


@operation(
    "GET",
    "/schedules",
    summary="List schedules",
    tag="Schedules",
    answer=SchedulePage,
    query=ScheduleFilters,
    refuses=(400,),
)
def list_schedules(call: Call) -> dict[str, Any]:
    """The schedules that you may see, newest first."""
    asked: ScheduleFilters = call.query
    filters = recipes.Filters(asked.kind or None, asked.active, asked.status or None, asked.q or None, asked.mine)
    with reading.database().read() as session:
        items, cursor = recipes.listed(session, call.identity, filters, asked.cursor or None, asked.limit)
    return {"items": items, "next_cursor": cursor}


@operation(
    "POST",
    "/schedules",
    summary="Make a schedule",
    tag="Schedules",
    status=201,
    answer=ScheduleShape,
    answer_headers={"Location": "The address of the schedule."},
    body=NewSchedule,
    refuses=(404,),
)
def create_schedule(call: Call) -> Reply:
    """Its parameters are checked like those of a task that starts now; wrong ones are named `params.<field>`."""
    made = _schedules().create(call.identity, call.body.model_dump(exclude_none=True), call.actor)
    return Reply(made, {"Location": f"{PREFIX}/schedules/{made['id']}"})


@operation("GET", ONE, summary="Look at one schedule", tag="Schedules", answer=ScheduleShape)
def show_schedule(call: Call) -> dict[str, Any]:
    """With its next five times, and what became of the last."""
    with reading.database().read() as session:
        schedule, owner = recipes.find(session, _id(call), call.identity)
        return recipes.shown(session, schedule, owner, utc_now())


@operation("PATCH", ONE, summary="Change a schedule", tag="Schedules", answer=ScheduleShape, body=ChangeSchedule)
def change_schedule(call: Call) -> dict[str, Any]:
    """What is left out stays. `active: false` pauses it."""
    return _schedules().change(call.identity, _id(call), call.body.model_dump(exclude_none=True), call.actor)


@operation("DELETE", ONE, summary="Remove a schedule", tag="Schedules", answer=ScheduleShape)
def remove_schedule(call: Call) -> dict[str, Any]:
    """Answers what it was. Its tasks stay."""
    return _schedules().remove(call.identity, _id(call), call.actor)


@operation(
    "POST",
    f"{ONE}/run",
    summary="Run a schedule now",
    tag="Schedules",
    status=202,
    answer=Snapshot,
    answer_headers={"Location": "The address of the task."},
    refuses=(409, 422),
)
def run_schedule(call: Call) -> Reply:
    """Starts its task, as its owner's, beside its times. Refused while one of its tasks waits or runs."""
    task_id = _schedules().run_now(call.identity, _id(call), call.actor)
    return Reply(reading.snapshot(call.identity, task_id), {"Location": f"{PREFIX}/tasks/{task_id}"})


@operation(
    "GET",
    f"{ONE}/runs",
    summary="See a schedule's tasks",
    tag="Schedules",
    answer=RunPage,
    query=RunQuery,
    refuses=(400,),
)
def list_schedule_runs(call: Call) -> dict[str, Any]:
    """Those that you may see, newest first."""
    asked: RunQuery = call.query
    with reading.database().read() as session:
        schedule, _ = recipes.find(session, _id(call), call.identity)
        filters = listing.Filters(schedule_id=schedule.id)
        items, cursor = reading.list_snapshots(session, call.identity, filters, asked.cursor or None, asked.limit)
    return {"items": items, "next_cursor": cursor}


@operation(
    "GET",
    "/cron",
    summary="Read a cron expression",
    tag="Schedules",
    answer=ReadCron,
    query=CronQuestion,
)
def read_cron(call: Call) -> dict[str, Any]:
    """In words, with its next five times: for a form, while it is filled in."""
    asked: CronQuestion = call.query
    cron = Cron.parse(asked.cron, asked.timezone)
    times = [rfc3339(each) for each in cron.first(NEXT_TIMES, utc_now())]
    return {"cron": cron.expression, "timezone": cron.zone.key, "reading": cron.reading, "next_times": times}


def _schedules() -> Schedules:
    room = extensions.current()
    return Schedules(room.database, room.tasks)


def _id(call: Call) -> str:
    text = call.path["schedule_id"].lower()
    if not reading.UUID.fullmatch(text):
        raise NotFound("There is no such schedule, or you may not see it.")
    return text
