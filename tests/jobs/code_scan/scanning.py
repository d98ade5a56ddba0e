"""Runs the code scan job on real folders and a real database, with a context that keeps what it is told."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from config import Config
from database import Database
from jobs.code_scan.job import code_scan
from jobs.code_scan.params import CodeScanParams, check_params
from tasks.errors import Cancelled

SERVICE = """\
import sqlalchemy


class Stock:
    def __init__(self, session: sqlalchemy.orm.Session) -> None:
        self.session = session

    def move(self, unit):
        self.session.execute(sqlalchemy.text("UPDATE stock_unit SET place = 1"))
        return self.find(unit)

    def find(self, unit):
        return self.session.execute(sqlalchemy.text("SELECT id FROM stock_unit")).all()
"""
APP = """\
from flask import Flask, request

app = Flask(__name__)


@app.route("/stock", methods=["POST"])
def move_stock():
    with open("/var/spool/moves.log", "w") as spool:
        spool.write("moved")
    return {}
"""


class Recorder:
    """Stands where a JobContext stands. `on_report` is called at each report, to cancel in the midst of things."""

    def __init__(self, config: Config, database: Database, task_id: str | None = None) -> None:
        self.config = config
        self.database = database
        self.task_id = task_id or str(uuid.uuid4())
        self.attempt = 1
        self.work_dir = Path(tempfile.mkdtemp(prefix="work-", dir=config.data_dir))
        self.is_cancelled = False
        self.on_report: Callable[[Recorder], None] = lambda _: None
        self.phases: list[str] = []
        self.totals: dict[str, float | None] = {}
        self.done: dict[str, float] = {}
        self.details: dict[str, Any] = {}
        self.lines: list[tuple[str, str]] = []
        self.notes: dict[str, str] = {}

    def check_cancelled(self) -> None:
        self.on_report(self)
        if self.is_cancelled:
            raise Cancelled

    def phase(self, name: str, total: float | None = None, unit: str | None = None) -> None:
        self.check_cancelled()
        self.phases.append(name)
        self.totals[name], self.done[name] = total, 0

    def phase_note(self, words: str) -> None:
        self.notes[self.phases[-1]] = words

    def set_total(self, total: float, unit: str | None = None) -> None:
        self.totals[self.phases[-1]] = total

    def advance(self, n: float = 1, step: str | None = None, **details: Any) -> None:
        self.check_cancelled()
        self.done[self.phases[-1]] += n
        self.details.update(details)

    def update(self, done: float | None = None, step: str | None = None, **details: Any) -> None:
        self.check_cancelled()
        if done is not None:
            self.done[self.phases[-1]] = done
        self.details.update(details)

    def log(self, text: str, level: str = "info") -> None:
        self.lines.append((level, text))


def scan(context: Recorder, folder: Path, **params: Any) -> dict[str, Any]:
    """Scan a folder and return the task's results."""
    checked = check_params(CodeScanParams(repository_path=str(folder), **params), context.config)
    return code_scan(context, checked)  # type: ignore[arg-type]


def write(folder: Path, files: dict[str, str | bytes]) -> Path:
    """Write files below a folder, which is made."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder
