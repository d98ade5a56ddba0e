"""The migration: what it makes is what the models say, and the audit log can only grow."""

from __future__ import annotations

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from accounts import COMMAND_LINE, User, audit
from database import Base, Database

TABLES = {
    "users", "login_sessions", "api_tokens", "setup_tokens", "login_throttle", "audit_log", "password_links",
    "user_limits",
}  # fmt: skip


@pytest.mark.req("K2")
def test_the_migration_makes_exactly_the_tables_of_the_models(db: Database) -> None:
    def is_ours(item: object, _name: str, kind: str, _reflected: bool, _other: object) -> bool:
        table = item if kind == "table" else getattr(item, "table", None)
        return getattr(table, "name", None) in TABLES

    assert {table for table in Base.metadata.tables if table in TABLES} == TABLES
    with db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": is_ours, "compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


@pytest.mark.req("H5")
@pytest.mark.parametrize("statement", ["UPDATE audit_log SET actor_name = 'eve'", "DELETE FROM audit_log"])
def test_the_database_refuses_to_change_the_audit_log(db: Database, statement: str) -> None:
    with db.write() as session:
        audit.record(session, "test.done", "user:ada", COMMAND_LINE, reason="because", after={"a": 1})

    with pytest.raises(DBAPIError, match="append-only"), db.write() as session:
        session.execute(text(statement))
    with db.read() as session:
        row = session.execute(text("SELECT actor_name, subject, reason FROM audit_log")).one()
    assert tuple(row) == ("command line", "user:ada", "because")


def test_an_audit_entry_is_rolled_back_with_its_change(db: Database) -> None:
    with pytest.raises(ZeroDivisionError), db.write() as session:
        audit.record(session, "test.done", "user:ada", COMMAND_LINE)
        session.flush()
        raise ZeroDivisionError
    with db.read() as session:
        assert session.execute(text("SELECT count(*) FROM audit_log")).scalar() == 0


@pytest.mark.req("C1")
def test_a_role_that_does_not_exist_cannot_be_stored(db: Database) -> None:
    with pytest.raises(DBAPIError), db.write() as session:
        session.add(User(username="x", name_key="x", password_hash="x", role="root"))
        session.flush()
