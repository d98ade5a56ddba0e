"""How this installation stands, its backups and its log. All of it is for admins: see `api.dispatch`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Literal

from flask import Response, current_app, request, send_file
from pydantic import Field

import backups
import config_report
import extensions
from accounts.audit import record
from api import reading
from api.operations import PREFIX, Call, Reply, operation
from api.parsing import Body, Query, Text, Whole
from api.task_shapes import Answer, Snapshot, Time
from config import Config
from database import rfc3339
from jobs.backup.job import KIND as BACKUP
from logs import kept_lines
from monitoring.installation import Doctor, facts, uptime_s
from tasks.errors import NotFound

DOCTOR = "taskroom_doctor"


class SettingShape(Answer):
    """One variable. Secrets are `hidden`, in addresses too."""

    name: str
    value: str
    source: Literal["variable", "file", "default"]


class FactShape(Answer):
    """One thing about the installation."""

    name: str
    value: str | None


class Installation(Answer):
    """What the installation is made of, as the web process that answers knows it."""

    settings: list[SettingShape]
    facts: list[FactShape]
    uptime_s: float


class Finding(Answer):
    """One check, and what to do where it is not `ok`."""

    name: str
    state: Literal["ok", "warn", "fail"]
    found: str
    advice: str


class Findings(Answer):
    """Every check."""

    items: list[Finding]
    checked_at: Time


class LogQuery(Query):
    """Which lines."""

    q: Text = Field(min_length=6, max_length=200, description="What a line holds: the id of a task, or a reference.")
    limit: Whole = Field(300, ge=1, le=1000)


class KeptLine(Answer):
    """One line of a process's log."""

    time: Time
    level: str
    logger: str
    message: str
    process: int
    role: str


class KeptLines(Answer):
    """The newest lines that fit, oldest first."""

    items: list[KeptLine]
    next_cursor: str | None


class BackupShape(Answer):
    """One backup on this machine. `size` is in bytes."""

    name: str
    size: int
    made_at: Time
    url: str


class BackupPage(Answer):
    """Every backup on this machine, newest first."""

    items: list[BackupShape]
    next_cursor: str | None


class NewBackup(Body):
    """How many backups stay."""

    keep: int = Field(10, ge=1, le=1000, description="The newest ones; older ones are removed.")


@operation("GET", "/admin/operations", summary="Look at the installation", tag="Admin", answer=Installation)
def show_installation(_call: Call) -> dict[str, Any]:
    """Settings with where they come from, versions, and for how long this web process runs."""
    room, config = extensions.current(), _config()
    return {
        "settings": [asdict(each) for each in config_report.described(config)],
        "facts": [asdict(each) for each in facts(config, room.database, room.redis)],
        "uptime_s": round(uptime_s(), 1),
    }


@operation("POST", "/admin/operations/doctor", summary="Check everything", tag="Admin", answer=Findings)
def check_installation(call: Call) -> dict[str, Any]:
    """What `taskroom doctor` says on the machine of this web process; takes some seconds."""
    doctor: Doctor = current_app.extensions.setdefault(DOCTOR, Doctor(_config()))
    found = doctor.look()
    _note(call, "doctor.run", "server")
    return {"items": found, "checked_at": rfc3339(doctor.checked_at)}


@operation("GET", "/admin/log", summary="Search the server's log", tag="Admin", answer=KeptLines, query=LogQuery)
def search_server_log(call: Call) -> dict[str, Any]:
    """The newest lines of web, workers and scheduler of this machine; each process keeps a megabyte or two."""
    asked: LogQuery = call.query
    _note(call, "log.read", f"log:{asked.q}")
    return {"items": extensions.offload(kept_lines, _config().log_dir, asked.q, asked.limit), "next_cursor": None}


@operation("GET", "/admin/backups", summary="List backups", tag="Admin", answer=BackupPage)
def list_backups(_call: Call) -> dict[str, Any]:
    """Those in DATA_DIR of the machine of this web process."""
    items = [
        {
            "name": each.name,
            "size": each.size,
            "made_at": rfc3339(each.made_at),
            "url": f"{PREFIX}/admin/backups/{each.name}",
        }
        for each in backups.kept_backups(_config().backup_dir)
    ]
    return {"items": items, "next_cursor": None}


@operation(
    "POST",
    "/admin/backups",
    summary="Back up now",
    tag="Admin",
    status=202,
    answer=Snapshot,
    answer_headers={"Location": "The address of the task."},
    body=NewBackup,
    body_required=False,
    refuses=(409,),
)
def start_backup(call: Call) -> Reply:
    """Starts a task that copies the database and checks the copy. 409 while one runs."""
    task_id, _ = reading.commands().submit(call.identity, BACKUP, {"keep": call.body.keep}, address=request.remote_addr)
    _note(call, "backup.started", f"task:{task_id}")
    return Reply(reading.snapshot(call.identity, task_id), {"Location": f"{PREFIX}/tasks/{task_id}"})


@operation(
    "GET",
    "/admin/backups/{backup}",
    summary="Download a backup",
    tag="Admin",
    media_type="application/octet-stream",
)
def download_backup(call: Call) -> Response:
    """The whole file: everything that the database holds. `taskroom db restore` puts it back."""
    name = call.path["backup"]
    file = backups.find_backup(_config().backup_dir, name)
    if file is None:
        raise NotFound("There is no such backup on this machine.")
    _note(call, "backup.downloaded", f"backup:{name}")
    return send_file(file, "application/octet-stream", as_attachment=True, download_name=name)


def _config() -> Config:
    found: Config = extensions.current().config
    return found


def _note(call: Call, action: str, subject: str) -> None:
    with reading.database().write() as session:
        record(session, action, subject, call.actor)
