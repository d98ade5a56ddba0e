"""Commands as people see them: which there are, the form of one, what runs and what is left of it.

What a page shows of a run is what the job has told (`details`), not what the operator's file says by now.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from accounts import Identity
from config import Config, ConfigError
from jobs.command.params import form_schema, free_schema, shown_argv
from jobs.command.templates import Template, commands
from jobs.command.words import processes
from pages import format as words
from pages import reading, start
from pages.progress import Snapshot
from pages.results import register_results
from tasks import store

TAIL = 20
LIMIT_WORDS = {
    "cpu_s": "{:,} s of CPU time a process",
    "memory_mb": "{:,} MB of memory",
    "file_mb": "files up to {:,} MB",
    "processes": "{:,} processes",
    "open_files": "{:,} open files a process",
}
EXAMPLE = """\
[commands.disk-usage]
title = "Disk usage"
description = "How much the folders below a project take"
who = "everyone"
argv = ["/usr/bin/du", "--max-depth={depth}", "--human-readable", "{project}"]
timeout_s = 600

[commands.disk-usage.parameters.project]
type = "path"
title = "Project"

[commands.disk-usage.parameters.depth]
type = "integer"
min = 0
max = 5
default = 1
"""


def register() -> None:
    """Give commands their forms and their pages."""
    start.register_own_form("command", own_form)
    register_results("command", context=context, styles=["command"], scripts=["command"], always=True)


# Starting


def own_form(asked: Mapping[str, str], identity: Identity) -> start.OwnForm:
    """The form of the command that `asked` names, or the list of those that this person may run."""
    config = reading.config()
    try:
        templates = {
            name: each
            for name, each in commands(config).templates.items()
            if identity.is_admin or each.who == "everyone"
        }
    except ConfigError as error:
        return _list({}, config, identity, str(error))
    name = asked.get("p.template", "")
    may_be_free = identity.is_admin and config.free_commands
    if name in templates:
        return start.OwnForm(
            schema=form_schema(name, templates[name]),
            title=templates[name].title or name,
            text=templates[name].description,
            about={"template": _card(name, templates[name])},
        )
    if may_be_free and ("p.command_line" in asked or asked.get("free")):
        text = "The program runs without a shell, and the audit log keeps what was started."
        return start.OwnForm(schema=free_schema(), title="A command line", text=text)
    return _list(templates, config, identity, unknown=name[:64])


def _list(
    templates: Mapping[str, Template], config: Config, identity: Identity, mistake: str = "", unknown: str = ""
) -> start.OwnForm:
    return start.OwnForm(
        template="pages/start_command.html",
        about={
            "cards": [_card(name, each) for name, each in templates.items()],
            "file": str(config.commands_file),
            "example": EXAMPLE,
            "mistake": mistake,
            "unknown": unknown,
            "is_admin": identity.is_admin,
            "may_be_free": identity.is_admin and config.free_commands,
        },
    )


def _card(name: str, template: Template) -> dict[str, Any]:
    return {
        "name": name,
        "title": template.title or name,
        "text": template.description,
        "href": "/start/command?" + urlencode({"p.template": name}),
        "lines": argv_lines(shown_argv(template), quote=False),
        "who": template.who,
        "folder": template.folder or "",
        "variables": list(template.environment),
        "limits": _limits(template.limits.model_dump()),
        "limit": words.limit(template.timeout_s),
    }


# What runs, and what is left


def context(task: Snapshot, tab: str, args: Mapping[str, str]) -> dict[str, Any]:  # noqa: ARG001
    """The variables of results/command*.html. `run` is empty until the command has been started."""
    details = task.get("details") or {}
    run = details.get("run") or {}
    return {
        "run": _run(run) if run else None,
        "rows": details.get("rows") or [],
        "bars": [_bar(each) for each in details.get("bars") or [] if not each.get("is_whole")],
        "tree": details.get("tree") or [],
        "files": _files(task),
        "verdict": _verdict(task),
        "tail": _tail(task),
    }


def _run(run: Mapping[str, Any]) -> dict[str, Any]:
    argv = [str(each) for each in run.get("argv") or []]
    template = run.get("template") or ""
    return {
        "lines": argv_lines(argv),
        "copied": shlex.join(argv),
        "template": template,
        "href": "/start/command?" + urlencode({"p.template": template}) if template else "",
        "folder": run.get("folder") or "",
        "variables": run.get("variables") or [],
        "limits": _limits(run.get("limits") or {}),
        "limit": words.limit(run.get("timeout_s")),
        "terminal": run.get("terminal") or "",
        "output_mb": run.get("output_mb"),
    }


def argv_lines(argv: Sequence[str], quote: bool = True) -> list[str]:
    """The arguments a line each, an option and its value together; ready for a shell where they are quoted."""
    lines: list[str] = []
    takes_value = False
    for element in argv:
        word = shlex.quote(element) if quote else element
        is_option = element.startswith("-")
        if takes_value and not is_option:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
        takes_value = is_option and "=" not in element and len(lines) > 1
    return lines


def _limits(limits: Mapping[str, Any]) -> list[str]:
    return [text.format(limits[name]) for name, text in LIMIT_WORDS.items() if words.is_known(limits.get(name))]


def _bar(bar: Mapping[str, Any]) -> dict[str, Any]:
    """A bar as the command printed it, in words. command.js says the same."""
    percent = bar.get("percent")
    counted = bar.get("unit") != "%"
    amount = words.amount(bar.get("done"), bar.get("total"), bar.get("unit")) if counted else ""
    rest = [bar.get("rate"), f"{bar['left']} left" if bar.get("left") not in (None, "", "?") else ""]
    known = words.is_known(percent)
    return {
        "label": bar.get("label") or "",
        "width": f"{percent:.4g}%" if known else "0%",
        "percent": words.percent(percent),
        "value": f"{percent:.4g}" if known else None,
        "text": f"{words.percent_number(percent)} percent" if known else "Total not known yet",
        "words": ", ".join(part for part in (amount, *rest) if part),
    }


def _files(task: Snapshot) -> list[dict[str, str]]:
    with reading.database().read() as session:
        found, _ = store.load_task(session, task["task_id"]) or (None, "")
        names = store.artifact_names(session, found) if found is not None else []
    base = f"/api/v1/tasks/{task['task_id']}/artifacts"
    return [{"name": name, "href": f"{base}/{name}", "size": words.size(size)} for name, _, size in names]


def _verdict(task: Snapshot) -> dict[str, str] | None:
    """What there is to say of a command that completed, besides that it did."""
    results = task.get("results") or {}
    code, left = results.get("exit_code"), results.get("left_behind") or 0
    said = []
    if code:
        said.append(f"Its template counts exit code {code} as a success.")
    if left:
        said.append(f"It left {processes(left)} behind; {'it was' if left == 1 else 'they were'} ended.")
    return {"sentence": f"exit {code}.", "text": " ".join(said)} if said else None


def _tail(task: Snapshot) -> list[str]:
    """The last lines of the log, once there are results to show them beside."""
    if not task.get("results"):
        return []
    with reading.database().read() as session:
        found = store.load_task(session, task["task_id"])
        lines = list(store.last_log_lines(session, found[0], TAIL)) if found else []
    return [str(line["text"]) for line in lines]
