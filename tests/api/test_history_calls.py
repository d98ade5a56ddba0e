"""Events, log, results and files of a task over HTTP."""

from __future__ import annotations

import pytest

from api import history_calls
from api.task_shapes import ArtifactPage, EventPage, LogPage
from tests.api.room import Caller, Room


@pytest.fixture
def logged(any_room: Room) -> tuple[Room, Caller, str]:
    """A running task with 25 log lines, some of them bad."""
    ada = any_room.person("ada")
    task_id = ada.start()
    held = any_room.claim(task_id)
    levels = {7: "warning", 13: "error", 20: "debug"}
    any_room.write_log(held, [(levels.get(n, "info"), f"Shelf {n} of <b>100%</b>") for n in range(1, 26)])
    return any_room, ada, task_id


def numbers(answer) -> list[int]:
    page = LogPage.model_validate(answer.json, strict=True)
    return [line.n for line in page.lines]


@pytest.mark.req("F11")
def test_the_log_is_read_by_ranges_that_fit_together(logged: tuple[Room, Caller, str]) -> None:
    _, ada, task_id = logged
    first = ada.get(f"/tasks/{task_id}/log?limit=10")
    assert numbers(first) == list(range(1, 11))
    assert (first.json["next_line"], first.json["total_lines"]) == (11, 25)
    assert numbers(ada.get(f"/tasks/{task_id}/log?from=11&limit=10")) == list(range(11, 21))
    last = ada.get(f"/tasks/{task_id}/log?from=21&limit=10")
    assert numbers(last) == list(range(21, 26))
    assert last.json["next_line"] is None
    assert numbers(ada.get(f"/tasks/{task_id}/log?from=26")) == []
    assert numbers(ada.get(f"/tasks/{task_id}/log?from=0&limit=1")) == [1]


@pytest.mark.req("F11")
def test_the_whole_log_is_searched_and_matches_are_counted(logged: tuple[Room, Caller, str]) -> None:
    _, ada, task_id = logged
    found = ada.get(f"/tasks/{task_id}/log?q=SHELF 2&limit=2")
    assert numbers(found) == [2, 20]
    assert (found.json["matches"], found.json["next_line"]) == (7, 21)
    assert numbers(ada.get(f"/tasks/{task_id}/log?q=100%25")) == list(range(1, 26))
    assert numbers(ada.get(f"/tasks/{task_id}/log?q=_")) == []


@pytest.mark.req("F11")
@pytest.mark.parametrize(("level", "found"), [("warning", [7, 13]), ("error", [13]), ("info", 24), ("debug", 25)])
def test_a_level_means_itself_and_worse(logged: tuple[Room, Caller, str], level: str, found) -> None:
    _, ada, task_id = logged
    lines = numbers(ada.get(f"/tasks/{task_id}/log?level={level}"))
    assert (len(lines) if isinstance(found, int) else lines) == found


@pytest.mark.req("F11", "D9")
def test_the_log_is_downloaded_while_the_task_runs(logged: tuple[Room, Caller, str]) -> None:
    _, ada, task_id = logged
    answer = ada.get(f"/tasks/{task_id}/log.txt")
    assert answer.is_streamed
    assert answer.headers["Content-Disposition"] == f'attachment; filename="log-{task_id[:8]}.txt"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.mimetype == "text/plain"
    lines = answer.text.splitlines()
    assert len(lines) == 25
    assert lines[6].endswith("Z WARNING Shelf 7 of <b>100%</b>")


def test_a_long_log_comes_page_by_page_and_ends_where_it_was_asked(
    room: Room, ada: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_calls, "LINES_AT_ONCE", 4)
    task_id = ada.start()
    held = room.claim(task_id)
    room.write_log(held, [("info", f"line {n}") for n in range(1, 11)])
    answer = ada.get(f"/tasks/{task_id}/log.txt", buffered=False)
    chunks = iter(answer.response)
    first = next(chunks)
    room.write_log(held, [("info", f"late {n}") for n in range(100)])
    text = (first + b"".join(chunks)).decode()
    assert [line.split()[-1] for line in text.splitlines()][:10] == [str(n) for n in range(1, 11)]
    assert text.count("late") < 4


@pytest.mark.req("D9")
def test_a_line_of_the_text_log_stays_one_line(room: Room, ada: Caller) -> None:
    task_id = ada.start()
    room.write_log(room.claim(task_id), [("info", "one\ntwo\r\x1b[2Jthree é")])
    text = ada.get(f"/tasks/{task_id}/log.txt").text
    assert text.count("\n") == 1
    assert "one\\ntwo\\r\\x1b[2Jthree é" in text


@pytest.mark.req("G6")
def test_history_tells_every_change_and_goes_on_after_an_id(any_room: Room) -> None:
    ada = any_room.person("ada")
    task_id = ada.start()
    any_room.complete(task_id)
    page = EventPage.model_validate(ada.get(f"/tasks/{task_id}/events").json, strict=True)
    assert [(each.event, each.status) for each in page.items] == [
        ("progress_update", "queued"),
        ("progress_update", "running"),
        ("task_completed", "completed"),
    ]
    assert page.next_cursor is None
    first = ada.get(f"/tasks/{task_id}/events?limit=1").json
    rest = ada.get(f"/tasks/{task_id}/events?after={first['next_cursor']}").json
    assert [each["id"] for each in first["items"] + rest["items"]] == [each.id for each in page.items]
    assert ada.get(f"/tasks/{task_id}/events?after={page.items[-1].id}").json == {"items": [], "next_cursor": None}


@pytest.mark.req("B15")
def test_results_are_what_the_job_returned(any_room: Room) -> None:
    ada = any_room.person("ada")
    task_id = ada.start()
    early = ada.get(f"/tasks/{task_id}/results")
    assert early.status_code == 409
    assert early.json["error"]["code"] == "conflict"
    any_room.complete(task_id, {"counted": 3, "names": ["é", None, 0.5]})
    assert ada.get(f"/tasks/{task_id}/results").json == {"counted": 3, "names": ["é", None, 0.5]}


def test_a_failed_task_says_that_it_has_no_results(room: Room, ada: Caller) -> None:
    task_id = ada.start()
    room.fail(task_id)
    answer = ada.get(f"/tasks/{task_id}/results")
    assert answer.status_code == 409
    assert "failed" in answer.json["error"]["message"]


@pytest.mark.req("B15", "D9")
def test_files_are_listed_and_only_ever_downloaded(any_room: Room) -> None:
    ada = any_room.person("ada")
    task_id = ada.start()
    held = any_room.claim(task_id)
    any_room.add_artifact(held, "page.html", b"<script>alert(1)</script>", "text/html")
    any_room.add_artifact(held, "reports/zwölf 12.csv", b"a,b\n", "text/csv")
    page = ArtifactPage.model_validate(ada.get(f"/tasks/{task_id}/artifacts").json, strict=True)
    assert [(each.name, each.size) for each in page.items] == [("page.html", 25), ("reports/zwölf 12.csv", 4)]
    html = ada.get(page.items[0].url)
    assert html.data == b"<script>alert(1)</script>"
    assert html.headers["Content-Disposition"] == "attachment; filename=page.html"
    assert html.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in html.headers["Content-Security-Policy"]
    csv = ada.get(page.items[1].url)
    assert csv.data == b"a,b\n"
    assert "filename*=UTF-8''zw%C3%B6lf%2012.csv" in csv.headers["Content-Disposition"]


@pytest.mark.parametrize("name", ["nothing.txt", "../page.html", "a%00b", "x" * 900, "%F0%28", "."])
def test_an_unknown_file_is_not_found(any_room: Room, name: str) -> None:
    ada = any_room.person("ada")
    task_id = ada.start()
    answer = ada.get(f"/tasks/{task_id}/artifacts/{name}")
    assert (answer.status_code, answer.json["error"]["code"]) == (404, "not_found")
