"""The server, the pages' JavaScript and docs/protocol.md say the same words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks import events

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
EDGE = (ROOT / "websocket_progress_handler.py").read_text(encoding="utf-8")
SCRIPTS = sorted((ROOT / "static" / "js").rglob("*.js"))

SOCKET_IO_S_OWN = {"connect", "disconnect", "connect_error"}


def section(title: str) -> str:
    """The text of one `## title` of the page."""
    return re.split(r"^## ", PAGE.split(f"\n## {title}\n")[1], maxsplit=1, flags=re.MULTILINE)[0]


def first_column(title: str) -> set[str]:
    """The names in the first column of a section's first table."""
    names: set[str] = set()
    for line in section(title).splitlines():
        if line.startswith("| `"):
            names.add(line.split("`")[1])
        elif names:
            return names
    return names


def sent_by_the_server() -> set[str]:
    named = {value for name, value in vars(events).items() if name.isupper() and isinstance(value, str)}
    for file in (
        "websocket_progress_handler.py", "delivery/namespaces.py", "web_app.py", "monitoring/alerts/telling.py",
    ):  # fmt: skip
        text = (ROOT / file).read_text(encoding="utf-8")
        named |= set(re.findall(r'(?:packet|emit|tell)\((?:\w+,)?\s*"(\w+)"', text))
    return named


def heard_by_the_pages() -> Iterator[str]:
    for script in SCRIPTS:
        text = script.read_text(encoding="utf-8")
        yield from re.findall(r'(?:connection|socket)\.on\("(\w+)"', text)
        for listed in re.findall(r"_EVENTS = \[([^\]]*)\]", text):
            yield from re.findall(r'"(\w+)"', listed)


def asked_by_the_pages() -> Iterator[str]:
    for script in SCRIPTS:
        yield from re.findall(
            r'(?:request|emitWithAck|ask|call|emit)\(\s*"([a-z]+_[a-z_]+)"', script.read_text(encoding="utf-8")
        )


@pytest.mark.req("A2", "K4")
def test_every_event_that_the_server_sends_is_documented_and_the_other_way_round() -> None:
    assert sent_by_the_server() == first_column("What you receive")


@pytest.mark.req("A2", "K4")
def test_every_request_that_the_server_answers_is_documented_and_the_other_way_round() -> None:
    assert set(re.findall(r'self\._on\("(\w+)"', EDGE)) == first_column("What you send")


@pytest.mark.req("I3", "K4")
def test_the_namespace_for_scans_has_the_documented_requests_and_events() -> None:
    documented = set(re.findall(r"^\| `(\S+?)[ `]", section("The `/ws` namespace"), re.MULTILINE))
    handler = (ROOT / "websocket_scan_handler.py").read_text(encoding="utf-8")
    translation = (ROOT / "delivery" / "scan_events.py").read_text(encoding="utf-8")
    requests = set(re.findall(r'self\._on\("(\w+)"', handler))
    sent = set(re.findall(r'f"(scan:[^"]+)"', translation))
    assert documented >= requests | {name.replace("{scan_id}", "{scanId}") for name in sent}
    assert (len(requests), len(sent)) == (2, 3)


@pytest.mark.req("F1", "K4")
def test_the_pages_use_documented_words_alone() -> None:
    heard, asked = set(heard_by_the_pages()), set(asked_by_the_pages())
    assert {"progress_update", "task_log", *events.FINAL_EVENTS} <= heard
    assert heard <= first_column("What you receive") | SOCKET_IO_S_OWN
    assert asked <= first_column("What you send")


@pytest.mark.req("A2")
def test_progress_updates_hold_every_documented_field() -> None:
    row = next(line for line in section("What you receive").splitlines() if line.startswith("| `progress_update`"))
    documented = set(re.findall(r"\w+", row.split("|")[3]))
    assert documented - set(events.PROGRESS_FIELDS) == {"cancel_requested", "snapshot"}
