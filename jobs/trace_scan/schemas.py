"""The rules of each artifact type as JSON Schema (draft 2020-12), and messages made of them with file and line.

Fields arrive under their canonical names, enums in their canonical spelling; unknown fields are no error.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from jobs.trace_scan import words
from jobs.trace_scan.found import Problem

STATUSES = (
    "DRAFT", "IN_REVIEW", "VALIDATED", "RETIRED", "DEPRECATED", "ASSURED", "APPROVED", "IMPLEMENTED", "READY",
    "IN_PROGRESS", "REVIEWED",
)  # fmt: skip
DECISIONS = ("PROPOSED", "ACCEPTED", "DEPRECATED", "SUPERSEDED")
RISK_STATUSES = ("OPEN", "MITIGATED", "ACCEPTED", "CLOSED")
SEMVER = (
    r"^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"
    r"(-(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(\.(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*)?(\+[0-9a-zA-Z.-]+)?$"
)
UUID = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
DIALECT = "https://json-schema.org/draft/2020-12/schema"

TEXT: dict[str, Any] = {"type": "string", "minLength": 1}
TEXTS: dict[str, Any] = {"type": "array", "items": {"type": "string"}}
IDS: dict[str, Any] = {"type": ["string", "array", "null"], "items": {"type": "string"}}
RISK = {"enum": list(words.RISKS)}
TIER = {"enum": list(words.TIERS)}
STATUS = {"enum": list(STATUSES)}
MATRIX_ROW = {
    "type": "object",
    "properties": {
        "coverage_threshold": {"type": "string", "pattern": r"^(100|\d{1,2})(\.\d+)?$"},
        "required_tiers": {"type": "array", "items": TIER},
    },
}


def _schema(properties: dict[str, Any], required: tuple[str, ...]) -> dict[str, Any]:
    return {"$schema": DIALECT, "type": "object", "properties": properties, "required": list(required)}


_COMMON = {"gxp_id": TEXT, "title": TEXT, "gxp_risk_rating": RISK, "validation_status": STATUS}
SCHEMAS: dict[str, dict[str, Any]] = {
    words.SYSTEM_CONTEXT: _schema(
        {
            "id": {"type": "string", "pattern": UUID},
            "project_name": TEXT,
            "intended_use": TEXT,
            "version": {"type": "string", "pattern": SEMVER},
            "gxp_risk_rating": RISK,
            "validation_status": STATUS,
        },
        ("id", "project_name", "intended_use", "version", "gxp_risk_rating", "validation_status"),
    ),
    words.REQUIREMENT: _schema(
        {**_COMMON, "acceptance_criteria": TEXTS, "parent_id": IDS, "satisfies": IDS},
        ("gxp_id", "title", "gxp_risk_rating"),
    ),
    words.STORY: _schema(
        {**_COMMON, "parent_id": IDS, "satisfies": IDS, "acceptance_criteria": TEXTS, "verification_tier": TIER},
        ("gxp_id", "title"),
    ),
    words.SPEC: _schema(
        {
            **_COMMON,
            "parent_id": IDS,
            "implements": IDS,
            "satisfies": IDS,
            "verification_tier": TIER,
            "source_files": {"type": ["array", "null"], "items": TEXT},
            "test_files": {"type": ["array", "null"], "items": TEXT},
        },
        ("gxp_id", "title", "verification_tier"),
    ),
    words.VENDOR: _schema(
        {},
        (
            "vendor_name", "product", "certification_type", "certification_date", "expiry_date", "scope",
            "risk_reduction_justification",
        ),
    ),
    words.RECORD: _schema(
        {
            "spec_id": TEXT,
            "test_type": {"enum": ["SCRIPTED", "UNSCRIPTED", "AD-HOC"]},
            "result": {"enum": ["PASS", "FAIL", "PASS_WITH_DEVIATIONS"]},
        },
        ("spec_id", "tester", "test_date", "test_type", "result", "summary"),
    ),
    words.ADR: _schema({"title": TEXT, "status": {"enum": list(DECISIONS)}}, ("title", "status")),
    words.RISK: _schema({"risk_level": RISK, "status": {"enum": list(RISK_STATUSES)}}, ("risk_level",)),
    words.SETTINGS: _schema(
        {
            "risk": {
                "type": "object",
                "properties": {
                    "matrix": {"type": "object", "properties": dict.fromkeys(words.RISKS, MATRIX_ROW)},
                },
            },
            "artifacts": {
                "type": "object",
                "properties": {
                    "directory": TEXT,
                    "formal_artifacts": {"enum": ["required", "optional", "none"]},
                },
            },
        },
        (),
    ),
}  # fmt: skip
RECOMMENDED: dict[str, tuple[str, ...]] = {
    words.REQUIREMENT: ("description", "acceptance_criteria", "validation_status"),
    words.STORY: ("acceptance_criteria", "validation_status"),
    words.SPEC: ("design_approach", "source_files", "test_files", "validation_status"),
}


@cache
def _validator(type_: str) -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(SCHEMAS[type_])


def problems(type_: str, fields: dict[str, Any], lines: dict[str, int]) -> Iterator[Problem]:
    """A message for each field that breaks a rule of its type, and a notice for each recommended one that is absent."""
    for error in _validator(type_).iter_errors(fields):
        path = "/".join(str(part) for part in error.absolute_path)
        if error.validator == "required":
            for name in error.validator_value:
                if name not in error.instance:
                    name = f"{path}/{name}" if path else name
                    yield Problem(words.ERROR, name, lines.get(path, 1), f"The field {name} is required and absent.")
            continue
        yield Problem(words.ERROR, path, _line(path, lines), _message(path, error))
    for name in RECOMMENDED.get(type_, ()):
        if name not in fields:
            yield Problem(words.NOTICE, name, 1, f"The field {name} is recommended and absent.")


def _line(path: str, lines: dict[str, int]) -> int:
    while path and path not in lines:
        path = path.rpartition("/")[0]
    return lines.get(path, 1)


def _message(path: str, error: Any) -> str:
    shown = "empty" if error.instance in (None, "", [], {}) else repr(error.instance)[:80]
    name = f"The field {path.replace('/', ', item ')}" if path else "The front matter"
    if error.validator == "enum":
        return f"{name} is {shown}. It has to be one of {', '.join(error.validator_value)}."
    if error.validator == "minLength":
        return f"{name} is empty. Write a text."
    if error.validator == "type":
        wanted = error.validator_value if isinstance(error.validator_value, list) else [error.validator_value]
        names = {"string": "a text", "array": "a list", "object": "a list of fields", "null": "empty"}
        return f"{name} is {shown}. It has to be {' or '.join(names[each] for each in wanted)}."
    if error.validator == "pattern":
        form = {UUID: "a UUID", SEMVER: "a version such as 1.4.2"}.get(error.validator_value, "a percentage")
        return f"{name} is {shown}. It has to be {form}."
    return f"{name}: {error.message[:200]}."
