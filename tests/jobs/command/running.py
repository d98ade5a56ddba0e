"""Runs the command job on real processes and a real database, with a context that keeps what it is told."""

from __future__ import annotations

import sys
import tempfile
import textwrap
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from config import Config
from jobs.command.job import command
from jobs.command.params import CommandParams, check_params
from tasks.errors import Cancelled

PYTHON = sys.executable


class Recorder:
    """Stands where a JobContext stands. `on_report` is called at each look for a cancel, to cancel in the midst."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.task_id = str(uuid.uuid4())
        self.attempt = 1
        self.work_dir = Path(tempfile.mkdtemp(prefix="work-", dir=config.data_dir))
        self.is_cancelled = False
        self.on_report: Callable[[Recorder], None] = lambda _: None
        self.details: dict[str, Any] = {}
        self.seen: list[dict[str, Any]] = []
        self.progress: list[tuple[float | None, float | None]] = []
        self.unit: str | None = None
        self.lines: list[tuple[str, str]] = []
        self.files: dict[str, bytes] = {}

    def check_cancelled(self) -> None:
        self.on_report(self)
        if self.is_cancelled:
            raise Cancelled

    def phase(self, name: str, total: float | None = None, unit: str | None = None) -> None:
        self.unit = unit

    def set_total(self, total: float, unit: str | None = None) -> None:
        self.unit = unit

    def update(
        self, done: float | None = None, total: float | None = None, step: str | None = None, **details: Any
    ) -> None:
        self.check_cancelled()
        if done is not None:
            self.progress.append((done, total))
        self.details.update(details)
        self.seen.append(dict(self.details))

    def conclude(self, **details: Any) -> None:
        self.details.update(details)

    def log(self, text: str, level: str = "info") -> None:
        self.lines.append((level, text))
        self.check_cancelled()

    def artifact(self, name: str, data: bytes, content_type: str, *, at_the_end: bool = False) -> None:
        self.files[name] = data

    @property
    def texts(self) -> list[str]:
        return [text for _, text in self.lines]


def write_commands(config: Config, **templates: str) -> None:
    """The operator's file: write_commands(config, count='argv = […]'). A name may use _ for -."""
    tables = [f"[commands.{name.replace('_', '-')}]\n{textwrap.dedent(text)}" for name, text in templates.items()]
    config.commands_file.write_text("\n".join(tables))
    config.commands_file.chmod(0o600)


def script(folder: Path, text: str, name: str = "script.py") -> Path:
    """A program that the tests' own Python runs."""
    path = folder / name
    path.write_text(f"#!{PYTHON}\n{textwrap.dedent(text)}")
    path.chmod(0o755)
    return path


def run(context: Recorder, template: str, **arguments: Any) -> dict[str, Any]:
    """Run a template and return the task's results."""
    params = check_params(CommandParams(template=template, arguments=arguments), context.config)
    return command(context, params)  # type: ignore[arg-type]


def run_script(
    config: Config, folder: Path, text: str, settings: str = "", **on: Any
) -> tuple[Recorder, dict[str, Any]]:
    """Run a Python program as a command; what the context was told, and the results."""
    context = prepared(config, folder, text, settings)
    for name, value in on.items():
        setattr(context, name, value)
    return context, run(context, "it")


def prepared(config: Config, folder: Path, text: str, settings: str = "") -> Recorder:
    """A context for which the command `it` is this Python program."""
    path = script(folder, text)
    write_commands(config, it=f'argv = ["{path}"]\n{textwrap.dedent(settings)}')
    return Recorder(config)
