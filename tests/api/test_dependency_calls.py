"""A dependency scan over HTTP and as pages: what each person may see and decide, and that nothing becomes markup."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.api.room import Caller, Room
from tests.jobs.code_scan.scanning import Recorder, write
from tests.jobs.dependency_scan.scanning import PINS, advisories, jinja, scan

pytestmark = pytest.mark.req("B15")
MARKUP = "<script>alert(1)</script>"
WHY = f"Not reachable {MARKUP}"
EXPORTS = ("json", "csv", "sarif", "cdx.json")


@pytest.fixture
def scanned(room: Room, ada: Caller) -> Callable[..., str]:
    """A finished scan of ada's, its id."""

    def make(visibility: str = "private") -> str:
        folder = write(
            room.config.scan_roots[0] / "portal",
            {"requirements.txt": PINS + f"{MARKUP}\nlabkit @ git+https://git.example.org/x.git\n"},
        )
        params = {"repository_path": str(folder)}
        task_id = ada.start("dependency_scan", params=params, visibility=visibility)
        context = Recorder(room.config, room.database, task_id)
        held = room.claim(task_id)
        advisories(context, jinja(aliases=["CVE-2024-22195"], summary=MARKUP))
        room.complete(task_id, scan(context, **params), held)
        return task_id

    return make


def finding_of(caller: Caller, task_id: str) -> dict[str, Any]:
    answer = caller.get(f"/scans/{task_id}/vulnerabilities")
    assert answer.status_code == 200, answer.text
    [item] = answer.json["items"]
    return dict(item)


def test_findings_can_be_read_filtered_and_ignored_for_a_time(ada: Caller, scanned: Callable[..., str]) -> None:
    task_id = scanned()
    base = f"/scans/{task_id}"
    summary = ada.get(f"{base}/dependency-summary").json
    assert (summary["vulnerabilities"], summary["not_evaluated"], summary["complete"]) == (1, 2, False)
    found = finding_of(ada, task_id)
    assert ada.get(f"{base}/vulnerabilities?severity=critical").json["total"] == 0
    assert ada.get(f"{base}/vulnerabilities?q=cve-2024").json["total"] == 1
    assert ada.get(f"{base}/packages?not_evaluated=true").json["total"] == 2
    assert ada.get(f"{base}/packages?limit=2&cursor=" + ada.get(f"{base}/packages?limit=2").json["next_cursor"]).json[
        "items"
    ]
    made = ada.post(f"{base}/ignores", {"finding_id": found["id"], "reason": WHY, "days": 30})
    assert made.status_code == 201
    assert made.json["created_by"] == "ada"
    assert ada.post(f"{base}/ignores", {"finding_id": found["id"], "reason": WHY, "days": 30}).status_code == 409
    assert ada.get(f"{base}/vulnerabilities").json["total"] == 0
    assert ada.get(f"{base}/vulnerabilities?show=ignored").json["items"][0]["ignored"]["reason"] == WHY
    assert ada.call("DELETE", f"{base}/ignores/{made.json['id']}").json["ended_at"]
    assert ada.get(f"{base}/vulnerabilities").json["total"] == 1
    assert len(ada.get(f"{base}/ignores").json["items"]) == 1


@pytest.mark.req("D2")
def test_others_find_nothing_and_watchers_decide_nothing(
    ada: Caller, bob: Caller, admin: Caller, scanned: Callable[..., str]
) -> None:
    hidden, watched = scanned(), scanned("everyone")
    asked = {"finding_id": finding_of(ada, watched)["id"], "reason": WHY, "days": 3}
    reads = [
        "dependency-summary",
        "vulnerabilities",
        "packages",
        "ignores",
        *(f"dependencies.{each}" for each in EXPORTS),
    ]
    for name in reads:
        assert bob.get(f"/scans/{hidden}/{name}").status_code == 404, name
        assert bob.get(f"/scans/{watched}/{name}").status_code == 200, name
    assert bob.post(f"/scans/{hidden}/ignores", asked).status_code == 404
    assert bob.post(f"/scans/{watched}/ignores", asked).status_code == 403
    assert bob.call("DELETE", f"/scans/{watched}/ignores/1").status_code == 403
    assert admin.post(f"/scans/{watched}/ignores", asked).status_code == 201
    assert ada.post(f"/scans/{hidden}/ignores", asked | {"finding_id": 10**9}).status_code == 404


@pytest.mark.req("D9")
def test_exports_come_as_files(ada: Caller, scanned: Callable[..., str]) -> None:
    task_id = scanned()
    for ending in EXPORTS:
        answer = ada.get(f"/scans/{task_id}/dependencies.{ending}")
        assert answer.status_code == 200
        assert answer.headers["Content-Disposition"] == f'attachment; filename="dependencies-{task_id[:8]}.{ending}"'
        assert "CVE-2024-22195" in answer.text
        if ending != "csv":
            json.loads(answer.text)


@pytest.mark.req("D9")
def test_every_part_of_the_results_is_a_page_without_foreign_markup(room: Room, scanned: Callable[..., str]) -> None:
    task_id = scanned()
    client, token = room.browser("ada")
    base = f"/tasks/{task_id}"
    overview = client.get(base).text
    assert "Incomplete. 2 of 5 packages could not be evaluated." in overview
    assert "1 known vulnerability" in overview
    number = re.search(r"finding=(\d+)", overview)
    assert number
    form = {"csrf_token": token, "finding": number[1], "reason": "no", "days": "30"}
    refused = client.post(f"{base}/ignore", data=form)
    assert refused.status_code == 422
    assert "Say why, in 5 to 1,000 characters." in refused.text
    assert ">no</textarea>" in refused.text
    done = client.post(f"{base}/ignore", data=form | {"reason": WHY})
    assert done.status_code == 303
    after = client.get(done.headers["Location"].partition("#")[0]).text
    assert "is ignored until" in after
    again = client.post(f"{base}/ignore", data=form | {"reason": WHY})
    assert again.headers["Location"] == f"{base}/ignored"
    pages = {
        tab: client.get(f"{base}{tab}")
        for tab in ("", f"?finding={number[1]}", "/gaps", "/gaps?reason=git", "/packages?q=jinja", "/fixed", "/ignored")
    }
    for tab, page in pages.items():
        assert page.status_code == 200, tab
        assert MARKUP not in page.text, tab
        assert "style=" not in page.text, tab
    assert "Not reachable" in pages["/ignored"].text
    assert "comes from git" in pages["/gaps"].text
    ending = re.search(rf'action="({base}/ignores/\d+/end)"', pages["/ignored"].text)
    assert ending
    assert client.post(ending[1], data={}).status_code == 400  # no token
    assert client.post(ending[1], data={"csrf_token": token}).status_code == 303
    assert "Nothing is ignored" in client.get(f"{base}/ignored").text


@pytest.mark.req("D2", "D5")
def test_pages_answer_strangers_and_nonsense_like_unknown_ones(
    room: Room, bob: Caller, scanned: Callable[..., str]
) -> None:
    task_id = scanned()
    client, token = room.browser("bob")
    form = {"csrf_token": token, "finding": "1", "reason": WHY, "days": "30"}
    assert client.get(f"/tasks/{task_id}/gaps").status_code == 404
    assert client.post(f"/tasks/{task_id}/ignore", data=form).status_code == 404
    client, token = room.browser("ada")
    odd = "finding=99999999999999999999&ignored=x&severity=%00&ecosystem=" + "e" * 5000
    assert client.get(f"/tasks/{task_id}?{odd}").status_code == 200
    assert client.get(f"/tasks/{task_id}?cursor=rubbish").status_code == 400
    assert client.post(f"/tasks/{task_id}/ignore", data=form | {"csrf_token": token, "finding": "x"}).status_code == 404
    assert client.get(f"/tasks/{task_id}/updates").status_code == 200
    watched = scanned("everyone")
    client, token = room.browser("bob")
    assert "Ignore it for a time" not in client.get(f"/tasks/{watched}?finding=1").text
    assert client.post(f"/tasks/{watched}/ignore", data=form | {"csrf_token": token}).status_code == 403


def test_a_scan_that_is_not_kept_says_so(room: Room, ada: Caller) -> None:
    params = {"repository_path": str(Path(room.config.scan_roots[0]))}
    task_id = ada.start("dependency_scan", params=params)
    room.complete(task_id, {"packages": 3, "vulnerabilities": 0, "complete": False})
    client, _ = room.browser("ada")
    for tab in ("", "/gaps", "/packages", "/fixed", "/ignored"):
        assert "not kept any more" in client.get(f"/tasks/{task_id}{tab}").text
    assert ada.get(f"/scans/{task_id}/vulnerabilities").status_code == 404
    assert "incomplete" in client.get("/tasks").text.lower()
