"""The OpenAPI document: it is valid, holds every operation that answers, and describes what really comes."""

from __future__ import annotations

import re
from typing import Any

import jsonschema_rs
import pytest

from api.operations import PREFIX, all_operations
from tests.api.room import Caller, Room
from tests.fixtures.machine import ROOT

OPERATIONS = all_operations()


@pytest.fixture
def document(ada: Caller) -> dict[str, Any]:
    found: dict[str, Any] = ada.get("/openapi.json").json
    return found


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*(references(each) for each in value.values()))
    return set().union(*(references(each) for each in value)) if isinstance(value, list) else set()


@pytest.mark.req("J5")
def test_the_document_holds_every_route_of_the_api_and_no_other(room: Room, document: dict[str, Any]) -> None:
    described = {
        (method.upper(), re.sub(r"\{\w+\}", "{}", path)) for path, item in document["paths"].items() for method in item
    }
    hidden = {("GET", f"{PREFIX}/openapi.json"), ("GET", f"{PREFIX}/docs")}
    routed = {
        (method, re.sub(r"<[\w:]+>", "{}", rule.rule))
        for rule in room.app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.rule.startswith(PREFIX)
    }
    assert described == routed - hidden
    assert document["openapi"] == "3.1.0"


# Documented, and built by later work.
NOT_BUILT = ("external",)


def documented() -> set[tuple[str, str]]:
    """Method and path of every call in the table of docs/protocol.md; parts that begin with "/" belong to the first."""
    section = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8").split("\n## HTTP\n")[1].split("\n## ")[0]
    found: set[tuple[str, str]] = set()
    for line in section.splitlines():
        cell = line.split(" | ")[0]
        for methods, path in re.findall(r"((?:`?(?:GET|POST|PUT|PATCH|DELETE)`? ?)+)(/api/v1/[^`?]+)", cell):
            paths = [path, *re.findall(r"· `(/[^`]+)`", cell)]
            base = path.rsplit("/", 1)[0]
            whole = [each if each.startswith("/api") else base + each for each in paths]
            found |= {
                (method, re.sub(r"\{\w+\}", "{}", each)) for method in re.findall(r"[A-Z]+", methods) for each in whole
            }
    return found


@pytest.mark.req("J5", "I5")
def test_the_protocol_page_names_every_operation_and_no_other() -> None:
    table = {(each.method, re.sub(r"\{\w+\}", "{}", each.path)) for each in OPERATIONS}
    later = {each for each in documented() if each[1].removeprefix(f"{PREFIX}/").startswith(NOT_BUILT)}
    assert table == documented() - later


@pytest.mark.req("J5")
def test_every_reference_leads_somewhere_and_every_schema_is_one(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert {each.removeprefix("#/components/schemas/") for each in references(document)} <= set(schemas)
    for schema in schemas.values():
        assert jsonschema_rs.meta.is_valid(schema), schema
    ids = [each["operationId"] for item in document["paths"].values() for each in item.values()]
    assert len(ids) == len(set(ids))
    for item in document["paths"].values():
        for each in item.values():
            assert each["summary"]
            assert each["description"].endswith(".")


@pytest.mark.req("J5", "J1")
def test_the_parameters_of_jobs_are_those_that_validate(room: Room, ada: Caller, admin: Caller) -> None:
    mine, admins = ada.get("/openapi.json").json, admin.get("/openapi.json").json
    nobodys = room.nobody().get("/api/v1/openapi.json").json
    assert mine["components"]["schemas"]["params.test_count"]["properties"]["number"]["maximum"] == 1000
    assert "params.code_scan" in mine["components"]["schemas"]
    assert "params.test_admin_only" not in mine["components"]["schemas"]
    assert "params.test_admin_only" in admins["components"]["schemas"]
    assert not [name for name in nobodys["components"]["schemas"] if name.startswith("params.")]


def check(document: dict[str, Any], path: str, method: str, answer: Any) -> None:
    """The answer's status, type and content are the described ones."""
    described = document["paths"][f"{PREFIX}{path}"][method]["responses"][str(answer.status_code)]
    schema = described["content"][answer.mimetype]["schema"]
    jsonschema_rs.validate(schema | {"components": document["components"]}, answer.json)


@pytest.mark.req("J5")
def test_what_comes_is_what_is_described(room: Room, ada: Caller, document: dict[str, Any]) -> None:
    task_id = ada.start()
    held = room.claim(task_id)
    room.write_log(held, [("info", "one"), ("error", "two")])
    room.add_artifact(held, "a.txt", b"a")
    room.complete(task_id, held=held)
    for path in (
        "/tasks/{task_id}",
        *(f"/tasks/{{task_id}}/{part}" for part in ("events", "log", "results", "artifacts")),
    ):
        check(document, path, "get", ada.get(path.replace("{task_id}", task_id)))
    for path in ("/jobs", "/tasks", "/activity", "/me", "/scanner/repositories", "/scanner/environment"):
        check(document, path, "get", ada.get(path))
    check(document, "/tasks", "post", ada.post("/tasks", {"kind": "test_count"}))
    check(document, "/tasks", "post", ada.post("/tasks", {"kind": 7}))
    check(document, "/tasks", "post", ada.post("/tasks", {"kind": "none"}))
    check(document, "/tasks", "post", ada.post("/tasks", data=b"{", content_type="application/json"))
    check(document, "/tasks", "post", ada.post("/tasks", data=b"{}", content_type="application/xml"))
    check(document, "/tasks/{task_id}/cancel", "post", ada.post(f"/tasks/{task_id}/cancel"))
    check(document, "/tasks/{task_id}/retry", "post", ada.post(f"/tasks/{task_id}/retry"))
    check(document, "/me", "get", room.nobody().get("/api/v1/me"))


@pytest.mark.req("D9", "F6")
def test_the_page_lists_every_operation_under_the_strict_policy(room: Room, ada: Caller) -> None:
    client, _ = room.browser("ada")
    answer = client.get("/api/v1/docs", headers={"Accept": "text/html"})
    assert answer.status_code == 200
    for each in OPERATIONS:
        assert f"{each.method} {each.path}" in answer.text
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
    assert not re.search(r"<script(?![^>]*\ssrc=\"/static/)|\sstyle=|\son\w+=|https?://", answer.text.split("<main")[1])
    assert room.nobody().get("/api/v1/docs", headers={"Accept": "text/html"}).status_code == 401
