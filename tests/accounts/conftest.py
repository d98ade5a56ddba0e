"""People and revocations for the tests of accounts. Every test runs on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import event, select

import accounts
import extensions
from accounts import COMMAND_LINE, AuditEntry, Browser, Identity, SignedIn, User
from database import Database

PASSWORD = "correct-staple-9"
HOME = Browser("192.0.2.7", "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0", "tr-TEST01-1200")


@pytest.fixture
def db(any_database: Database) -> Database:
    """A fresh database, once on SQLite and once on PostgreSQL."""
    return any_database


@pytest.fixture
def make_user(db: Database) -> Callable[..., User]:
    """Make an account: make_user("ada", role="admin")."""

    def make(username: str = "ada", role: str = "user") -> User:
        return accounts.create_user(db, username, PASSWORD, COMMAND_LINE, role=role)

    return make


@pytest.fixture
def sign_in(db: Database) -> Callable[..., SignedIn]:
    """Sign in with the password of these tests."""

    def enter(username: str = "ada", **browser: Any) -> SignedIn:
        return accounts.sign_in(db, username, PASSWORD, Browser(**browser) if browser else HOME)

    return enter


@pytest.fixture
def identity_of(db: Database) -> Callable[[SignedIn], Identity]:
    """The identity behind a login that must hold."""

    def get(signed_in: SignedIn) -> Identity:
        identity = accounts.authenticate_session(db, signed_in.token)
        assert identity is not None
        return identity

    return get


@pytest.fixture
def revocations(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, int | None]]]:
    """What was announced to the web processes, in order."""
    heard: list[dict[str, int | None]] = []
    monkeypatch.setattr(extensions, "_revocation_listeners", [])
    extensions.on_revocation(lambda **what: heard.append(what))
    yield heard


@pytest.fixture
def audited(db: Database) -> Callable[[], list[AuditEntry]]:
    """All audit entries, oldest first."""

    def read() -> list[AuditEntry]:
        with db.read() as session:
            return list(session.scalars(select(AuditEntry).order_by(AuditEntry.id)))

    return read


@pytest.fixture
def watch_statements(db: Database) -> Callable[[], list[str]]:
    """From its call on, every SQL statement but the begin of a transaction is added to the list it gives."""

    def watch() -> list[str]:
        statements: list[str] = []

        def note(_connection: object, _cursor: object, sql: str, *_rest: object) -> None:
            if sql != "BEGIN":
                statements.append(sql)

        event.listen(db.engine, "before_cursor_execute", note)
        return statements

    return watch
