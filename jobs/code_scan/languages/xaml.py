"""XAML: commands and event handlers of a page. Read by expat, with every declaration of entities refused."""

from __future__ import annotations

import re
from typing import Any
from xml.parsers import expat

from jobs.code_scan.facts import CERTAIN, CLASS, UI_TRIGGER, FileFacts
from jobs.code_scan.languages.source import Source

_BINDING = re.compile(r"\{\s*(?:x:)?Bind(?:ing)?\s+(?:Path\s*=\s*)?([\w.()\[\]]+)")
_EVENTS = {
    "Click": "click",
    "Clicked": "click",
    "Tapped": "click",
    "MouseDoubleClick": "dblclick",
    "SelectionChanged": "change",
    "Checked": "change",
    "Unchecked": "change",
    "TextChanged": "change",
    "Toggled": "change",
    "DoubleTapped": "dblclick",
    "Drop": "drop",
    "KeyDown": "keydown",
}
_LABELS = ("Content", "Header", "Text", "Label", "Title", "ToolTip", "AutomationProperties.Name", "x:Name", "Name")
_CLASS = "http://schemas.microsoft.com/winfx/2006/xaml"


class _RefusedError(Exception):
    """The file declares entities or a document type."""


def analyze(path: str, language: str, data: bytes) -> FileFacts:
    """The facts of one XAML file, up to the place where it stops being XML."""
    source = Source(path, language, data)
    reader = _Reader(source)
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = reader.start(parser)
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, _RefusedError, ValueError):
        source.broken += 1
    return source.facts()


def _refuse(*_: object) -> None:
    raise _RefusedError


class _Reader:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.page: str | None = None

    def start(self, parser: Any) -> Any:
        def handle(tag: str, attributes: dict[str, str]) -> None:
            at = parser.CurrentByteIndex
            if self.page is None and "x:Class" in attributes:
                self.page = attributes["x:Class"].rpartition(".")[2]
                self.source.add(CLASS, self.page, at, at + 1, target=tag, evidence="x:Class of a XAML page")
            self._element(tag, attributes, at)

        return handle

    def _element(self, tag: str, attributes: dict[str, str], at: int) -> None:
        label = next((value for name in _LABELS if (value := attributes.get(name)) and not value.startswith("{")), None)
        end = self.source.data.find(b">", at) + 1 or at + 1
        for name, value in attributes.items():
            if name in ("Command", "Tapped.Command") and (binding := _BINDING.match(value)):
                handler = binding[1].rpartition(".")[2]
                self._add("click", label, tag, at, end, handler, f"{tag} with a Command binding to {binding[1]}")
            elif name in _EVENTS and not value.startswith("{"):
                handler = f"{self.page}.{value}" if self.page else value
                self._add(_EVENTS[name], label, tag, at, end, handler, f"{tag} with {name}, handled in its code behind")

    def _add(self, event: str, label: str | None, tag: str, at: int, end: int, handler: str, evidence: str) -> None:
        self.source.add(
            UI_TRIGGER,
            f'{event} "{label}"' if label else f"{event} <{tag}>",
            at,
            end,
            function=handler,
            target=self.page,
            verb=event,
            confidence=CERTAIN,
            evidence=evidence,
        )
