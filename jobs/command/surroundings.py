"""What a command runs in: its limits, its clean environment, its folder; and what may be told of that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from config import Config
from jobs.command.launch import CLEAN_PATH, COLUMNS, ROWS, Spec
from jobs.command.params import Plan
from jobs.command.templates import MARKER, FromFile
from tasks.errors import JobFailed

GRACE_MARGIN_S = 3.0
MAX_VARIABLE = 64 * 1024
MB = 1_000_000


def stop_grace_s(plan: Plan, config: Config) -> float:
    """The template's, as long as the job itself then has time to end before it is ended by force."""
    return min(plan.template.stop_grace_s, max(0.0, config.cancel_grace_s - GRACE_MARGIN_S))


def spec_of(plan: Plan, config: Config, task_id: str, home: Path) -> Spec:
    """What the keeper is told. Raises JobFailed for a variable whose file cannot be read."""
    limits = plan.template.limits
    asked = {
        "RLIMIT_CORE": 0,
        "RLIMIT_CPU": limits.cpu_s,
        "RLIMIT_DATA": limits.memory_mb and limits.memory_mb * MB,
        "RLIMIT_FSIZE": limits.file_mb and limits.file_mb * MB,
        "RLIMIT_NPROC": limits.processes,
        "RLIMIT_NOFILE": limits.open_files,
    }
    return Spec(
        argv=plan.argv,
        folder=plan.folder or str(home),
        environment=_environment(plan, task_id, home),
        marker=task_id,
        limits={name: value for name, value in asked.items() if value is not None},
        stop_grace_s=stop_grace_s(plan, config),
        new_privileges=plan.template.new_privileges,
    )


def about(plan: Plan) -> dict[str, Any]:
    """What the page says of it; values of variables are nobody's business."""
    template = plan.template
    limits = {name: value for name, value in template.limits.model_dump().items() if value is not None}
    return {
        "template": plan.name,
        "argv": [each if len(each) <= 500 else f"{each[:499]}…" for each in plan.argv[:100]],
        "folder": plan.folder or "",
        "variables": list(template.environment),
        "limits": limits,
        "timeout_s": template.timeout_s,
        "output_mb": template.output_mb,
        "terminal": f"{COLUMNS} × {ROWS}",
    }


def _environment(plan: Plan, task_id: str, home: Path) -> dict[str, str]:
    """Nothing of this server's own: a fixed beginning, and what the template says."""
    variables = {
        "PATH": CLEAN_PATH,
        "LANG": "C.UTF-8",
        "HOME": str(home),
        "TMPDIR": str(home),
        "TERM": "xterm-256color",
        "LINES": str(ROWS),
        "COLUMNS": str(COLUMNS),
        MARKER: task_id,
    }
    for name, value in plan.template.environment.items():
        variables[name] = _content(name, value.file) if isinstance(value, FromFile) else value
    return variables


def _content(name: str, file: str) -> str:
    try:
        with Path(file).open("rb") as opened:
            text = opened.read(MAX_VARIABLE).decode().strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise JobFailed(f"The file for the variable {name} cannot be read. Ask the operator of this server.") from error
    if "\0" in text:
        raise JobFailed(f"The file for the variable {name} holds no text. Ask the operator of this server.")
    return text
