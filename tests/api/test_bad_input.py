"""What is sent wrongly is refused with the one error shape, a sentence, and the field that is wrong."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, select

from tasks.models import Task
from tests.api.room import Caller, Room

DEEP = b'{"kind": "test_count", "params": ' + b'{"a":' * 60 + b"1" + b"}" * 61
VERY_DEEP = b'{"kind": "test_count", "params": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"

BODIES: list[tuple[str, bytes, int]] = [
    ("nothing", b"", 400),
    ("no JSON", b"{kind:", 400),
    ("cut off", b'{"kind": "test_count"', 400),
    ("two values", b"{} {}", 400),
    ("bad UTF-8", b'{"kind": "\xff"}', 400),
    ("a lone surrogate", b'{"kind": "\\ud800"}', 400),
    ("NaN", b'{"kind": "test_count", "params": {"number": NaN}}', 400),
    ("Infinity", b'{"kind": "test_count", "params": {"number": -Infinity}}', 400),
    ("a list", b"[]", 400),
    ("text", b'"kind"', 400),
    ("null", b"null", 400),
    ("NUL in text", b'{"kind": "test_count", "title": "a\\u0000b"}', 400),
    ("NUL in a name", b'{"kind": "test_count", "params": {"a\\u0000": 1}}', 400),
    ("nested deeply", DEEP, 400),
    ("nested very deeply", VERY_DEEP, 400),
    ("no kind", b"{}", 422),
    ("an empty kind", b'{"kind": ""}', 422),
    ("a number as kind", b'{"kind": 7}', 422),
    ("null as kind", b'{"kind": null}', 422),
    ("a long kind", b'{"kind": "' + b"k" * 101 + b'"}', 422),
    ("an unknown kind", b'{"kind": "no_such_job"}', 404),
    ("an unknown field", b'{"kind": "test_count", "colour": "red"}', 422),
    ("params as list", b'{"kind": "test_count", "params": []}', 422),
    ("params as null", b'{"kind": "test_count", "params": null}', 422),
    ("an unknown parameter", b'{"kind": "test_count", "params": {"colour": "red"}}', 422),
    ("a number too large", b'{"kind": "test_count", "params": {"number": 1001}}', 422),
    ("a huge number", b'{"kind": "test_count", "params": {"number": 1' + b"0" * 400 + b"}}", 400),
    ("text as number", b'{"kind": "test_count", "params": {"number": "many"}}', 422),
    ("a long title", b'{"kind": "test_count", "title": "' + b"t" * 301 + b'"}', 422),
    ("an unknown priority", b'{"kind": "test_count", "priority": "now"}', 422),
    ("an unknown visibility", b'{"kind": "test_count", "visibility": "world"}', 422),
    ("text as notify", b'{"kind": "test_count", "notify": "yes"}', 422),
]


def assert_refused(answer: Any, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    error: dict[str, Any] = answer.json["error"]
    assert set(answer.json) == {"error"}
    assert error["code"] == {404: "not_found", 429: "rate_limited"}.get(status, "invalid_payload")
    assert error["message"][0].isupper()
    assert error["message"].endswith(".")
    assert len(error["message"]) < 400
    assert not any(word in answer.text for word in ("Traceback", "/work/", "pydantic", "sqlalchemy"))
    return error


@pytest.mark.req("D5")
@pytest.mark.parametrize(("body", "status"), [case[1:] for case in BODIES], ids=[case[0] for case in BODIES])
def test_a_bad_body_starts_nothing(room: Room, ada: Caller, body: bytes, status: int) -> None:
    error = assert_refused(ada.post("/tasks", data=body, content_type="application/json"), status)
    if status == 422:
        assert error["details"]["fields"]
    with room.database.read() as session:
        assert session.scalar(select(func.count()).select_from(Task)) == 0


@pytest.mark.req("D5")
def test_every_wrong_field_is_named_with_its_sentence(ada: Caller) -> None:
    answer = ada.post("/tasks", {"kind": 7, "title": "t" * 301, "colour": "red"})
    fields = assert_refused(answer, 422)["details"]["fields"]
    assert set(fields) == {"kind", "title", "colour"}
    assert fields["colour"] == ("There is no colour. Known are: kind, params, title, priority, visibility, notify.")


@pytest.mark.req("D5")
@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("text/plain", 400),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
        ("application/xml", 415),
        (None, 415),
        ("application/json; charset=utf-8", 202),
    ],
)
def test_only_json_is_read(ada: Caller, content_type: str | None, status: int) -> None:
    answer = ada.post("/tasks", data=b'{"kind": "test_count"}', content_type=content_type)
    if status != 202:
        assert_refused(answer, status)
    assert answer.status_code == status


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", None])
def test_a_change_without_a_body_needs_no_type(ada: Caller, content_type: str | None) -> None:
    """Eventlet's server says text/plain for a request that names no type."""
    task_id = ada.start()
    assert ada.post(f"/tasks/{task_id}/cancel", content_type=content_type).status_code == 202
    assert ada.post(f"/tasks/{task_id}/retry", content_type=content_type).status_code == 202


@pytest.mark.req("D5")
def test_a_body_over_one_mebibyte_is_refused_by_its_length(ada: Caller) -> None:
    body = b'{"kind": "test_count", "title": "' + b"t" * 1024 * 1024 + b'"}'
    assert_refused(ada.post("/tasks", data=body, content_type="application/json"), 413)
    declared = {"CONTENT_LENGTH": "99999999999"}
    answer = ada.post("/tasks", data=b"{}", content_type="application/json", environ_overrides=declared)
    assert_refused(answer, 413)


QUERIES = [
    ("/tasks?limit=0", "limit"),
    ("/tasks?limit=201", "limit"),
    ("/tasks?limit=ten", "limit"),
    ("/tasks?limit=5.0", "limit"),
    ("/tasks?limit=%205", "limit"),
    ("/tasks?limit=1_0", "limit"),
    ("/tasks?limit=٣", "limit"),
    ("/tasks?limit=", "limit"),
    ("/tasks?limit=1&limit=2", "limit"),
    ("/tasks?limit=99999999999999999999999", "limit"),
    ("/tasks?state=done", "state.0"),
    ("/tasks?state=queued&state=done", "state.1"),
    ("/tasks?mine=maybe", "mine"),
    ("/tasks?q=" + "x" * 201, "q"),
    ("/tasks?q=a%00b", "q"),
    ("/tasks?kind=a%00b", "kind"),
    ("/tasks?cursor=a%00b", "cursor"),
    ("/tasks?sate=queued", "sate"),
    ("/jobs?colour=red", "colour"),
    ("/me?x=", "x"),
    ("/scanner/repositories?source=cloud", "source"),
]


@pytest.mark.req("D5")
@pytest.mark.parametrize(("path", "field"), QUERIES)
def test_a_bad_query_is_named(ada: Caller, path: str, field: str) -> None:
    assert set(assert_refused(ada.get(path), 422)["details"]["fields"]) == {field}


@pytest.mark.req("D5")
@pytest.mark.parametrize("field", ["from=-1", "from=x", "from=2147483648", "limit=1001", "level=loud", "q=%00", "x=1"])
def test_a_bad_range_of_the_log_is_named(ada: Caller, field: str) -> None:
    answer = ada.get(f"/tasks/{ada.start()}/log?{field}")
    assert set(assert_refused(answer, 422)["details"]["fields"]) == {field.split("=")[0]}


@pytest.mark.req("D5")
@pytest.mark.parametrize("after", ["-1", "x", "9007199254740992", "1e3"])
def test_a_bad_place_in_the_history_is_named(any_room: Room, after: str) -> None:
    ada = any_room.person("ada")
    path = f"/tasks/{ada.start()}/events"
    assert set(assert_refused(ada.get(f"{path}?after={after}"), 422)["details"]["fields"]) == {"after"}
    assert ada.get(f"{path}?after=9007199254740991").json["items"] == []


@pytest.mark.req("D5")
@pytest.mark.parametrize(
    "cursor",
    ["x", "2026-01-01", "2026-01-01T00:00:00", "2026-01-01T00:00:00Z_", "_a", "é", "0001-01-01T00:00:00%2B23:00_a"],
)
def test_a_cursor_that_no_list_gave_out_is_refused(any_room: Room, cursor: str) -> None:
    assert_refused(any_room.person("ada").get(f"/tasks?cursor={cursor}"), 400)


@pytest.mark.req("D5", "C10")
@pytest.mark.parametrize("key", ["", "k" * 201, "a\tb", "caf\x85"])
def test_a_bad_idempotency_key_is_named(ada: Caller, key: str) -> None:
    answer = ada.post("/tasks", {"kind": "test_count"}, headers={"Idempotency-Key": key})
    assert set(assert_refused(answer, 422)["details"]["fields"]) == {"Idempotency-Key"}


@pytest.mark.req("D5")
@pytest.mark.parametrize("body", [{"reason": 7}, {"reason": "r" * 501}, {"why": "x"}])
def test_a_bad_cancel_leaves_the_task_alone(ada: Caller, body: dict[str, Any]) -> None:
    task_id = ada.start()
    assert_refused(ada.post(f"/tasks/{task_id}/cancel", body), 422)
    assert ada.get(f"/tasks/{task_id}").json["status"] == "queued"
    assert_refused(ada.post(f"/tasks/{task_id}/retry", {"params": {}}), 422)


@pytest.mark.req("D5", "D2")
@pytest.mark.parametrize("task_id", ["x", "0", "null", "../jobs", "%2e%2e", "a" * 5000, "é", "a%00b", "1 OR 1=1"])
def test_what_is_no_id_is_not_found(any_room: Room, task_id: str) -> None:
    ada = any_room.person("ada")
    for rest in ("", "/log", "/events", "/results", "/log.txt"):
        answer = ada.get(f"/tasks/{task_id}{rest}")
        if answer.status_code != 200:
            assert_refused(answer, 404)


@pytest.mark.req("D10")
def test_an_unknown_address_and_method_have_the_same_shape(ada: Caller) -> None:
    assert_refused(ada.get("/nothing/here"), 404)
    answer = ada.call("DELETE", "/tasks")
    assert_refused(answer, 405)
    assert {"GET", "POST"} <= {word.strip() for word in answer.headers["Allow"].split(",")}
    assert_refused(ada.get(f"/tasks/{ada.start()}/cancel"), 405)


@pytest.mark.req("D10")
def test_a_failure_of_our_own_has_a_reference_and_nothing_else(
    room: Room, ada: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object, **_more: object) -> None:
        raise RuntimeError("a secret in /srv/hidden.py")

    monkeypatch.setattr("tasks.store.counters", fail)
    answer = ada.get("/activity")
    assert answer.status_code == 500
    assert answer.json["error"]["code"] == "internal"
    assert answer.json["error"]["reference"] == answer.headers["X-Request-Id"]
    assert "secret" not in answer.text


def test_text_in_any_script_is_kept_as_it_is(any_room: Room) -> None:
    ada = any_room.person("ada")
    title = "Zählen 数 <b>'; DROP TABLE tasks;--</b> 🦉"
    task_id = ada.start(title=title, params={"name": "é'\"\\"})
    shown = ada.get(f"/tasks/{task_id}").json
    assert (shown["title"], shown["params"]["name"]) == (title, "é'\"\\")
    assert [each["task_id"] for each in ada.get("/tasks?q='; drop table").json["items"]] == [task_id]
