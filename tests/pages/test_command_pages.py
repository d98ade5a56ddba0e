"""Commands without JavaScript: the list, the form of one, the page while it runs, and how it ended."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from config import Config
from tasks.lifecycle import initial_phases
from tasks.models import Artifact, Task
from tasks.registry import find_job
from tasks.service import Tasks
from tests.jobs.command.running import write_commands
from tests.pages.html_checks import Page, faults
from tests.pages.task_app import House

pytestmark = pytest.mark.req("B12", "F10")
PATH = "/start/command"
INDEX = """
title = "Rebuild <the> index"
description = "Writes every shard anew"
who = "everyone"
argv = ["/usr/bin/env", "--source", "{source}", "--shards={shards}", "{project}", "{verbose}"]
timeout_s = 1800
[commands.index.parameters.source]
type = "enum"
values = ["snapshot", "live"]
labels = { snapshot = "Newest snapshot" }
default = "snapshot"
[commands.index.parameters.shards]
type = "integer"
min = 1
max = 64
default = 12
unit = "shards"
[commands.index.parameters.project]
type = "path"
[commands.index.parameters.verbose]
type = "switch"
flag = "--verbose"
"""
RUN = {
    "template": "index", "argv": ["/usr/bin/env", "--source", "<b>live</b>", "two words"], "folder": "",
    "variables": ["TOKEN"], "limits": {"memory_mb": 2000}, "timeout_s": 1800, "output_mb": 8, "terminal": "120 × 32",
}  # fmt: skip
BARS = [
    {
        "label": "Shards", "is_whole": True, "percent": 58.3, "done": 7, "total": 12,
        "unit": "shards", "rate": "41.1s/shard", "left": "03:25",
    },
    {
        "label": "<i>shard-08", "percent": 42.9, "done": 41208, "total": 96000,
        "unit": "docs", "rate": "2,328docs/s", "left": "00:23",
    },
]  # fmt: skip


@pytest.fixture
def config(config: Config, tmp_path: Path) -> Config:
    (tmp_path / "shop").mkdir()
    write_commands(config, index=INDEX, secret='argv = ["/bin/true"]')
    return config


def shown(html: str) -> Page:
    assert faults(html) == []
    return Page(html)


def words(page: Page) -> str:
    return " ".join(" ".join(page.text).split())


def test_everybody_sees_the_commands_that_they_may_run(house: House) -> None:
    mine, theirs = words(shown(house.get(PATH).text)), words(shown(house.get(PATH, "ada").text))
    assert "Rebuild <the> index" in mine
    assert "--source ‹source› --shards=‹shards› ‹project/› [--verbose]" in mine
    assert "secret" not in mine
    assert "secret admins only" in theirs
    for name in ("secret", "gone"):
        for answer in (house.get(f"{PATH}?p.template={name}"), house.post(PATH, {"form": "1", "p.template": name})):
            assert f"There is no command “{name}” that you may run." in words(shown(answer.text))


@pytest.mark.req("D10")
def test_what_the_operator_has_to_do_is_told_to_admins_alone(house: House, config: Config) -> None:
    write_commands(config, index=INDEX.replace("1800", "0"))
    page = words(shown(house.get(PATH, "ada").text))
    assert f"{config.commands_file}: template index: timeout_s: expected greater than or equal to 1, got 0" in page
    others = house.get(PATH).text
    assert "Ask the operator of this server to mend it." in words(shown(others))
    assert str(config.commands_file) not in others
    config.commands_file.unlink()
    page = words(shown(house.get(PATH, "ada").text))
    assert str(config.commands_file) in page
    assert "[commands.disk-usage]" in page
    others = house.get(PATH).text
    assert "No commands are defined" in words(shown(others))
    assert str(config.commands_file) not in others


def test_each_parameter_is_a_field_and_what_is_wrong_is_said_there(house: House, tmp_path: Path) -> None:
    page = shown(house.get(f"{PATH}?p.template=index&p.arguments.shards=7").text)
    fields = {each["data-field"]: each.get("data-default") for _, each in page.elements if "data-field" in each}
    assert list(fields)[:5] == [
        "template", "arguments.source", "arguments.shards", "arguments.project", "arguments.verbose",
    ]  # fmt: skip
    assert fields["arguments.shards"] == "12"
    assert page.find("input", name="p.template")[0]["value"] == "index"
    assert page.find("input", name="p.arguments.shards")[0]["value"] == "7"
    assert "-p 'arguments={\"shards\": 7}'" in words(page)
    sent = {"form": "1", "p.template": "index", "p.arguments.source": "live", "p.arguments.shards": "65"}
    answer = house.post(PATH, sent | {"p.arguments.project": "../<b>"})
    page = shown(answer.text)
    assert answer.status_code == 422
    assert "Give a whole number from 1 to 64." in words(page)
    assert page.find("input", name="p.arguments.project")[0]["value"] == "../<b>"
    assert "checked" in page.find("input", name="p.arguments.source", value="live")[0]
    done = house.post(
        PATH, sent | {"p.arguments.shards": "3", "p.arguments.project": "shop", "p.arguments.verbose": "true"}
    )
    assert done.status_code == 303
    with house.database.read() as session:
        task = session.get_one(Task, done.headers["Location"].rsplit("/", 1)[-1])
    assert task.params["arguments"] == {"source": "live", "shards": 3, "project": "shop", "verbose": True}
    assert (task.timeout_s, task.title) == (1800, "index")


def test_command_lines_have_a_form_for_admins_where_they_are_on(house: House) -> None:
    assert "Type a command line" not in house.get(PATH, "ada").text
    assert "p.command_line" not in house.get(f"{PATH}?free=1", "ada").text
    room = house.app.extensions["taskroom"]
    room.config = replace(room.config, free_commands=True)
    room.tasks = Tasks(room.config, house.database, room.tasks._announcer, room.tasks._queue)
    assert "Type a command line" in house.get(PATH, "ada").text
    assert shown(house.get(f"{PATH}?free=1", "ada").text).find("textarea", name="p.command_line")
    assert "p.command_line" not in house.get(f"{PATH}?free=1").text
    answer = house.post(PATH, {"form": "1", "p.command_line": "rm -rf /"}, "ada")
    assert answer.status_code == 422
    assert "Begin with the whole path of a program" in words(shown(answer.text))
    assert house.post(PATH, {"form": "1", "p.command_line": "/bin/echo hi"}, "ada").status_code == 303


def command(house: House, state: str, **fields: Any) -> str:
    details = {"run": RUN, "lines": 2061, "processes": 6, "exit_code": None} | fields.pop("details", {})
    phases = initial_phases(find_job("command"))
    progress = {"phase": "run", "phases": phases, "progress_percent": 58.3, "details": details}
    return house.task(state, kind="command", title="index", params={"template": "index"}, progress=progress, **fields)


@pytest.mark.req("D9")
def test_a_running_command_shows_its_bars_its_rows_and_its_processes_from_the_first_paint(house: House) -> None:
    tree = [{"pid": 40117, "depth": 0, "name": "<u>env", "cpu": 97, "memory": "48.0 MB"}]
    rows = ["Shards: 58%|███ | 7/12", "<script>alert(1)</script>"]
    html = house.get(f"/tasks/{command(house, 'running', details={'bars': BARS, 'rows': rows, 'tree': tree})}").text
    page = shown(html)
    text = words(page)
    assert "--source '<b>live</b>' 'two words'" in text
    assert "TOKEN=•••" in text
    assert "2,000 MB of memory" in text
    assert "<i>shard-08 42.9 % 41,208 of 96,000 docs, 2,328docs/s, 00:23 left" in text
    assert "now <script>alert(1)</script>" in text
    assert "40117 <u>env 97 % 48.0 MB" in text
    assert "a cancel ends all 6" in text
    assert "<script>alert" not in html


def test_a_failed_command_shows_what_ran_and_leads_to_its_output(house: House) -> None:
    error = "The command ended with exit code 3. Its last line: “Not enough disk”"
    task_id = command(house, "failed", error=error, details={"exit_code": 3})
    page = words(shown(house.get(f"/tasks/{task_id}").text))
    assert "Not enough disk" in page
    assert "Exit code 3" in page
    assert "ended by force before its output could be kept" in page
    with house.database.write() as session:
        session.add(
            Artifact(
                task_id=task_id, name="output.txt", content_type="text/plain", size=5, content=b"hello",
                created_at=session.get_one(Task, task_id).created_at,
            )
        )  # fmt: skip
    page = shown(house.get(f"/tasks/{task_id}").text)
    assert page.find("a", href=f"/api/v1/tasks/{task_id}/artifacts/output.txt")


@pytest.mark.req("B15")
def test_a_completed_command_shows_its_last_lines_and_what_is_worth_saying(house: House) -> None:
    results = {
        "exit_code": 3, "signal": None, "lines": 1_000_000, "duration_ms": 494_000, "output_bytes": 101_000_000,
        "output_left_out_bytes": 93_000_000, "log_left_out_lines": 994_500, "left_behind": 1, "cpu_s": 1.2,
    }  # fmt: skip
    task_id = command(house, "completed", results=results, log=[("info", f"line {n}") for n in range(40)])
    text = words(shown(house.get(f"/tasks/{task_id}").text))
    assert "Its template counts exit code 3 as a success. It left 1 process behind; it was ended." in text
    assert "93.0 MB in between are not kept. The log has the first lines and the last; 994,500 lines in between" in text
    assert "line 39" in text
    assert "line 19 " not in text
