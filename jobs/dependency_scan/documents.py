"""A scan as a document for other tools: SARIF 2.1.0 for code hosts, and VEX in CycloneDX 1.6.

Each holds what is ignored, as ignored, and says when the scan is incomplete. Both are a few JSON objects, written here:
the libraries that model all of those formats weigh more than what is needed of them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import quote

import orjson

from database import Database, rfc3339
from jobs.dependency_scan import query
from jobs.dependency_scan.packages import DEBIAN
from jobs.dependency_scan.query import Shown

LEVELS = {"critical": "error", "high": "error", "medium": "warning", "low": "note", "unknown": "warning"}
# Code hosts order results by this number; where an advisory has no score, the middle of its severity stands in.
SCORES = {"critical": 9.5, "high": 8.0, "medium": 5.5, "low": 2.0}
PURL_TYPES = {
    "PyPI": "pypi", "npm": "npm", "crates.io": "cargo", "Go": "golang", "Packagist": "composer", "RubyGems": "gem",
}  # fmt: skip
CVSS_METHODS = {"CVSS:3.0": "CVSSv3", "CVSS:3.1": "CVSSv31", "CVSS:4.0": "CVSSv4", "AV:": "CVSSv2"}
SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


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


def _rule(row: Any) -> dict[str, Any]:
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


def purl(row: Any) -> str:
    """The package URL of what was found: pkg:npm/%40babel/traverse@7.22.5."""
    version = quote(row.version, safe=":")
    if row.ecosystem.partition(":")[0] == DEBIAN:
        release = row.ecosystem.partition(":")[2]
        return f"pkg:deb/debian/{quote(row.name, safe='')}@{version}?arch=source&distro=debian-{release}"
    kind = PURL_TYPES.get(row.ecosystem, "generic")
    return f"pkg:{kind}/{quote(row.name, safe='/')}@{version}"
