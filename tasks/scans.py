"""Which tasks are scans, and a scan in the words of older clients: `scanId`, `metadata`, `result`.

A scan is a task whose kind ends with `_scan`: code, trace and dependency scans, and whatever a developer calls so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

SUFFIX = "_scan"
FOUND = ("artifacts_found", "nodes_found", "vulnerabilities")
CREATED = ("artifactsCreated", "nodes_found", "vulnerabilities")


def is_scan(kind: str) -> bool:
    """Whether tasks of this kind are scans."""
    return kind.endswith(SUFFIX)


def metadata(details: Mapping[str, Any]) -> dict[str, Any]:
    """How far a scan is, from the `details` of its progress: {filesProcessed, totalFiles, currentFile, artifactsFound}.

    What the scan does not tell is None.
    """
    return {
        "filesProcessed": details.get("files_processed"),
        "totalFiles": details.get("total_files"),
        "currentFile": details.get("current_file"),
        "artifactsFound": _first(details, FOUND),
    }


def result(results: Mapping[str, Any], duration_ms: int | None) -> dict[str, Any]:
    """How a completed scan ended: {status, artifactsCreated, durationMs}.

    `artifactsCreated` counts what this kind of scan is after: artifacts, nodes of code, vulnerabilities.
    """
    return {"status": "completed", "artifactsCreated": _first(results, CREATED), "durationMs": duration_ms}


def _first(values: Mapping[str, Any], names: Iterable[str]) -> Any:
    return next((values[name] for name in names if values.get(name) is not None), None)
