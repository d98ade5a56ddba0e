"""How this installation stands: doctor's checks, backups, log lines of one task, settings and what it is made of."""

from __future__ import annotations

from typing import Any

from flask import current_app, redirect, render_template, request, send_file
from flask_login import current_user
from werkzeug.wrappers import Response

import backups
import config_report
import extensions
from accounts.audit import record
from admin import asked
from admin.frame import blueprint
from config import Config
from database import rfc3339, utc_now
from jobs.backup.job import KIND as BACKUP
from logs import kept_lines
from monitoring.installation import Doctor, facts, uptime_s
from tasks import words
from tasks.errors import Conflict, NotFound

PAGE = "/admin/operations"
DOCTOR = "taskroom_doctor"
MOST_LINES = 300
SHORTEST_SEARCH = 6
BADGES = {"ok": "completed", "warn": "silent", "fail": "failed"}


@blueprint.get("/operations")
def operations_page() -> str:
    """Everything that is known without asking for more; with `?log=` the lines that hold these words."""
    return _page()


@blueprint.post("/operations/doctor")
def run_doctor() -> str:
    """Make the checks now, and show what they found."""
    _doctor().look()
    _note("doctor.run", "server")
    return _page()


@blueprint.post("/operations/backup")
def back_up() -> Response:
    """Begin a backup, and go to its page; where one runs already, to that."""
    try:
        task_id, _ = extensions.current().tasks.submit(current_user.identity, BACKUP, {}, address=request.remote_addr)
    except Conflict as error:
        if not (error.details and "task_id" in error.details):
            raise
        return redirect(f"/tasks/{error.details['task_id']}", code=303)
    _note("backup.started", f"task:{task_id}")
    return redirect(f"/tasks/{task_id}", code=303)


@blueprint.get("/operations/backups/<name>")
def download_backup(name: str) -> Response:
    """One backup as a download."""
    file = backups.find_backup(_config().backup_dir, name)
    if file is None:
        raise NotFound("There is no such backup on this machine.")
    _note("backup.downloaded", f"backup:{name}")
    return send_file(file, "application/octet-stream", as_attachment=True, download_name=name)


def _page() -> str:
    room, config, now, text = extensions.current(), _config(), utc_now(), asked.words("log")
    doctor = _doctor()
    return render_template(
        "admin/operations.html",
        facts=facts(config, room.database, room.redis),
        uptime=words.duration(uptime_s() * 1000),
        settings=config_report.described(config),
        findings=[{**each, "icon": BADGES.get(each["state"], "unsure")} for each in doctor.findings],
        checked_at=rfc3339(doctor.checked_at),
        backups=backups.kept_backups(config.backup_dir),
        now=now,
        text=text,
        lines=_lines(text),
        most_lines=MOST_LINES,
        too_short=bool(text) and len(text) < SHORTEST_SEARCH,
        age=lambda moment: words.duration((now - moment).total_seconds() * 1000),
    )


def _lines(text: str) -> list[dict[str, Any]] | None:
    """The kept lines that hold these words; None where nothing, or too little, is asked for."""
    if len(text) < SHORTEST_SEARCH:
        return None
    _note("log.read", f"log:{text}")
    return extensions.offload(kept_lines, _config().log_dir, text, MOST_LINES)


def _doctor() -> Doctor:
    found: Doctor = current_app.extensions.setdefault(DOCTOR, Doctor(_config()))
    return found


def _config() -> Config:
    found: Config = extensions.current().config
    return found


def _note(action: str, subject: str) -> None:
    with asked.database().write() as session:
        record(session, action, subject, asked.actor())
