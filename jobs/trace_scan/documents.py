"""What the files below the artifact folder say, as plain data: documents with front matter, decisions, the risk
register, and the pieces of evidence. Pure: bytes in, facts out; nothing here knows any other file.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

import orjson

from jobs.trace_scan import front_matter, words
from jobs.trace_scan.ids import type_of

MAX_BODY_CHARS = 40_000
MAX_JSON_BYTES = 512_000
MAX_ENTRIES = 5_000
MAX_JWS_CHARS = 512_000

_HEADING = re.compile(r"(#{1,6})\s+(.+?)\s*#*")
_RISK_HEADING = re.compile(r"##\s+(RISK-[A-Z0-9]+(?:-[A-Z0-9]+)*)\s*:\s*(.+)")
_RISK_LINE = re.compile(r"\[([^\]]{1,40})\]\s*(RISK-[A-Z0-9]+(?:-[A-Z0-9]+)*)\s*\|(.+)")
_BOLD = re.compile(r"\s*[-*]?\s*\*\*([A-Za-z ]{1,40}?):?\*\*\s*:?\s*(.*)")
_REFERENCE = re.compile(r"(?<![\w-])(?:REQ|US|SPEC)(?:-[A-Z0-9]+)+(?![\w-])")
RISK_FIELDS = {"risk": "risk_level", "risk level": "risk_level", "test coverage": "test_coverage"}


def decoded(data: bytes) -> tuple[str, bool]:
    """The text with newlines as line ends and without a byte-order mark; True when it took replacements."""
    try:
        text, is_replaced = data.decode("utf-8-sig"), False
    except UnicodeDecodeError:
        text, is_replaced = data.decode("utf-8-sig", "replace"), True
    return text.replace("\r\n", "\n").replace("\r", "\n"), is_replaced


def read_document(type_: str, data: bytes) -> dict[str, Any]:
    """Facts about one artifact file: `{kind, …, trouble: [reason, line] | None}`."""
    text, is_replaced = decoded(data)
    trouble = ["It is not UTF-8.", 1] if is_replaced else (["It holds NUL bytes.", 1] if "\0" in text else None)
    if type_ == words.RISK:
        return {"kind": "register", "trouble": trouble, **(_register("") if trouble else _register(text))}
    if type_ == words.ADR:
        return {"kind": "decision", "trouble": trouble, **_decision(text.replace("\0", " "))}
    if trouble is None:
        try:
            front = front_matter.read(text)
        except front_matter.Malformed as error:
            trouble = [error.reason, error.line]
        else:
            body = front.body[:MAX_BODY_CHARS]
            return {"kind": "document", "trouble": None, "fields": front.fields, "lines": front.lines, "body": body}
    body = text.replace("\0", " ")[:MAX_BODY_CHARS]
    return {"kind": "document", "trouble": trouble, "fields": {}, "lines": {}, "body": body}


def _decision(text: str) -> dict[str, Any]:
    """Title, status and headings of a decision record, which is plain Markdown."""
    sections: dict[str, list[str]] = {}
    lines: dict[str, int] = {}
    title, current = "", ""
    for number, line in enumerate(text[:MAX_BODY_CHARS].split("\n"), start=1):
        found = _HEADING.fullmatch(line.strip()[:400])
        if found and len(found[1]) == 1 and not title:
            title = found[2]
            continue
        if found:
            current = found[2].strip().lower()
            lines.setdefault(current, number)
        elif current and line.strip():
            sections.setdefault(current, []).append(line.strip())
    fields = {"title": title, "status": (sections.get("status") or [""])[0].strip("*_ ")[:60]}
    headings = sorted(name for name in lines if len(name) < 60)
    return {"fields": fields, "headings": headings, "lines": lines, "body": text[:MAX_BODY_CHARS]}


def _register(text: str) -> dict[str, Any]:
    """The entries of the risk register, in both forms: one line with bars, or a heading with bold fields."""
    entries: list[dict[str, Any]] = []
    bad: list[int] = []
    current: dict[str, Any] | None = None
    for number, raw in enumerate(text.split("\n"), start=1):
        line = raw[:8_000]
        if len(entries) >= MAX_ENTRIES:
            bad.append(number)
            break
        if found := _RISK_HEADING.fullmatch(line.strip()):
            current = {"id": found[1], "line": number, "fields": {"title": found[2].strip()}, "refs": []}
            entries.append(current)
        elif found := _RISK_LINE.fullmatch(line.strip()):
            current = None
            entries.append(_bar_entry(found[1], found[2], found[3], number))
        elif line.lstrip().startswith("["):
            bad.append(number)
        elif current is not None:
            if found := _BOLD.fullmatch(line):
                name = found[1].strip().lower()
                current["fields"][RISK_FIELDS.get(name, name.replace(" ", "_"))] = found[2].strip()
            if not line.startswith("#"):
                current["refs"] += [[each, number] for each in _REFERENCE.findall(line)]
    return {"entries": entries, "bad": bad, "body": text[:MAX_BODY_CHARS]}


def _bar_entry(date: str, id_: str, rest: str, line: int) -> dict[str, Any]:
    fields: dict[str, Any] = {"date": date.strip()}
    refs: list[list[Any]] = []
    for part in rest.split("|"):
        name, colon, value = part.partition(":")
        name, value = name.strip().lower(), value.strip()
        if not colon:
            refs += [[each, line] for each in _REFERENCE.findall(part)]
            continue
        fields[RISK_FIELDS.get(name, name.replace(" ", "_")[:40])] = value
        if name == "test coverage":
            refs += [[each.strip(), line] for each in value.split(",") if type_of(each.strip())]
    fields["title"] = str(fields.get("impact", ""))[:200]
    return {"id": id_, "line": line, "fields": fields, "refs": refs}


def read_evidence(path: str, data: bytes) -> dict[str, Any]:
    """Size and SHA-256 of a piece of evidence; of those that are compared, what they say. Values of environment.json
    are never kept.
    """
    facts: dict[str, Any] = {"kind": "evidence", "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    name = path.rpartition("/")[2]
    if name in ("metadata.json", "manifest.json", "test-results.json"):
        facts["json"] = _json(data)
    elif name.endswith(".jws"):
        text = data[: MAX_JWS_CHARS + 1].decode("ascii", "replace").strip()
        facts["jws"] = text if len(text) <= MAX_JWS_CHARS else None
    return facts


KEPT_JSON = (
    "package_id", "spec_id", "tier", "traced_user_story", "git_commit", "system_state_hash", "created_at", "files",
    "file_count", "total_size_bytes", "tool", "version", "passed", "failed", "skipped", "duration_ms",
)  # fmt: skip


def _json(data: bytes) -> dict[str, Any] | None:
    """The fields that are compared or shown, or None when this is no JSON object."""
    if len(data) > MAX_JSON_BYTES:
        return None
    try:
        value = orjson.loads(data.removeprefix(b"\xef\xbb\xbf"))
    except ValueError:
        return None
    return {name: value[name] for name in KEPT_JSON if name in value} if isinstance(value, dict) else None
