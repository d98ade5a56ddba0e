"""A scan as a file: complete, safe in a spreadsheet, and in the forms that other tools read."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from accounts import Actor
from database import utc_now
from jobs.dependency_scan import documents, exports, ignoring, query
from tests.jobs.advisories.osv import simple
from tests.jobs.code_scan.scanning import Recorder, write
from tests.jobs.dependency_scan.scanning import PINS, advisories, jinja, scan

pytestmark = pytest.mark.req("B15", "D9")
MakeRecorder = Callable[..., Recorder]
FORMULA = '=HYPERLINK("https://example.org","x")'
WHY = "=cmd|' /C calc'!A0"


@pytest.fixture
def context(recorder: MakeRecorder, repository: Path) -> Recorder:
    """A finished scan: one finding, one ignored, one package and one file not evaluated."""
    one = recorder()
    vector = [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]
    advisories(
        one,
        jinja(aliases=["CVE-2024-22195"], summary=FORMULA, severity=vector),
        simple("PYSEC-7", "flask", "3.1", "PyPI"),
        simple("GHSA-9", "@scope/pad", "2.0.0", "npm"),
    )
    npm = {"packages": {"node_modules/@scope/pad": {"version": "1.0.0"}}}
    write(
        repository,
        {
            "requirements.txt": PINS + "labkit @ git+https://git.example.org/labkit.git\n",
            "web app/package-lock.json": json.dumps(npm),
            "broken/yarn.lock": "{",
        },
    )
    scan(one, repository_path=str(repository))
    with one.database.write() as session:
        items = query.findings(session, one.task_id, utc_now())["items"]
        flask = next(each["id"] for each in items if each["name"] == "flask")
        scanned = query.get_scan(session, one.task_id)
        ignoring.ignore(session, scanned, flask, {"reason": WHY, "days": 30}, Actor("ada"))
    return one


def test_json_holds_summary_findings_and_packages(context: Recorder) -> None:
    whole = json.loads(b"".join(exports.as_json(context.database, context.task_id, utc_now())))
    assert set(whole) == {"summary", "findings", "packages"}
    assert whole["summary"]["vulnerabilities"] == 2
    assert [bool(each["ignored"]) for each in whole["findings"]].count(True) == 1
    assert len(whole["packages"]) == whole["summary"]["packages"] == 5


def test_csv_names_everything_and_no_cell_is_a_formula(context: Recorder) -> None:
    text = b"".join(exports.as_csv(context.database, context.task_id, utc_now())).decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [each["state"] for each in rows] == ["open", "ignored", "open", "not evaluated", "not evaluated"] or sorted(
        each["state"] for each in rows
    ) == ["ignored", "not evaluated", "not evaluated", "open", "open"]
    by_name = {each["package"] or each["file"]: each for each in rows}
    assert by_name["jinja2"]["summary"] == "'" + FORMULA
    assert by_name["flask"]["ignored_because"] == "'" + WHY
    assert by_name["'@scope/pad"]["file"] == "web app/package-lock.json"
    assert by_name["labkit"]["summary"].startswith("comes from git")
    assert by_name["broken/yarn.lock"]["summary"] == "is not in yarn's format at line 1"
    assert not any(cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row.values() if cell)


def test_sarif_has_the_essentials_of_its_schema(context: Recorder) -> None:
    log = json.loads(documents.as_sarif(context.database, context.task_id, utc_now()))
    assert log["version"] == "2.1.0"
    [run] = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert run["tool"]["driver"]["name"] == "Taskroom"
    assert len({each["id"] for each in rules}) == len(rules) == 3
    assert len(run["results"]) == 3
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in ("none", "note", "warning", "error")
        assert result["message"]["text"]
        place = result["locations"][0]["physicalLocation"]
        assert " " not in place["artifactLocation"]["uri"]
        assert place.get("region", {"startLine": 1})["startLine"] >= 1
    by_rule = {each["ruleId"]: each for each in run["results"]}
    assert by_rule["CVE-2024-22195"]["locations"][0]["physicalLocation"]["region"] == {"startLine": 2}
    assert rules[by_rule["CVE-2024-22195"]["ruleIndex"]]["properties"]["security-severity"] == "9.8"
    [suppression] = by_rule["PYSEC-7"]["suppressions"]
    assert (suppression["kind"], suppression["status"]) == ("external", "accepted")
    assert by_rule["GHSA-9"]["properties"]["purl"] == "pkg:npm/%40scope/pad@1.0.0"
    [invocation] = run["invocations"]
    assert invocation["executionSuccessful"] is False
    notices = " ".join(each["message"]["text"] for each in invocation["toolExecutionNotifications"])
    assert "labkit" in notices and "broken/yarn.lock" in notices


def test_vex_says_what_was_decided_and_claims_no_more(context: Recorder) -> None:
    document = json.loads(documents.as_vex(context.database, context.task_id, utc_now()))
    assert (document["bomFormat"], document["specVersion"], document["version"]) == ("CycloneDX", "1.6", 1)
    assert document["serialNumber"] == f"urn:uuid:{context.task_id}"
    parts = {each["bom-ref"]: each for each in document["components"]}
    found: dict[str, Any] = {each["id"]: each for each in document["vulnerabilities"]}
    assert set(found) == {"CVE-2024-22195", "PYSEC-7", "GHSA-9"}
    assert all(each["affects"][0]["ref"] in parts for each in found.values())
    rating = found["CVE-2024-22195"]["ratings"][0]
    assert (rating["severity"], rating["score"], rating["method"]) == ("critical", 9.8, "CVSSv31")
    assert found["CVE-2024-22195"]["recommendation"] == "Update jinja2 to 3.1.3."
    assert found["PYSEC-7"]["analysis"]["response"] == ["will_not_fix"]
    assert {each["analysis"]["state"] for each in found.values()} == {"in_triage"}
    said = {each["name"]: each["value"] for each in document["metadata"]["properties"]}
    assert said == {"taskroom:complete": "false", "taskroom:not_evaluated": "2"}
