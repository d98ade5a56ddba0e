"""What people click: handlers in JSX, and in the templates of Angular components."""

from __future__ import annotations

import re

from tree_sitter import Node

from jobs.code_scan.facts import UI_TRIGGER
from jobs.code_scan.languages import known_script as known
from jobs.code_scan.languages.scopes import ScopeStack
from jobs.code_scan.languages.source import Source, clean

_CALLED = re.compile(r"(?:this\.|props\.)?([\w$]+(?:\.[\w$]+)*)\s*(?:\(|\Z)")
_ARROW = re.compile(r"\s*(?:async\s*)?(?:\([^()]*\)|\w+)\s*=>\s*\{?\s*(?:return\s+|void\s+|await\s+)?(.*)", re.DOTALL)
_TAG = re.compile(r"<[^>]*>|\{[^{}]*\}")
_TRANSLATED = re.compile(r"\{+\s*(?:\w+\.)?\$?t\(\s*[\"']([^\"'{}]+)[\"'][^{}]*\}+")
_LABEL = re.compile(r"(?<![\w:.\-\]])(?:aria-label|label|title|value|alt)\s*=\s*[\"']([^\"']{1,60})[\"']")
_KEYWORDS = frozenset(
    "if for while switch return const let var try throw new async await function null undefined".split()
)
_MARKUP = re.compile(r"""[<>="{}]|@\w+\s*\(""")
LABEL_MAX_CHARS = 60
LABEL_SEARCH_CHARS = 600


def handler_name(expression: str) -> str | None:
    """The function that a handler's expression calls first, or names."""
    arrow = _ARROW.match(expression)
    body = (arrow[1] if arrow else expression).strip()
    body = re.sub(
        r"^(?:event|e|\$event|ev)\.(?:preventDefault|stopPropagation)\(\)\s*;?\s*(?:await\s+|void\s+|return\s+)?",
        "",
        body,
    )
    match = _CALLED.match(body)
    return match[1] if match and match[1] not in _KEYWORDS else None


def label_of(opening: str, inner: str) -> str | None:
    """What a person reads on an element: the text in it, or the attribute of its opening tag that says it."""
    shown = clean(_TAG.sub(" ", _TRANSLATED.sub(r"\1", inner)))
    if re.search(r"\w", shown) and len(shown) <= LABEL_MAX_CHARS and not _MARKUP.search(shown):
        return shown
    named = _LABEL.search(opening[:LABEL_SEARCH_CHARS])
    return named[1] if named else None


def add_jsx(source: Source, scopes: ScopeStack, start: int, end: int, node: Node) -> None:
    """Record `onClick={…}` and the like."""
    name, equals, value = source.text(start, min(end, start + 400)).partition("=")
    event = known.UI_EVENTS.get(name.strip())
    if event is None or not equals or not value.startswith("{"):
        return
    handler = handler_name(value.strip("{} \n"))
    element = node.parent
    if element is None:
        return
    opening = source.text(element.start_byte, min(element.end_byte, element.start_byte + 1500))
    whole = element.parent if element.type == "jsx_opening_element" else None
    inner = source.text(element.end_byte, min(whole.end_byte, element.end_byte + 1500)) if whole is not None else ""
    tag = re.match(r"<\s*([\w.]+)", opening)
    label = label_of(_without_braces(opening), _without_braces(_TRANSLATED.sub(r"\1", inner)))
    source.add(
        UI_TRIGGER,
        f'{event} "{label}"' if label else f"{event} <{tag[1] if tag else '?'}>",
        start,
        end,
        function=handler or scopes.function(),
        target=scopes.function(),
        verb=event,
        evidence=f"{name.strip()} of <{tag[1] if tag else '?'}>",
    )


def _without_braces(text: str) -> str:
    previous = ""
    for _ in range(4):
        if previous == text:
            break
        previous, text = text, re.sub(r"\{[^{}]*\}", "", text)
    return text


def add_template(source: Source, start: int, end: int, component: str) -> None:
    """Record the triggers of an Angular template that stands in its component's file."""
    from jobs.code_scan.languages.markup import add_triggers

    add_triggers(source, source.data[start:end], start, component)
