"""A scan as a file: JSON and CSV with everything, SARIF 2.1.0 for code hosts, and VEX in CycloneDX 1.6.

Each of them holds what is ignored, as ignored, and says when the scan is incomplete. SARIF and VEX are a few JSON
objects each, written here: the libraries that model all of those formats weigh more than what is needed of them.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from urllib.parse import quote

import orjson

from database import Database, rfc3339
from jobs.code_scan.exports import cell
from jobs.dependency_scan import query
from jobs.dependency_scan.models import DependencyFinding, DependencyScan
from jobs.dependency_scan.packages import DEBIAN
from jobs.dependency_scan.query import Findings, Shown

CSV_COLUMNS = (
    "severity", "score", "package", "ecosystem", "installed", "fixed_in", "advisory", "aliases", "summary", "state",
    "ignored_because", "ignored_until", "change", "file", "line", "relation", "path",
)  # fmt: skip
LEVELS = {"critical": "error", "high": "error", "medium": "warning", "low": "note", "unknown": "warning"}
# Code hosts order results by this number; where an advisory has no score, the middle of its severity stands in.
SCORES = {"critical": 9.5, "high": 8.0, "medium": 5.5, "low": 2.0}
PURL_TYPES = {
    "PyPI": "pypi", "npm": "npm", "crates.io": "cargo", "Go": "golang", "Packagist": "composer", "RubyGems": "gem",
}  # fmt: skip
CVSS_METHODS = {"CVSS:3.0": "CVSSv3", "CVSS:3.1": "CVSSv31", "CVSS:4.0": "CVSSv4", "AV:": "CVSSv2"}
SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
ROWS = 500


def as_json(database: Database, scan_id: str, now: datetime, pages: Database | None = None) -> Iterator[bytes]:
    """One object: summary, findings with their decisions, and every package. Raises NotFound before the first byte.

    `pages` is where the packages are read from while the answer is sent, if that is another connection.
    """
    with database.read() as session:
        summary = query.summary(session, scan_id, now)
        found = query.findings_of(session, query.get_scan(session, scan_id), now)
    items = [query.as_item(each) for each in found.shown]
    return _json(pages or database, scan_id, {"summary": summary, "findings": items})


def _json(database: Database, scan_id: str, head: dict[str, Any]) -> Iterator[bytes]:
    yield orjson.dumps(head)[:-1] + b',"packages":['
    cursor, is_first = None, True
    while True:
        with database.read() as session:
            page = query.packages(session, scan_id, cursor=cursor, limit=ROWS)
        if page["items"]:
            yield (b"" if is_first else b",") + orjson.dumps(page["items"])[1:-1]
            is_first = False
        cursor = page["next_cursor"]
        if cursor is None:
            break
    yield b"]}\n"


def as_csv(database: Database, scan_id: str, now: datetime, pages: Database | None = None) -> Iterator[bytes]:
    """A row for each finding, then one for each package or file that was not evaluated. UTF-8 with a mark.

    No cell can be taken for a formula. Raises NotFound before the first byte.
    """
    with database.read() as session:
        scan = query.get_scan(session, scan_id)
        found = query.findings_of(session, scan, now)
    return _csv(pages or database, scan, found)


def _csv(database: Database, scan: DependencyScan, found: Findings) -> Iterator[bytes]:
    yield b"\xef\xbb\xbf" + _line(CSV_COLUMNS)
    for each in found.shown:
        yield _line(_finding_cells(each))
    for problem in scan.facts["files"]:
        if problem["problem"]:
            yield _line((*[None] * 8, problem["problem"], "not evaluated", None, None, None, problem["path"]))
    cursor = None
    while True:
        with database.read() as session:
            page = query.packages(session, scan.task_id, only_gaps=True, cursor=cursor, limit=ROWS)
        for item in page["items"]:
            yield _line(_gap_cells(item))
        cursor = page["next_cursor"]
        if cursor is None:
            return


def _finding_cells(each: Shown) -> tuple[Any, ...]:
    row = each.row
    place = row.places[0] if row.places else {}
    others = [name for name in row.ids if name != row.advisory]
    return (
        row.severity,
        row.score,
        row.name,
        row.ecosystem,
        row.version,
        row.fixed_in,
        row.advisory,
        " ".join(others),
        row.summary,
        "ignored" if each.ignore else "open",
        each.ignore.reason if each.ignore else None,
        rfc3339(each.ignore.expires_at) if each.ignore else None,
        row.change,
        place.get("file") or " ".join(row.installed),
        place.get("line"),
        place.get("relation"),
        " > ".join(place.get("via") or ()),
    )


def _gap_cells(item: dict[str, Any]) -> tuple[Any, ...]:
    place = item["places"][0] if item["places"] else {}
    return (
        None, None, item["name"], item["ecosystem"], item["version"], None, None, None, item["text"], "not evaluated",
        None, None, None, place.get("file"), place.get("line"), place.get("relation"),
        " > ".join(place.get("via") or ()),
    )  # fmt: skip


def _line(values: tuple[Any, ...]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerow([cell(each) for each in values])
    return out.getvalue().encode()


def as_sarif(database: Database, scan_id: str, now: datetime) -> bytes:
    """SARIF 2.1.0: a rule for each advisory, a result for each finding and place; ignored ones are suppressed.

    What was not evaluated stands among the notifications, and then the run does not count as successful.
    """
    with database.read() as session:
        scan = query.get_scan(session, scan_id)
        found = query.findings_of(session, scan, now)
        gaps = query.gaps(session, scan)
    rules: dict[str, dict[str, Any]] = {}
    results = []
    for each in found.shown:
        row = each.row
        rules.setdefault(row.advisory, _rule(row))
        results.append(_result(each))
    numbers = {name: index for index, name in enumerate(rules)}
    for result in results:
        result["ruleIndex"] = numbers[result["ruleId"]]
    notices = [
        {"level": "warning", "message": {"text": f"{gap['count']:,} {gap['text']}: {', '.join(gap['names'])}"}}
        for gap in gaps
    ] + [{"level": "warning", "message": {"text": text}} for text in scan.facts["warnings"]]
    run = {
        "tool": {"driver": {"name": "Taskroom", "semanticVersion": "1.0.0", "rules": list(rules.values())}},
        "automationDetails": {"id": f"dependency_scan/{scan.task_id}"},
        "invocations": [
            {
                "executionSuccessful": bool(scan.counters["complete"]),
                "startTimeUtc": rfc3339(scan.started_at),
                "endTimeUtc": rfc3339(scan.finished_at),
                "toolExecutionNotifications": notices,
            }
        ],
        "columnKind": "utf16CodeUnits",
        "results": results,
    }
    return orjson.dumps({"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}) + b"\n"


def _rule(row: DependencyFinding) -> dict[str, Any]:
    score = row.score if row.score is not None else SCORES.get(row.severity)
    properties: dict[str, Any] = {"tags": ["security", row.severity]}
    if score is not None:
        properties["security-severity"] = f"{score:.1f}"
    return {
        "id": row.advisory,
        "shortDescription": {"text": row.summary or row.advisory},
        "helpUri": advisory_address(row.advisory),
        "properties": properties,
    }


def _result(each: Shown) -> dict[str, Any]:
    row = each.row
    fix = f"Version {row.fixed_in} has the fix." if row.fixed_in else "No fixed version is known."
    result: dict[str, Any] = {
        "ruleId": row.advisory,
        "level": LEVELS[row.severity],
        "message": {"text": f"{row.name} {row.version}: {row.summary or row.advisory} {fix}"},
        "locations": [_location(place) for place in row.places[:10]] or [_location({"file": "var/lib/dpkg/status"})],
        "partialFingerprints": {"package/v1": f"{row.ecosystem}/{row.name}/{row.advisory}"},
        "properties": {"purl": purl(row), "fixedIn": row.fixed_in, "aliases": row.ids},
    }
    if row.change != "first":
        result["baselineState"] = "unchanged" if row.change == "same" else "new"
    if each.ignore:
        result["suppressions"] = [
            {
                "kind": "external",
                "status": "accepted",
                "justification": f"{each.ignore.reason} (until {rfc3339(each.ignore.expires_at)})",
            }
        ]
    return result


def _location(place: dict[str, Any]) -> dict[str, Any]:
    where: dict[str, Any] = {
        "artifactLocation": {"uri": quote(place["file"].lstrip("/"), safe="/"), "uriBaseId": "%SRCROOT%"}
    }
    if place.get("line"):
        where["region"] = {"startLine": place["line"]}
    return {"physicalLocation": where}


def as_vex(database: Database, scan_id: str, now: datetime) -> bytes:
    """CycloneDX 1.6: the packages with findings, and each vulnerability with what was decided about it.

    An ignore is a decision to wait and no claim that the package is not affected: so its state is "in_triage".
    """
    with database.read() as session:
        scan = query.get_scan(session, scan_id)
        found = query.findings_of(session, scan, now)
    components: dict[str, dict[str, Any]] = {}
    vulnerabilities = []
    for each in found.shown:
        row = each.row
        address = purl(row)
        part = {"type": "library", "bom-ref": address, "name": row.name, "version": row.version, "purl": address}
        components.setdefault(address, part)
        vulnerabilities.append(_vulnerability(each, address))
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{scan.task_id}",
        "version": 1,
        "metadata": {
            "timestamp": rfc3339(scan.finished_at),
            "tools": {"components": [{"type": "application", "name": "Taskroom"}]},
            "properties": [
                {"name": "taskroom:complete", "value": "true" if scan.counters["complete"] else "false"},
                {"name": "taskroom:not_evaluated", "value": str(scan.counters["not_evaluated"])},
            ],
        },
        "components": list(components.values()),
        "vulnerabilities": vulnerabilities,
    }
    return orjson.dumps(document) + b"\n"


def _vulnerability(each: Shown, address: str) -> dict[str, Any]:
    row = each.row
    rating: dict[str, Any] = {"severity": row.severity}
    if row.score is not None:
        rating["score"] = row.score
    if row.vector:
        rating["vector"] = row.vector
        rating["method"] = next((name for mark, name in CVSS_METHODS.items() if row.vector.startswith(mark)), "other")
    analysis: dict[str, Any] = {"state": "in_triage"}
    if each.ignore:
        analysis["detail"] = f"Ignored until {rfc3339(each.ignore.expires_at)}: {each.ignore.reason}"
        analysis["response"] = ["will_not_fix"]
        analysis["firstIssued"] = rfc3339(each.ignore.created_at)
    found: dict[str, Any] = {
        "bom-ref": f"{row.advisory}/{address}",
        "id": row.advisory,
        "source": {"name": "OSV", "url": advisory_address(row.advisory)},
        "references": [
            {"id": name, "source": {"name": "OSV", "url": advisory_address(name)}}
            for name in row.ids
            if name != row.advisory
        ],
        "ratings": [rating],
        "description": row.summary,
        "affects": [{"ref": address, "versions": [{"version": row.version, "status": "affected"}]}],
        "analysis": analysis,
    }
    if row.fixed_in:
        found["recommendation"] = f"Update {row.name} to {row.fixed_in}."
    if row.published_at:
        found["published"] = rfc3339(row.published_at)
    if row.modified_at:
        found["updated"] = rfc3339(row.modified_at)
    return found


def advisory_address(name: str) -> str:
    """Where people read about an advisory."""
    return "https://osv.dev/vulnerability/" + quote(name, safe="")


def purl(row: DependencyFinding) -> str:
    """The package URL of what was found: pkg:npm/%40babel/traverse@7.22.5."""
    version = quote(row.version, safe=":")
    if row.ecosystem.partition(":")[0] == DEBIAN:
        release = row.ecosystem.partition(":")[2]
        return f"pkg:deb/debian/{quote(row.name, safe='')}@{version}?arch=source&distro=debian-{release}"
    kind = PURL_TYPES.get(row.ecosystem, "generic")
    return f"pkg:{kind}/{quote(row.name, safe='/')}@{version}"
