"""Registered repositories over HTTP: who may do what to them, one scan at a time, and their history by commit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from api.repository_shapes import RegisteredPage, RepositoryScanStarted, RepositoryShape, ScanHistory
from api.scan_shapes import ScanStatus
from tests.api.room import Caller, Room
from tests.jobs.code_scan.scanning import write

REQUIREMENT = "---\ngxp_id: REQ-001\ntitle: Results never change\nrisk_level: LOW\n---\n"


@pytest.fixture
def folder(any_room: Room) -> Path:
    return write(any_room.config.scan_roots[0] / "lab", {".gxp/requirements/REQ-001.md": REQUIREMENT, "a.py": "A = 1\n"})


@pytest.fixture
def caller(any_room: Room) -> Caller:
    return any_room.person("ada")


def register(caller: Caller, source: Path | str, name: str = "Lab", **asked: Any) -> dict[str, Any]:
    answer = caller.post("/repositories", {"name": name, "source": str(source)} | asked)
    assert answer.status_code == 201, answer.text
    made = RepositoryShape.model_validate(answer.json, strict=True)
    assert answer.headers["Location"] == f"/api/v1/repositories/{made.id}"
    return answer.json  # type: ignore[no-any-return]


@pytest.mark.req("B8")
def test_what_is_registered_is_listed_by_name_for_everybody(any_room: Room, caller: Caller, folder: Path) -> None:
    register(caller, folder, "Zebra")
    made = register(caller, "lab", " Lab ")
    assert (made["name"], made["source"], made["is_git_address"], made["last_scan"]) == ("Lab", "lab", False, None)
    page = RegisteredPage.model_validate(any_room.person("bob").get("/repositories").json, strict=True)
    assert [each.name for each in page.items] == ["Lab", "Zebra"]
    assert any_room.nobody().get("/api/v1/repositories").status_code == 401


@pytest.mark.req("B8", "D11")
@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"source": "/etc"}, "source"),
        ({"source": "../.."}, "source"),
        ({"source": "no-such-folder"}, "source"),
        ({"source": "https://evil.example/a.git"}, "source"),
        ({"source": "ext::sh -c id"}, "source"),
        ({"source": "file:///etc"}, "source"),
        ({"source": "https://127.0.0.1/a.git"}, "source"),
        ({"source": "lab", "ref": "main"}, "ref"),
        ({"source": "lab", "name": " "}, "name"),
        ({"source": "lab", "name": "a\nb"}, "name"),
        ({"source": "lab", "name": "x" * 201}, "name"),
        ({"source": "lab", "colour": "red"}, "colour"),
        ({"source": 7}, "source"),
    ],
)
def test_what_may_not_be_scanned_is_not_registered(
    any_room: Room, caller: Caller, folder: Path, asked: dict[str, Any], field: str
) -> None:
    answer = caller.post("/repositories", {"name": "Lab"} | asked)
    assert answer.status_code == 422, answer.text
    assert list(answer.json["error"]["details"]["fields"]) == [field]
    assert caller.get("/repositories").json["items"] == []


def test_a_name_is_given_once(caller: Caller, folder: Path) -> None:
    register(caller, folder)
    answer = caller.post("/repositories", {"name": "Lab", "source": str(folder)})
    assert (answer.status_code, answer.json["error"]["code"]) == (409, "conflict")


def test_it_is_removed_by_who_registered_it_or_an_admin(any_room: Room, caller: Caller, folder: Path) -> None:
    path = f"/repositories/{register(caller, folder)['id']}"
    assert any_room.person("bob").call("DELETE", path).status_code == 403
    assert caller.call("DELETE", path).json["name"] == "Lab"
    for method in ("GET", "DELETE"):
        assert caller.call(method, path).status_code == 404
    again = f"/repositories/{register(caller, folder)['id']}"
    assert any_room.person("root", role="admin").call("DELETE", again).status_code == 200


@pytest.mark.req("D5")
@pytest.mark.parametrize("number", ["0", "999999999", "99999999999999999999", "-1", "one", "1e3", "٣"])
def test_a_number_that_is_none_is_not_found(caller: Caller, number: str) -> None:
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/scan"), ("GET", "/scans")):
        assert caller.call(method, f"/repositories/{number}{path}").status_code == 404
