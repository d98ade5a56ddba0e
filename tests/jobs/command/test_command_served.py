"""Commands in the whole product: listed, started, cancelled, refused and audited, while a flood stalls nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from sqlalchemy import select

from accounts import AuditEntry
from tests.fixtures.machine import wait_until
from tests.fixtures.product import Server
from tests.jobs.command.running import script
from tests.jobs.command.test_command import FAMILY, PACKAGES, running

pytestmark = [pytest.mark.slow, pytest.mark.req("B12")]

BARS = f"""
import sys, time
sys.path[:0] = {PACKAGES}
from tqdm import tqdm
for shard in tqdm(range(int(sys.argv[1])), desc="Shards", unit="shard"):
    tqdm.write(f"shard {{shard}} of <b>{{sys.argv[2]}}</b>")
    time.sleep(0.2)
"""
FLOOD = """
import sys
line = b"x" * 90 + b"\\n"
for block in range(100):
    sys.stdout.buffer.write(b"".join(b"%09d " % (block * 10_000 + n) + line for n in range(10_000)))
"""
COMMANDS = """
[commands.bars]
title = "Bars for everyone"
who = "everyone"
argv = ["{0}/bars.py", "{{shards}}", "{{name}}"]
[commands.bars.parameters.shards]
type = "integer"
min = 1
max = 99
default = 5
[commands.bars.parameters.name]
type = "pattern"
pattern = "[a-z]+"
[commands.flood]
who = "everyone"
argv = ["{0}/flood.py"]
[commands.family]
argv = ["{0}/family.py"]
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    folder = tmp_path_factory.mktemp("commands")
    for name, text in (("bars", BARS), ("flood", FLOOD), ("family", FAMILY)):
        script(folder, text, f"{name}.py")
    (folder / "commands.toml").write_text(COMMANDS.format(folder))
    (folder / "commands.toml").chmod(0o600)
    server = Server(
        {
            "COMMANDS_FILE": str(folder / "commands.toml"),
            "FREE_COMMANDS": "admins",
            "WORKERS": "1",
            "CANCEL_GRACE_SECONDS": "4",
            "LEASE_SECONDS": "4",
        }
    )
    server.start()
    yield server, folder
    server.remove()


def begin(server: Server, token: str, params: dict[str, Any]) -> requests.Response:
    return server.api("POST", "/api/v1/tasks", token=token, json={"kind": "command", "params": params})


def started(server: Server, token: str, **params: Any) -> str:
    answer = begin(server, token, params)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["task_id"])


def task(server: Server, token: str, task_id: str) -> dict[str, Any]:
    found: dict[str, Any] = server.api("GET", f"/api/v1/tasks/{task_id}", token=token).json()
    return found


def ended(server: Server, token: str, task_id: str) -> dict[str, Any]:
    wait_until(lambda: task(server, token, task_id)["status"] not in ("queued", "running"), 60, "the command has ended")
    return task(server, token, task_id)


@pytest.mark.req("F10", "D9", "B15")
def test_a_person_chooses_a_command_fills_its_form_and_reads_how_it_ended(served: tuple[Server, Path]) -> None:
    server, _ = served
    ada = server.person("ada")

    def page(path: str) -> str:
        return requests.get(server.url + path, headers=ada.headers, timeout=10).text

    listed = page("/start/command")
    assert "Bars for everyone" in listed
    assert "family" not in listed, "a command for admins is not shown to others"
    form = page("/start/command?p.template=bars")
    assert 'name="p.arguments.shards"' in form
    assert 'value="bars"' in form
    task_id = started(server, ada.token, template="bars", arguments={"name": "shop"})
    done = ended(server, ada.token, task_id)
    assert done["status"] == "completed", done["error"]
    assert done["results"]["exit_code"] == 0
    assert done["params"]["arguments"] == {"shards": 5, "name": "shop"}
    assert done["timeout_s"] == 3600
    shown = page(f"/tasks/{task_id}")
    assert "shard 4 of &lt;b&gt;shop&lt;/b&gt;" in shown
    assert "bars.py" in shown
    file = server.api("GET", f"/api/v1/tasks/{task_id}/artifacts/output.txt", token=ada.token)
    assert b"shard 0 of <b>shop</b>" in file.content
    assert file.headers["Content-Disposition"].startswith("attachment")


def test_what_only_admins_may_run_is_refused_to_others_and_audited(served: tuple[Server, Path]) -> None:
    server, _ = served
    ada, root = server.person("ada"), server.admin()
    for params in ({"template": "family"}, {"template": "gone"}):
        refused = begin(server, ada.token, params)
        assert refused.status_code == 422
        assert refused.json()["error"]["details"]["fields"] == {
            "template": "There is no command of this name that you may run."
        }
    assert begin(server, ada.token, {"command_line": "/bin/echo hi"}).status_code == 422
    task_id = started(server, root.token, command_line="/bin/echo 'two words' $HOME")
    assert ended(server, root.token, task_id)["status"] == "completed"
    lines = server.api("GET", f"/api/v1/tasks/{task_id}/log", token=root.token).json()["lines"]
    assert [line["text"] for line in lines] == ["two words $HOME"]
    database = server.database()
    with database.read() as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.subject == f"task:{task_id}")).one()
    database.close()
    assert (entry.action, entry.actor_name, entry.address) == ("task.started", root.username, "127.0.0.1")
    assert entry.after == {"kind": "command", "template": "", "argv": ["/bin/echo", "two words", "$HOME"]}


def test_a_flood_of_a_hundred_megabytes_stalls_nothing(served: tuple[Server, Path]) -> None:
    server, _ = served
    ada = server.person("ada")
    waits: list[float] = []
    over = threading.Event()

    def ask() -> None:
        with requests.Session() as session:
            while not over.wait(0.05):
                began_s = time.monotonic()
                assert session.get(f"{server.url}/health", timeout=30).status_code == 200
                waits.append(time.monotonic() - began_s)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        done = ended(server, ada.token, started(server, ada.token, template="flood"))
    finally:
        over.set()
        asking.join()
    assert done["status"] == "completed", done["error"]
    assert (done["results"]["lines"], done["results"]["output_bytes"]) == (1_000_000, 101_000_000)
    assert done["log_total"] < 6_000
    assert sorted(waits)[len(waits) // 2] < 0.2, "half of the answers take less than this on any machine"


@pytest.mark.req("C3")
def test_a_cancelled_family_is_gone_also_when_its_job_cannot_do_it(served: tuple[Server, Path]) -> None:
    server, folder = served
    root = server.admin()
    for is_stuck in (False, True):
        task_id = started(server, root.token, template="family")

        def has_begun(task_id: str = task_id) -> bool:
            log = server.api("GET", f"/api/v1/tasks/{task_id}/log", token=root.token).json()
            return any(line["text"] == "ready" for line in log["lines"])

        wait_until(has_begun, 30, "the family lives")
        assert len(running(folder)) >= 4
        if is_stuck:
            psutil.Process(_job_of(server)).suspend()
        assert server.api("POST", f"/api/v1/tasks/{task_id}/cancel", token=root.token, json={}).status_code == 202
        done = ended(server, root.token, task_id)
        assert (done["status"], done["forced"]) == ("cancelled", is_stuck)
        wait_until(lambda: not running(folder), 10, lambda: f"gone: {running(folder)}")


@pytest.mark.req("C5")
def test_a_killed_worker_takes_its_command_along_and_the_command_is_not_started_again(
    served: tuple[Server, Path],
) -> None:
    server, folder = served
    root = server.admin()
    task_id = started(server, root.token, template="family")
    wait_until(lambda: len(running(folder)) >= 4, 30, "the family lives")
    psutil.Process(psutil.Process(_job_of(server)).ppid()).kill()
    wait_until(lambda: not running(folder), 20, lambda: f"gone: {running(folder)}")
    done = ended(server, root.token, task_id)
    assert (done["status"], done["category"], done["attempt"]) == ("failed", "interrupted", 1)


def _job_of(server: Server) -> int:
    """The process that runs the command's job: the parent of its keeper."""
    for process in server.all_processes():
        for child in process.children():
            if any("keeper.py" in word for word in child.cmdline()):
                return process.pid
    raise AssertionError("no command runs")


def test_a_program_learns_which_commands_there_are(served: tuple[Server, Path]) -> None:
    server, _ = served
    ada, root = server.person("ada"), server.admin()
    listed = {each["name"]: each for each in server.api("GET", "/api/v1/commands", token=ada.token).json()["items"]}
    assert list(listed) == ["bars", "flood"]
    arguments = listed["bars"]["params"]["properties"]["arguments"]
    assert arguments["required"] == ["name"]
    assert arguments["properties"]["shards"]["maximum"] == 99
    everything = server.api("GET", "/api/v1/commands", token=root.token).json()["items"]
    assert [each["name"] for each in everything] == ["bars", "flood", "family"]
