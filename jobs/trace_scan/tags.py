"""Tags in comments: which lines hold one, what it says, and which tags belong together.

A tag counts only as the first thing of a comment line after its decoration. What is found is plain data for JSON:
a block is `{line, column, name, is_suite, refs: [[meaning, id, line, tag]], tier, risk, text}`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from jobs.trace_scan import words
from jobs.trace_scan.comments import LINE, Comment
from jobs.trace_scan.ids import id_list

# Meanings of link tags.
SATISFIES = "satisfies"
IMPLEMENTS = "implements"
VERIFIES = "verifies"
STORY = "story"
DERIVES = "derives_from"
LINK_TAGS: dict[str, str] = {
    "gxp-req": SATISFIES,
    "requirement": SATISFIES,
    "gxp-satisfies": SATISFIES,
    "gxp-spec": IMPLEMENTS,
    "gxp-tag": IMPLEMENTS,
    "gxp-implements": IMPLEMENTS,
    "gxp-verifies": VERIFIES,
    "trace": STORY,
    "gxp-story": STORY,
    "gxp-derives-from": DERIVES,
}
VALUE_TAGS = frozenset({"test-type", "gxp-risk", "gxp-criticality", "gxp-risk-concern", "description"})
# Tags of older versions, and what to write in their place.
OLDER_TAGS = {
    "requirement": "gxp-satisfies",
    "gxp-tag": "gxp-implements or gxp-verifies",
    "gxp-criticality": "gxp-risk",
}
WITHDRAWN = frozenset({"gxp-id", "gxp-traces", "gxp-type", "gxp-desc"})
TIER_OF = {"iq": "IQ", "oq": "OQ", "pq": "PQ", "unit": "OQ", "integration": "OQ", "e2e": "PQ"}
MAX_AFTER_TAG = 4_000
MAX_BLOCKS = 2_000
MAX_TEXT = 300

# A file without any of these holds no annotation, so only the others are parsed.
MAY_HOLD = re.compile(
    rb"@gxp-|@trace\b|@requirement\b|@test-type\b|mark\.(?:req|spec|trace)\b|\bGxp(?:Req|Spec|Trace)\b"
)

_DECORATION = re.compile(r"\s*(?:<!--+|@\*|/\*+!?|\*+(?!/)|/{2,}!?|\#+!?|--+(?:\[\[)?|;+|=begin)*\s*")
_XML = re.compile(r"(?:</?[A-Za-z][\w:.-]*(?:\s[^<>]{0,200})?/?>\s*)+")
_TAG = re.compile(r"@([A-Za-z][A-Za-z-]*[A-Za-z])(?![\w(.-])(:?)(.*)", re.DOTALL)
_ENDS = ("*/", "-->", "*@", "]]")


class TagLine(NamedTuple):
    """One tag: its name, the text after it, whether a colon stood between, and its line."""

    name: str
    text: str
    has_colon: bool
    line: int


@dataclass(slots=True)
class Findings:
    """What a file's comments say. Each of `malformed` is `[line, tag, text]`; the others count lines by tag."""

    blocks: list[dict[str, Any]] = field(default_factory=list)
    malformed: list[list[Any]] = field(default_factory=list)
    unknown: list[list[Any]] = field(default_factory=list)
    withdrawn: list[list[Any]] = field(default_factory=list)
    older: dict[str, int] = field(default_factory=dict)


def group(found: Iterable[Comment]) -> Iterator[list[Comment]]:
    """Comments that make one block: a block comment alone, or line comments on adjoining lines."""
    together: list[Comment] = []
    for comment in found:
        last = together[-1] if together else None
        if last and not (comment.kind == last.kind == LINE and comment.is_alone and comment.line == last.line + 1):
            yield together
            together = []
        together.append(comment)
    if together:
        yield together


def tag_lines(block: Iterable[Comment], language: str) -> Iterator[TagLine]:
    """The tags of a block, in order."""
    for comment in block:
        if language == "dockerfile" and not comment.is_alone:
            continue
        for number, raw in enumerate(comment.text.split("\n")):
            if "@" not in raw:
                continue
            start = _DECORATION.match(raw[: MAX_AFTER_TAG + 500])
            text = raw[start.end() if start else 0 :]
            if comment.text.startswith("///") and (element := _XML.match(text[:500])):
                text = text[element.end() :]
            if found := _TAG.match(text):
                yield TagLine(found[1], found[3], bool(found[2]), comment.line + number)


def read_block(block: list[Comment], language: str, said: Findings) -> dict[str, Any] | None:
    """The block's tags as data, or None when it has none that count. What is odd goes to `said`."""
    made: dict[str, Any] = {"line": 0, "column": block[0].column, "name": "", "is_suite": False, "refs": []}
    made |= {"tier": None, "risk": None, "text": ""}
    for tag in tag_lines(block, language):
        _take(tag, made, said)
    return made if made["line"] else None


def _take(tag: TagLine, made: dict[str, Any], said: Findings) -> None:
    name = tag.name
    if tag.has_colon and name in WITHDRAWN:
        said.withdrawn.append([tag.line, name])
        return
    if name not in LINK_TAGS and name not in VALUE_TAGS:
        if name.startswith("gxp-"):
            said.unknown.append([tag.line, name])
        return
    if len(tag.text) > MAX_AFTER_TAG:
        said.malformed.append([tag.line, name, "It is longer than 4,000 characters."])
        return
    text = _clean(tag.text)
    if name in LINK_TAGS:
        if not _take_link(tag, text, made, said):
            return
    elif not _take_value(name, text, made):
        said.malformed.append([tag.line, name, f"{text[:60]!r} is not one of its values."])
        return
    if name in OLDER_TAGS:
        said.older[name] = said.older.get(name, 0) + 1
    if name != "description":
        made["line"] = made["line"] or tag.line


def _clean(text: str) -> str:
    text = text.strip()
    end = next((each for each in _ENDS if text.endswith(each)), "")
    return text.removesuffix(end).rstrip("*- ") if end else text


def _take_link(tag: TagLine, text: str, made: dict[str, Any], said: Findings) -> bool:
    found = id_list(text)
    if found.is_malformed:
        shown = f"{text[:60]!r} is not an id" if not found.ids else f"after {found.ids[-1]} comes no further id"
        said.malformed.append([tag.line, tag.name, f"{shown}."])
    for each in found.ids:
        made["refs"].append([LINK_TAGS[tag.name], each, tag.line, tag.name])
    return bool(found.ids)


def _take_value(name: str, text: str, made: dict[str, Any]) -> bool:
    word = text.split()[0].strip("\"',.;*") if text.split() else ""
    if name == "test-type":
        made["tier"] = TIER_OF.get(word.lower()) or made["tier"]
        return True
    if name in ("gxp-risk", "gxp-criticality"):
        if word.upper() not in words.RISKS:
            return False
        made["risk"] = word.upper()
        return True
    made["text"] = (made["text"] or text.strip("\"'"))[:MAX_TEXT]
    return True


_GOVERNED = (
    re.compile(r"\b(?P<suite>describe|context|suite)(?:\.\w+)*\s*\(\s*(?P<q>[\"'`])(?P<name>.*?)(?P=q)"),
    re.compile(r"\b(?:it|test|specify)(?:\.\w+)*\s*\(\s*(?P<q>[\"'`])(?P<name>.*?)(?P=q)"),
    re.compile(r"\b(?P<suite>class|interface|struct|enum|trait|impl|module|namespace|object)\s+(?P<name>[\w.$:]+)"),
    re.compile(r"\b(?:def|func|function\*?|fn|fun)\s+(?:\([^)]*\)\s*)?(?P<name>[\w$.]+)"),
    re.compile(r"\b(?:const|let|var|val|type)\s+(?P<name>[\w$]+)"),
    re.compile(r"(?P<name>[\w$]+)\s*\([^;]*\)\s*(?::[^{;=]+)?(?:\{|=>|$)"),
)
MAX_LOOK_LINES = 12


def governed(lines: list[str], after: int) -> tuple[str, bool]:
    """Name and whether it is a suite, of the declaration that follows line `after` (from 1); ("", False) for none."""
    for raw in lines[after : after + MAX_LOOK_LINES]:
        text = raw.strip()[:400]
        if not text or text.startswith(("@", "[", "//", "#", "*", "/*", "--")):
            continue
        if text.startswith(("import ", "from ", "package ", "use ", "using ", "#include", "require", '"use ')):
            return "", False
        for pattern in _GOVERNED:
            if found := pattern.search(text):
                return found["name"][:200], "suite" in pattern.groupindex
        return "", False
    return "", False


def read_comments(language: str, found: list[Comment], text: str) -> Findings:
    """Everything that a file's comments say."""
    said = Findings()
    lines = text.split("\n")
    for block in group(found):
        if len(said.blocks) >= MAX_BLOCKS:
            said.malformed.append([block[0].line, "gxp-", f"Only the first {MAX_BLOCKS:,} blocks of a file are read."])
            break
        made = read_block(block, language, said)
        if made:
            last = block[-1]
            made["name"], made["is_suite"] = governed(lines, last.line + last.text.rstrip("\n").count("\n"))
            said.blocks.append(made)
    return said
