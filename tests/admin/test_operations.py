"""Operations: settings without secrets, doctor as a page, backups as tasks, and the log of one task."""

from __future__ import annotations

import logging
import re
import sqlite3
import stat
from pathlib import Path

import orjson
import pytest
from sqlalchemy import select

import backups
import config_report
from accounts import AuditEntry
from config import GIVEN, Config
from config_report import HIDDEN, described, masked
from database import utc_now
from logs import KEPT_FILES, KeptLines, kept_lines
from tests.admin.conftest import Desk
from tests.api.room import Room
from tests.fixtures.machine import ROOT, wait_until
from tests.fixtures.product import Server

PASSWORDS = {
    "DATABASE_URL": "postgresql://ada:pw-of-sql@db.example/taskroom?sslpassword=pw-of-tls",
    "REDIS_URL": "rediss://:pw-of-redis@redis.example:6380/0",
    "SMTP_URL": "smtps://ada:pw-of-mail@mail.example",
    "MAIL_FROM": "taskroom@example.org",
    "PUBLIC_URL": "https://tasks.example.org",
    "CAPTION_OPENAI_KEY": "pw-of-captions",
}


@pytest.mark.req("H8", "D13")
def test_settings_name_their_source_and_no_secret(tmp_path: Path) -> None:
    key = "jD8sK2lQ9xVb4Nw7Zt3Yc6Ra1Ue5Hf0GmPo"
    config = Config.from_env({"DATA_DIR": str(tmp_path), "SECRET_KEY": key, "WORKERS": "3", **PASSWORDS})
    shown = {each.name: each for each in described(config)}
    text = str(shown)
    assert "pw-of" not in text
    assert key not in text
    assert "db.example" in shown["DATABASE_URL"].value
    assert (shown["SECRET_KEY"].value, shown["SECRET_KEY"].source) == (HIDDEN, "variable")
    assert (shown["WORKERS"].value, shown["WORKERS"].source) == ("3", "variable")
    assert (shown["PORT"].value, shown["PORT"].source) == ("8080", "default")
    own = {each.name: each.source for each in described(Config.from_env({"DATA_DIR": str(tmp_path)}))}
    assert own["SECRET_KEY"] == "file"


@pytest.mark.req("H8")
def test_a_child_process_knows_what_was_given_to_its_parent(tmp_path: Path) -> None:
    parent = Config.from_env({"DATA_DIR": str(tmp_path), "PORT": "9"})
    told = {name: value for name, value in parent.environment().items() if name in (*config_report.VARIABLES, GIVEN)}
    child = Config.from_env(told)
    assert child.given == parent.given == {"DATA_DIR", "PORT"}


@pytest.mark.req("H8", "D13")
@pytest.mark.parametrize(
    "address", ["redis://:secret@h/0", "postgresql://u:secret@h/d", "https://h/?token=secret&a=1", "x://u:se@cret@h"]
)
def test_passwords_in_addresses_are_hidden_wherever_they_stand(address: str) -> None:
    assert "secret" not in masked(address)
    assert "cret@" not in masked(address)


@pytest.mark.req("H8", "I5")
def test_every_documented_variable_is_described_and_no_other() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    documented = {name for cell in rows for name in re.findall(r"`([A-Z_]+)`", cell)}
    assert documented - {"TASKROOM_URL", "TASKROOM_TOKEN"} == set(config_report.VARIABLES)


# Log lines

TASK = "0b7bd0a2-3f0c-4a53-9a6f-0d5a3d1c7e11"


@pytest.mark.req("H8")
def test_lines_of_one_task_are_found_in_the_files_of_all_processes_in_order(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    log = logging.Logger("taskroom.tests")
    for role in ("web", "worker"):
        handler = KeptLines(folder, role)
        log.handlers = [handler]
        log.info("task %s: %s", TASK, role)
        log.info("another task")
        try:
            raise ValueError("with\na trace")
        except ValueError:
            log.exception("task %s broke\nin two lines", TASK)
        handler.close()
    found = kept_lines(folder, TASK)
    assert [line["time"] for line in found] == sorted(line["time"] for line in found)
    of_web = [line for line in found if line["role"] == "web"]
    assert [line["level"] for line in of_web] == ["info", "error"]
    assert [line["level"] for line in found if line["role"] == "worker"] == ["info", "error"]
    assert of_web[1]["message"] == f"task {TASK} broke\\nin two lines"
    assert "ValueError: with" in of_web[1]["trace"]
    assert len(kept_lines(folder, TASK, most=2)) == 2
    (folder / "torn.jsonl").write_bytes(b'{"time": "' + TASK.encode() + b"\n\xff\xfe\n")
    assert len(kept_lines(folder, TASK)) == 4
    assert kept_lines(tmp_path / "none", TASK) == []


@pytest.mark.req("H8")
def test_what_is_kept_of_logs_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("logs.KEPT_BYTES", 2_000)
    for number in range(KEPT_FILES + 5):
        (tmp_path / f"old-{number}.jsonl").write_text("{}\n")
    handler = KeptLines(tmp_path, "web")
    log = logging.Logger("taskroom.tests")
    log.addHandler(handler)
    for number in range(100):
        log.info("line %d", number)
    handler.close()
    files = list(tmp_path.glob("*.jsonl*"))
    assert len(files) <= KEPT_FILES + 1
    assert sum(file.stat().st_size for file in files if file.name.startswith("web")) < 5_000
    assert kept_lines(tmp_path, "line 99")


# Backups


@pytest.mark.req("H8")
def test_backups_are_listed_newest_first_found_by_their_own_names_alone_and_bounded(office: Room) -> None:
    config = office.config
    made = [backups.new_backup(config, utc_now()) for _ in range(3)]
    assert [each.name for each in backups.kept_backups(config.backup_dir)] == [each.name for each in reversed(made)]
    assert stat.S_IMODE(made[0].stat().st_mode) == 0o600
    with sqlite3.connect(made[0]) as copy:
        assert copy.execute("SELECT count(*) FROM users").fetchone() is not None
    copy.close()
    (config.backup_dir / "taskroom-20260101T000000Z.db").symlink_to(config.data_dir / "secret_key")
    for name in ("../secret_key", "..", "", "secret_key", ".taskroom.db", "taskroom-20260101T000000Z.db", "a\0b"):
        assert backups.find_backup(config.backup_dir, name) is None
    assert backups.find_backup(config.backup_dir, made[1].name) == made[1]
    assert backups.remove_oldest(config.backup_dir, 1) >= 2
    assert made[2].exists()


# The page


@pytest.mark.req("H8", "D3")
def test_the_page_shows_settings_facts_backups_and_lines_and_says_who_read_them(desk: Desk) -> None:
    config = desk.room.config
    file = backups.new_backup(config, utc_now())
    handler = KeptLines(config.log_dir, "worker")
    handler.emit(logging.LogRecord("x", logging.WARNING, "x", 1, f"task {TASK} <b>is odd</b>", None, None))
    handler.close()
    page = desk.text(f"/admin/operations?log={TASK}")
    assert f"task {TASK} <b>is odd</b>" in page
    assert file.name in page
    assert "SQLite 3" in page
    assert config.secret_key not in page
    assert "Write at least six characters." in desk.text("/admin/operations?log=abc")
    assert "No kept line holds" in desk.text("/admin/operations?log=nothing-like-it")
    with desk.client.get(f"/admin/operations/backups/{file.name}") as answer:
        assert answer.data == file.read_bytes()
    assert desk.client.get("/admin/operations/backups/..%2Fsecret_key").status_code == 404
    started = desk.post("/admin/operations/backup")
    assert started.status_code == 303
    assert desk.post("/admin/operations/backup").headers["Location"] == started.headers["Location"], "one at a time"
    with desk.room.database.read() as session:
        told = {tuple(row) for row in session.execute(select(AuditEntry.action, AuditEntry.actor_name))}
    assert told >= {(action, "root") for action in ("log.read", "backup.downloaded", "backup.started")}


@pytest.mark.req("D3", "H8")
def test_nobody_else_gets_any_of_it(office: Room) -> None:
    ada = office.person("ada")
    client, token = office.browser("ada")
    for path in ("", "/backups/x.db"):
        assert client.get(f"/admin/operations{path}").status_code == 404
    for path in ("doctor", "backup"):
        assert client.post(f"/admin/operations/{path}", data={"csrf_token": token}).status_code == 404
    for path in ("operations", "log?q=something", "backups", "backups/x.db"):
        assert ada.get(f"/admin/{path}").status_code == 403
    assert ada.post("/admin/backups").status_code == ada.post("/admin/operations/doctor").status_code == 403


@pytest.mark.req("J5", "H8")
def test_the_api_says_the_same(office: Room) -> None:
    root = office.person("root", role="admin")
    shown = root.get("/admin/operations").json
    assert {each["name"] for each in shown["settings"]} == set(config_report.VARIABLES)
    assert shown["uptime_s"] > 0
    file = backups.new_backup(office.config, utc_now())
    (item,) = root.get("/admin/backups").json["items"]
    assert (item["name"], item["size"]) == (file.name, file.stat().st_size)
    with root.get(item["url"]) as download:
        assert download.data == file.read_bytes()
    assert root.get("/admin/backups/taskroom-20260101T000000Z.db").status_code == 404
    assert root.get("/admin/log?q=short").status_code == 422
    assert root.get("/admin/log", query_string={"q": TASK}).json == {"items": [], "next_cursor": None}
    answer = root.post("/admin/backups", {"keep": 2})
    assert (answer.status_code, answer.json["kind"]) == (202, "backup")
    assert root.post("/admin/backups").status_code == 409


@pytest.mark.slow
@pytest.mark.req("H8", "J4")
def test_doctor_a_backup_and_the_log_of_its_task_on_a_running_server(shared_server: Server) -> None:
    token = shared_server.admin().token
    found = shared_server.api("POST", "/api/v1/admin/operations/doctor", token=token).json()
    said = orjson.loads(shared_server.cli("doctor", "--json").stdout)
    assert [each["name"] for each in found["items"]] == [each["name"] for each in said]
    assert {each["name"]: each["state"] for each in found["items"]}["database"] == "ok"
    answer = shared_server.api("POST", "/api/v1/admin/backups", token=token)
    task_id = answer.json()["task_id"]

    def task() -> dict[str, object]:
        shown: dict[str, object] = shared_server.api("GET", f"/api/v1/tasks/{task_id}", token=token).json()
        return shown

    wait_until(lambda: task()["status"] in ("completed", "failed"), 60, lambda: f"ended: {task()}")
    results = task()["results"]
    assert isinstance(results, dict), task()
    backup = shared_server.api("GET", f"/api/v1/admin/backups/{results['file']}", token=token)
    assert backup.content.startswith(b"SQLite format 3")
    assert len(backup.content) == results["size_bytes"]
    lines = shared_server.api("GET", f"/api/v1/admin/log?q={task_id}", token=token).json()["items"]
    assert {line["role"] for line in lines} == {"web", "worker"}, lines
