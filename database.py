"""The one way to the database: engines, sessions, time columns and migrations.

SQL is the truth of every task, so the rule here is that a transaction either commits whole or leaves nothing, and
that waiting for a lock never stops the event loop: SQLite is asked for its write lock at the start of a transaction
and asked again after a short sleep, which is a green sleep in the web process.
"""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVarTuple

from sqlalchemy import DateTime, Dialect, Engine, MetaData, Row, Select, create_engine, event
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.pool import NullPool
from sqlalchemy.types import TypeDecorator

Ts = TypeVarTuple("Ts")
MIGRATIONS = Path(__file__).resolve().parent / "migrations"
WRITE_LOCK_TIMEOUT_S = 15.0


class DatabaseBusy(Exception):
    """Another process held the database's write lock for longer than WRITE_LOCK_TIMEOUT_S."""


class Base(DeclarativeBase):
    """The root of every mapped class. Constraint names are fixed so that migrations can name them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class UtcDateTime(TypeDecorator[datetime]):
    """An aware moment in UTC, in and out, on every database. Naive values are refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone cannot be stored")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def is_sqlite(url: str) -> bool:
    """Whether this is the address of an SQLite file."""
    return make_url(url).get_backend_name() == "sqlite"


def utc_now() -> datetime:
    """This moment, aware, cut to milliseconds: what is stored equals what is announced."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def rfc3339(moment: datetime | None) -> str | None:
    """`2026-11-21T14:02:10.402Z`: RFC 3339 in UTC with milliseconds; None stays None (unknown)."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")[: -len("+00:00")] + "Z"


class Database:
    """Sessions on one database, safe to use from many threads or green threads.

    `pooled=True` keeps a few connections open between transactions, `pooled=False` none. A process that forks keeps
    none of SQLite, and calls `after_fork` in the child. SQLite runs in WAL mode with synchronous=NORMAL: a crash of any
    process loses nothing, a power cut may lose the last moments but never the file.
    """

    def __init__(self, url: str, *, pooled: bool = True) -> None:
        self.url = url
        self.is_sqlite = is_sqlite(url)
        self.engine = self._make_engine(url, pooled)
        self._writer = self.engine.execution_options(taskroom_patience_s=WRITE_LOCK_TIMEOUT_S)
        self._hasty_writer = self.engine.execution_options(taskroom_patience_s=0.0)
        self._asker = self.engine.execution_options(taskroom_single=True)

    def _make_engine(self, url: str, pooled: bool) -> Engine:
        if self.is_sqlite:
            options: dict[str, Any] = {"connect_args": {"timeout": 0, "check_same_thread": False}}
            options |= {"pool_size": 8, "max_overflow": 24} if pooled else {"poolclass": NullPool}
            engine = create_engine(url, **options)
            event.listen(engine, "connect", _prepare_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
            return engine
        options = {"pool_size": 8, "max_overflow": 24, "pool_pre_ping": True} if pooled else {"poolclass": NullPool}
        return create_engine(url, connect_args={"timeout": 10}, **options)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that only reads; on SQLite it sees one consistent moment and waits for nobody."""
        with Session(self.engine, expire_on_commit=False) as session:
            yield session

    def first(self, statement: Select[*Ts], **parameters: Any) -> Row[*Ts] | None:
        """The first row of one statement, at a third of a session's cost: for what is asked at every connection."""
        with self._asker.connect() as connection:
            return connection.execute(statement, parameters).first()

    @contextmanager
    def write(self, is_hasty: bool = False) -> Iterator[Session]:
        """A session whose work is committed at the end, or rolled back whole when the block raises.

        Raises DatabaseBusy when SQLite's write lock is not free in time; for `is_hasty`, when it is not free now.
        """
        engine = self._hasty_writer if is_hasty else self._writer
        with Session(engine, expire_on_commit=False) as session, session.begin():
            yield session

    def upgrade(self) -> None:
        """Bring the tables to the newest migration. Safe when several processes start at once."""
        from alembic import command
        from alembic.config import Config as AlembicConfig

        settings = AlembicConfig()
        settings.set_main_option("script_location", str(MIGRATIONS))
        with self._migration_connection() as connection:
            settings.attributes["connection"] = connection
            command.upgrade(settings, "head")

    @contextmanager
    def _migration_connection(self) -> Iterator[Connection]:
        with self._writer.connect() as connection, connection.begin():
            if not self.is_sqlite:
                connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7254001)")
            yield connection

    def after_fork(self) -> None:
        """Forget the parent's connections without closing them: they are still the parent's."""
        self.engine.dispose(close=False)

    def close(self) -> None:
        """Close every kept connection."""
        self.engine.dispose()


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None
    for pragma in (
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "foreign_keys=ON",
        "temp_store=MEMORY",
        "mmap_size=268435456",
    ):
        _retry_busy(lambda statement=f"PRAGMA {pragma}": connection.execute(statement).close())


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    patience_s = options.get("taskroom_patience_s")
    if patience_s is not None:
        _retry_busy(lambda: connection.exec_driver_sql("BEGIN IMMEDIATE"), patience_s)
    elif not options.get("taskroom_single"):
        connection.exec_driver_sql("BEGIN")


def _retry_busy(attempt: Any, patience_s: float = WRITE_LOCK_TIMEOUT_S) -> None:
    """Call until SQLite is not busy, sleeping between tries with jitter so that waiting writers do not keep step."""
    deadline = time.monotonic() + patience_s
    pause_s = 0.002
    while True:
        try:
            attempt()
            return
        except (OperationalError, sqlite3.OperationalError) as error:
            if "locked" not in str(error) and "busy" not in str(error):
                raise
            if time.monotonic() >= deadline:
                raise DatabaseBusy("the database is busy; its write lock was not free in time") from error
        time.sleep(pause_s * (0.5 + random.random()))
        pause_s = min(pause_s * 1.5, 0.05)
