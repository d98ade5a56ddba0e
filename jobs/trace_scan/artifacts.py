"""Makes artifacts of facts: canonical names and values, the id from the front matter or the name, what each refers to.

`required` is said of the result by schemas.py; here aliases are resolved and what is odd but clear is noted.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any

from jobs.trace_scan import schemas, words
from jobs.trace_scan.found import Artifact, Problem
from jobs.trace_scan.ids import MAX_ID, from_name, is_standard, type_of
from jobs.trace_scan.words import REQUIREMENT, SPEC, STORY

TRACED = (REQUIREMENT, STORY, SPEC)
_CAMEL = re.compile(r"(?<=[a-z0-9])([A-Z])")
ALIASES: dict[str, dict[str, str]] = {
    REQUIREMENT: {"id": "gxp_id", "risk_level": "gxp_risk_rating", "risk": "gxp_risk_rating"},
    STORY: {"id": "gxp_id", "risk_level": "gxp_risk_rating", "risk": "gxp_risk_rating", "requirement": "parent_id",
            "tier": "verification_tier"},
    SPEC: {"id": "gxp_id", "risk_level": "gxp_risk_rating", "risk": "gxp_risk_rating", "user_story": "parent_id",
           "tier": "verification_tier"},
    words.SYSTEM_CONTEXT: {"assurance_status": "validation_status", "risk_level": "gxp_risk_rating"},
}  # fmt: skip
ENUMS: dict[str, tuple[str, ...]] = {
    "gxp_risk_rating": words.RISKS,
    "verification_tier": words.TIERS,
    "validation_status": schemas.STATUSES,
}
_OTHER_ENUMS: dict[str, dict[str, tuple[str, ...]]] = {
    words.RECORD: {
        "test_type": ("SCRIPTED", "UNSCRIPTED", "AD-HOC"),
        "result": ("PASS", "FAIL", "PASS_WITH_DEVIATIONS"),
    },
    words.ADR: {"status": schemas.DECISIONS},
    words.RISK: {"risk_level": words.RISKS, "status": schemas.RISK_STATUSES},
}
PARENT_FIELDS = {
    "parent_id": words.PARENT,
    "satisfies": words.SATISFIES,
    "implements": words.IMPLEMENTS,
}
FILE_FIELDS = {"source_files": words.SOURCE_FILE, "test_files": words.TEST_FILE}
_STORY_LINES = re.compile(
    r"^[ \t]*(?:[-*][ \t]+)?\*\*(As an?|I want|So that)\*\*:?[ \t]*(\S.*)$", re.IGNORECASE | re.MULTILINE
)


def snake(name: str) -> str:
    """`parentId` as `parent_id`; names with a blank or a hyphen stay."""
    return _CAMEL.sub(r"_\1", name).lower() if _CAMEL.search(name) and "_" not in name else name


def canonical(
    type_: str, fields: dict[str, Any], lines: dict[str, int]
) -> tuple[dict[str, Any], dict[str, int], list[str]]:
    """The fields under their canonical names and values, the lines of those, and which enums were spelt otherwise."""
    made: dict[str, Any] = {}
    places: dict[str, int] = {}
    respelt: list[str] = []
    aliases = ALIASES.get(type_, {})
    named = {name: snake(name) for name in fields}
    taken = set(named.values())
    for name, value in fields.items():
        key = named[name]
        other = aliases.get(key, key)
        key = other if other == key or other not in taken else key
        if key in made:
            continue
        made[key] = value
        for place, line in lines.items():
            if place == name or place.startswith(name + "/"):
                places[key + place[len(name) :]] = line
    for name, allowed in {**ENUMS, **_OTHER_ENUMS.get(type_, {})}.items():
        value = made.get(name)
        if isinstance(value, str):
            spelt = value.strip().upper().replace(" ", "_")
            spelt = spelt if name == "test_type" else spelt.replace("-", "_")
            if spelt in allowed and spelt != value:
                made[name] = spelt
                if name in ("gxp_risk_rating", "verification_tier", "risk_level"):
                    respelt.append(f"{name}: {value}")
    return made, places, respelt


def document(type_: str, path: str, facts: dict[str, Any]) -> Artifact:
    """The artifact that one file below the artifact folder is; not for the risk register and packages of evidence."""
    by_name = from_name(path) if type_ in TRACED else PurePosixPath(path).name.removesuffix(".md")
    if type_ == words.ADR:
        found = re.match(r"ADR-[A-Za-z0-9]+", by_name or "")
        by_name = found[0] if found else by_name
    if facts.get("trouble"):
        reason, line = facts["trouble"]
        made = Artifact(type_, _cut(by_name or path), path, PurePosixPath(path).name, line, words.MALFORMED)
        made.problems.append(Problem(words.ERROR, "", line, reason, "malformed"))
        made.body = facts.get("body", "")
        return made
    fields, lines, respelt = canonical(type_, facts["fields"], facts["lines"])
    own_id = fields.get("gxp_id") if type_ in TRACED else None
    is_named = isinstance(own_id, str) and bool(own_id.strip())
    id_ = str(own_id).strip() if is_named else (by_name or PurePosixPath(path).stem)
    if type_ == words.SYSTEM_CONTEXT:
        id_ = "system_context"
    made = Artifact(type_, _cut(id_), path, fields=fields, body=facts.get("body", ""))
    made.title = _title(fields, made)
    made.line = lines.get("gxp_id", 1)
    made.problems = list(schemas.problems(type_, fields, lines))
    made.notices = respelt
    _read_values(made, fields)
    if type_ in TRACED:
        _check_id(made, by_name, lines)
        _read_references(made, fields, lines)
    if type_ == words.RECORD and isinstance(fields.get("spec_id"), str):
        made.refs.append((words.EVIDENCES, fields["spec_id"].strip(), lines.get("spec_id", 1)))
    if type_ == words.ADR:
        _check_headings(made, facts)
    if any(each.severity == words.ERROR for each in made.problems):
        made.state = words.INVALID
    return made


def _cut(text: str) -> str:
    return text.replace("\0", "")[:MAX_ID]


def _title(fields: dict[str, Any], made: Artifact) -> str:
    names = ("title", "project_name", "product", "summary")
    found = next((fields[name] for name in names if isinstance(fields.get(name), str) and fields[name].strip()), "")
    return " ".join(found.split())[:500] or PurePosixPath(made.path).name[:500]


def _read_values(made: Artifact, fields: dict[str, Any]) -> None:
    risk, tier, status = (fields.get(name) for name in ("gxp_risk_rating", "verification_tier", "validation_status"))
    made.risk = risk if risk in words.RISKS else None
    made.tier = tier if tier in words.TIERS else None
    status = status if isinstance(status, str) else fields.get("status")
    made.status = status[:100] if isinstance(status, str) else None
    if made.type == STORY:
        for name, said in _STORY_LINES.findall(made.body[:20_000]):
            key = {"as": "as_a", "i ": "i_want", "so": "so_that"}[name.lower()[:2]]
            fields.setdefault(key, said.strip()[:500])


def _check_id(made: Artifact, by_name: str | None, lines: dict[str, int]) -> None:
    line = lines.get("gxp_id", 1)
    type_ = type_of(made.id)
    if type_ != made.type:
        wanted = {REQUIREMENT: "REQ-", STORY: "US-", SPEC: "SPEC-"}[made.type]
        made.problems.append(
            Problem(words.ERROR, "gxp_id", line, f"{made.id} is in a folder whose ids begin with {wanted}.")
        )
    elif not is_standard(made.id):
        made.notices.append("nonstandard_id")
    if by_name and by_name != made.id:
        message = f"The file is called {by_name}, its front matter says {made.id}. The front matter counts."
        made.problems.append(Problem(words.WARNING, "gxp_id", line, message, "name_differs"))


def _read_references(made: Artifact, fields: dict[str, Any], lines: dict[str, int]) -> None:
    made.is_inferable = made.type != REQUIREMENT and not any(name in fields for name in PARENT_FIELDS)
    for name, relation in PARENT_FIELDS.items():
        if name == "implements" and made.type != SPEC:
            continue
        made.refs += [(relation, ref, line) for ref, line in _texts(fields, name, lines)]
    if made.type == SPEC:
        for name, relation in FILE_FIELDS.items():
            made.refs += [(relation, ref, line) for ref, line in _texts(fields, name, lines)]


def _texts(fields: dict[str, Any], name: str, lines: dict[str, int]) -> list[tuple[str, int]]:
    value = fields.get(name)
    values = value if isinstance(value, list) else [value]
    found = []
    for number, each in enumerate(values):
        if isinstance(each, str) and each.strip():
            for part in each.split(",") if name in PARENT_FIELDS else [each]:
                line = lines.get(f"{name}/{number}", lines.get(name, 1))
                found.append((part.strip().strip("{}")[:1000], line))
    return found


def _check_headings(made: Artifact, facts: dict[str, Any]) -> None:
    for name in ("context", "decision", "consequences"):
        if name not in facts["headings"]:
            message = f"The heading {name.capitalize()} is absent."
            made.problems.append(Problem(words.NOTICE, name, 1, message))


def risks(path: str, facts: dict[str, Any]) -> list[Artifact]:
    """The entries of the risk register."""
    if facts.get("trouble"):
        made = Artifact(words.RISK, "risk_assessment", path, "Risk register", state=words.MALFORMED)
        made.problems.append(Problem(words.ERROR, "", facts["trouble"][1], facts["trouble"][0], "malformed"))
        return [made]
    found = []
    for entry in facts["entries"]:
        lines = dict.fromkeys(entry["fields"], entry["line"])
        fields, _, _ = canonical(words.RISK, entry["fields"], lines)
        made = Artifact(words.RISK, _cut(entry["id"]), path, str(fields.get("title", ""))[:500], entry["line"])
        made.fields = fields
        made.risk = fields["risk_level"] if fields.get("risk_level") in words.RISKS else None
        made.status = str(fields["status"])[:100] if fields.get("status") else None
        made.problems = [
            Problem(each.severity, each.field, entry["line"], each.message)
            for each in schemas.problems(words.RISK, fields, lines)
        ]
        made.refs = [(words.CONCERNS, ref, line) for ref, line in dict.fromkeys(map(tuple, entry["refs"]))]
        made.state = words.INVALID if any(each.severity == words.ERROR for each in made.problems) else words.OK
        found.append(made)
    return found
