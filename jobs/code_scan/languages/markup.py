"""HTML, Angular and Vue templates, Razor pages: what a person can press, and which handler or address it reaches.

tree-sitter reads the elements. Scripts inside a page and the script section of a Vue file are read as scripts, on
their own lines.
"""

from __future__ import annotations

import re
from functools import cache

import tree_sitter_html
from tree_sitter import Language, Node, Parser, Query, QueryCursor

from jobs.code_scan.facts import CERTAIN, LIKELY, ROUTE, UI_TRIGGER, FileFacts
from jobs.code_scan.languages.literals import endpoint
from jobs.code_scan.languages.script import is_minified, read_into
from jobs.code_scan.languages.script_interface import label_of
from jobs.code_scan.languages.source import Source

_QUERY = "(start_tag) @tag (self_closing_tag) @tag (script_element) @script"
_ATTRIBUTE = re.compile(r"""([@:()\[\]\w.\-#*]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""")
_TAG = re.compile(r"<\s*([\w:.\-]+)")
_EVENTS = frozenset("click submit change dblclick ngSubmit drop select input keydown keyup press blur".split())
_HANDLER = re.compile(r"(?:this\.|\$\.|return\s+|await\s+|void\s+)*@?([A-Za-z_$][\w$]*(?:\.[\w$]+)*)\s*(?:\(|;|\Z)")
_HTMX = {"hx-get": "GET", "hx-post": "POST", "hx-put": "PUT", "hx-patch": "PATCH", "hx-delete": "DELETE"}
_PAGE = re.compile(rb'^\s*@page\s+"([^"]*)"', re.MULTILINE)
_SECTION = re.compile(rb"<script\b([^>]*)>(.*?)</script\s*>", re.DOTALL | re.IGNORECASE)
_NOT_HANDLERS = frozenset(
    "if return true false null undefined event $event console window document location alert confirm".split()
)
_METHODS_TOO = frozenset(("confirm", "alert"))
_TEMPLATED = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_NOT_A_LINE_END = re.compile(rb"[^\n]")


@cache
def _grammar() -> tuple[Parser, Query]:
    language = Language(tree_sitter_html.language())
    return Parser(language), Query(language, _QUERY)


def analyze(path: str, language: str, data: bytes) -> FileFacts:
    """The facts of one page or template."""
    source = Source(path, language, data)
    add_triggers(source, data, 0, None)
    if language == "razor":
        for match in _PAGE.finditer(data):
            full = "/" + match[1].decode("utf-8", "replace").strip("/")
            source.add(
                ROUTE, f"VIEW {full}", match.start(), match.end(), target=full, verb="VIEW", evidence="@page directive"
            )
    if language == "vue" or b"<script" in data:
        _scripts(source, data, language)
    return source.facts()


def _scripts(source: Source, data: bytes, language: str) -> None:
    for match in _SECTION.finditer(data):
        if (
            not match[2].strip()
            or b"json" in match[1]
            or b"template" in match[1]
            or b"ld+" in match[1]
            or b"x-" in match[1]
        ):
            continue
        if is_minified(match[2]):
            continue
        is_typed = b"ts" in match[1]
        blank = _NOT_A_LINE_END.sub(b" ", data[: match.start(2)])
        inner = Source(source.path, language, blank + data[match.start(2) : match.end(2)])
        read_into(inner, "tsx" if is_typed and b"tsx" in match[1] else "typescript" if is_typed else "javascript")
        source.take(inner)


def add_triggers(source: Source, data: bytes, offset: int, component: str | None) -> None:
    """Record the triggers of a piece of markup that stands at `offset` of the file; `component` qualifies its
    handlers."""
    parser, query = _grammar()
    root = parser.parse(data).root_node
    for node in QueryCursor(query).captures(root).get("tag", ()):
        text = data[node.start_byte : min(node.end_byte, node.start_byte + 4000)].decode("utf-8", "replace")
        if "=" not in text:
            continue
        tag = _TAG.match(text)
        if tag:
            _element(source, node, text, tag[1], data, offset, component)


def _element(source: Source, node: Node, text: str, tag: str, data: bytes, offset: int, component: str | None) -> None:
    attributes = {
        match[1]: next((value for value in match.groups()[1:] if value is not None), "")
        for match in _ATTRIBUTE.finditer(text)
    }
    start, end = node.start_byte + offset, node.end_byte + offset
    for name, value in attributes.items():
        event, style = _event(name)
        if event:
            handler = _handler(value, style)
            if handler or value.strip():
                shown = _label(node, data, text)
                qualified = f"{component}.{handler}" if component and handler and "." not in handler else handler
                source.add(
                    UI_TRIGGER,
                    f'{event} "{shown}"' if shown else f"{event} <{tag}>",
                    start,
                    end,
                    function=qualified,
                    verb=event,
                    confidence=CERTAIN if handler else LIKELY,
                    evidence=f"{style} {name} on <{tag}>",
                )
        elif name.removeprefix("data-") in _HTMX:
            verb, target = _HTMX[name.removeprefix("data-")], endpoint(value)
            shown = _label(node, data, text)
            source.add(
                UI_TRIGGER,
                f'{verb.lower()} "{shown}"' if shown else f"{verb} {target}",
                start,
                end,
                target=f"{verb} {target}",
                verb="click",
                evidence=f"htmx {name} on <{tag}>",
            )
    if tag.lower() == "form":
        _form(source, attributes, start, end)


def _form(source: Source, attributes: dict[str, str], start: int, end: int) -> None:
    verb = attributes.get("method", "get").upper()
    action = attributes.get("action") or attributes.get("asp-action")
    if not action:
        return
    if "asp-action" in attributes:
        action = "/" + "/".join(part for part in (attributes.get("asp-controller"), attributes["asp-action"]) if part)
    if verb not in ("GET", "POST") or "{%" in action or action.startswith(("{{", "@", "#", "javascript:")):
        return
    target = endpoint(action)
    if not target:
        return
    source.add(
        UI_TRIGGER,
        f"submit {target}",
        start,
        end,
        target=f"{verb} {target}",
        verb="submit",
        evidence="form with an action",
    )


def _event(name: str) -> tuple[str | None, str]:
    """The event that an attribute listens to, and in whose manner."""
    if name.startswith("(") and name.endswith(")"):
        event = name[1:-1].partition(".")[0]
        return (event.lower().removeprefix("ng") if event in _EVENTS else None), "Angular"
    if name.startswith(("@", "v-on:")):
        event = name.removeprefix("@").removeprefix("v-on:").removeprefix("on").partition(".")[0]
        return (event if event in _EVENTS else None), "Vue" if name.startswith("v-on") or not name.startswith(
            "@on"
        ) else "Blazor"
    if name.startswith("on") and name[2:] in _EVENTS:
        return name[2:], "HTML"
    return None, ""


def _handler(value: str, style: str) -> str | None:
    text = value.strip()
    arrow = re.match(r"(?:async\s*)?(?:\([^()]*\)|\w+)\s*=>\s*\{?\s*(.*)", text, re.DOTALL)
    if arrow:
        text = arrow[1]
    text = re.sub(r"^\$?event\.(?:preventDefault|stopPropagation)\(\);?\s*", "", text)
    match = _HANDLER.match(text)
    if (
        match is None
        or (match[1].partition(".")[0] in _NOT_HANDLERS and (style == "HTML" or match[1] not in _METHODS_TOO))
        or re.match(r"[\w$.]+\s*=(?!=|>)", text)
    ):
        return None
    return match[1]


def _untranslated(match: re.Match[str]) -> str:
    """Template code is not text that people read, but the key of a translation stands for it."""
    return match[0] if "t(" in match[0] else " "


def _label(node: Node, data: bytes, text: str) -> str | None:
    element = node.parent
    if (
        element is None
        or element.type != "element"
        or element.end_byte - element.start_byte > 3000
        or node.type == "self_closing_tag"
    ):
        return label_of(text, "")
    inner = data[node.end_byte : element.end_byte].decode("utf-8", "replace")
    return label_of(text, _TEMPLATED.sub(_untranslated, inner))
