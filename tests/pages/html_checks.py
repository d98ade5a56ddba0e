"""What every page must keep, read from its HTML: a valid outline, names for controls, and no inline code."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = frozenset({"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"})
CONTROLS = frozenset({"input", "select", "textarea"})


class Page(HTMLParser):
    """The elements of a page outside `<template>`, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text: list[str] = []
        self.labelled: set[int] = set()
        self.words: dict[int, str] = {}
        self._open: list[tuple[str, int]] = []
        self._templates = 0
        self.crossed: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "template":
            self._templates += 1
        if not self._templates:
            if any(name == "label" for name, _ in self._open):
                self.labelled.add(len(self.elements))
            self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append((tag, len(self.elements) - 1))

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        if not self._open or self._open[-1][0] != tag:
            self.crossed.append(f"</{tag}> after <{self._open[-1][0] if self._open else 'nothing'}>")
            return
        self._open.pop()
        if tag == "template":
            self._templates -= 1

    def handle_data(self, data: str) -> None:
        if self._templates:
            return
        self.text.append(data)
        for _, index in self._open:
            self.words[index] = self.words.get(index, "") + data

    def ids(self) -> list[str]:
        return [attributes["id"] for _, attributes in self.elements if "id" in attributes]

    def find(self, tag: str, **wanted: str) -> list[dict[str, str]]:
        """The attributes of the elements with this name and these attributes (`data_x` stands for `data-x`)."""
        asked = {name.rstrip("_").replace("_", "-"): value for name, value in wanted.items()}
        return [
            a for name, a in self.elements if name == tag and all(a.get(key) == value for key, value in asked.items())
        ]

    def words_of(self, hook: str) -> str:
        """The text inside the first element with this data attribute."""
        for index, (_, attributes) in enumerate(self.elements):
            if f"data-{hook}" in attributes:
                return " ".join(self.words.get(index, "").split())
        raise AssertionError(f"no element has data-{hook}")


def faults(html: str) -> list[str]:
    """Every rule of this module that the page breaks."""
    page = Page(html)
    return [*_outline(page), *_references(page), *_names(page), *_inline(page)]


def _outline(page: Page) -> list[str]:
    ids = page.ids()
    found = [f"id {each!r} is there {ids.count(each)} times" for each in sorted(set(ids)) if ids.count(each) > 1]
    headings = sum(tag == "h1" for tag, _ in page.elements)
    return [*found, *page.crossed, *([f"{headings} h1"] if headings != 1 else [])]


def _references(page: Page) -> list[str]:
    ids = set(page.ids())
    found = []
    for tag, attributes in page.elements:
        named = [
            each
            for key in ("aria-labelledby", "aria-describedby", "for", "list")
            for each in attributes.get(key, "").split()
        ]
        if tag == "use" or (
            tag == "a" and attributes.get("href", "").startswith("#") and not attributes["href"].startswith("#L")
        ):
            named.append(attributes["href"].removeprefix("#"))
        found += [f"<{tag}> refers to {each!r}, which is not there" for each in named if each not in ids]
    return found


def _names(page: Page) -> list[str]:
    labelled = {attributes["for"] for tag, attributes in page.elements if tag == "label" and "for" in attributes}
    found = []
    for index, (tag, attributes) in enumerate(page.elements):
        has_name = bool(attributes.get("aria-label") or attributes.get("aria-labelledby"))
        if tag in CONTROLS and attributes.get("type") != "hidden":
            if not (has_name or index in page.labelled or attributes.get("id") in labelled):
                found.append(f"no label: {attributes}")
        elif (
            tag in ("button", "a")
            and "hidden" not in attributes
            and not (has_name or page.words.get(index, "").strip())
        ):
            found.append(f"no words: <{tag}> {attributes}")
    return found


def _inline(page: Page) -> list[str]:
    found = []
    for tag, attributes in page.elements:
        found += [f"<{tag} {name}>" for name in attributes if name == "style" or name.startswith("on")]
        if tag == "style" or (tag == "script" and not attributes.get("src")):
            found.append(f"inline <{tag}>")
        for name in ("src", "href", "action"):
            if attributes.get(name, "").startswith(("http:", "https:", "//", "javascript:", "data:")):
                found.append(f"<{tag}> leads to {attributes[name]}")
    return found
