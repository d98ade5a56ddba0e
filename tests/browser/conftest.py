"""Signed-in tabs, and tasks that the test itself works on."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, Request

from tests.browser.by_hand import TaskByHand
from tests.fixtures.product import Person, Server

SIGNED_IN: dict[tuple[str, str], Any] = {}
"""Cookies by server and user name, so that one person signs in once a run."""

QUIET_ERRORS = (
    "net::ERR_INTERNET_DISCONNECTED",
    "net::ERR_CONNECTION_REFUSED",
    "net::ERR_FAILED",
    "status of 503",
    "WebSocket connection to",
)


@dataclass
class Visitor:
    """Somebody who is signed in, with one browser profile and any number of tabs in it."""

    server: Server
    person: Person
    context: BrowserContext
    errors: list[str] = field(default_factory=list)
    """Exceptions, policy violations and console errors of all tabs; those of a network that is off are left out."""
    requests: list[Request] = field(default_factory=list)
    """Every request of all tabs, in order."""

    def open(self, path: str) -> Page:
        """A new tab at this address."""
        page = self.context.new_page()
        page.goto(self.server.url + path)
        return page

    def watch(self) -> None:
        """Write down what its tabs ask for and complain about."""
        self.context.on("request", lambda request: self.requests.append(request))
        self.context.on("weberror", lambda error: self.errors.append(f"exception: {error.error}"))
        self.context.on("console", self._heard)

    def _heard(self, message: Any) -> None:
        if message.type == "error" and not any(quiet in message.text for quiet in QUIET_ERRORS):
            self.errors.append(f"console: {message.text}")


def sign_in(context: BrowserContext, server: Server, person: Person) -> None:
    """Through the page, as people do."""
    page = context.new_page()
    page.goto(f"{server.url}/login")
    page.get_by_label("User name").fill(person.username)
    page.get_by_label("Password", exact=True).fill(person.password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{server.url}/")
    page.close()


@pytest.fixture
def visit(make_context: Callable[..., BrowserContext]) -> Iterator[Callable[..., Visitor]]:
    """visit(server, person, **options of the profile): a Visitor in a fresh profile, signed in."""
    visitors: list[Visitor] = []

    def make(server: Server, person: Person | None = None, **options: Any) -> Visitor:
        somebody = person or server.person("visitor")
        known = SIGNED_IN.get((server.url, somebody.username))
        context = make_context(**options, storage_state=known)
        if known is None:
            sign_in(context, server, somebody)
            SIGNED_IN[server.url, somebody.username] = context.storage_state()
        visitor = Visitor(server, somebody, context)
        visitor.watch()
        visitors.append(visitor)
        return visitor

    yield make
    for visitor in visitors:
        assert visitor.errors == [], "a page complained"


@pytest.fixture
def visitor(shared_server: Server, visit: Callable[..., Visitor]) -> Visitor:
    """Somebody on the shared server."""
    return visit(shared_server)


@pytest.fixture
def newcomer(shared_server: Server, visit: Callable[..., Visitor]) -> Visitor:
    """Somebody on the shared server who has no tasks yet, and whose login is nobody else's."""
    return visit(shared_server, shared_server.person(f"newcomer-{secrets.token_hex(4)}"))


@pytest.fixture
def make_task() -> Iterator[Callable[..., TaskByHand]]:
    """make_task(visitor, title=…): a queued task of this visitor; `.claim()` begins its first attempt."""
    tasks: list[TaskByHand] = []

    def make(visitor: Visitor, **options: Any) -> TaskByHand:
        task = TaskByHand(visitor.server, visitor.person, **options)
        tasks.append(task)
        return task

    yield make
    for task in tasks:
        task.close()


@pytest.fixture
def running(visitor: Visitor, make_task: Callable[..., TaskByHand]) -> TaskByHand:
    """A task of the visitor in the middle of its work."""
    task = make_task(visitor).claim()
    task.to(20)
    return task
