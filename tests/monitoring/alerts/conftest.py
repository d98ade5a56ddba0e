"""An engine of the test's own, whose monotonic clock the test moves; database and Redis are real."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import select, update

from accounts import COMMAND_LINE
from config import Config
from database import Database
from delivery.event_log import connect
from monitoring.alerts import thresholds
from monitoring.alerts.engine import TURN_S, Engine
from monitoring.alerts.models import Alert, AlertEvent
from monitoring.alerts.rules import RULES
from monitoring.lease import LeaseRow


class Watch:
    """One scheduler's engine and what it has stored."""

    def __init__(self, config: Config, database: Database) -> None:
        self.database = database
        self.client = connect(config.requires_redis_url, 1.0)
        self.now_s = 1000.0
        self._config = config
        self.restart()

    def restart(self) -> None:
        """Another scheduler takes over from one that has ended in good order."""
        with self.database.write() as session:
            session.execute(update(LeaseRow).values(holder=""))
        self.engine = Engine(self._config, self.database, self.client, lambda: self.now_s)

    def turn(self, after_s: float = TURN_S) -> None:
        """One turn, so much later."""
        self.now_s += after_s
        self.engine.turn()

    def turns(self, for_s: float, each_s: float = TURN_S) -> None:
        """Turn upon turn for so long."""
        for _ in range(round(for_s / each_s)):
            self.turn(each_s)

    def set(self, type_: str, **wished: Any) -> None:
        """What an admin sets of a rule."""
        with self.database.write() as session:
            thresholds.change(session, type_, wished, COMMAND_LINE)

    def only(self, *types: str) -> None:
        """Switch off all rules but these: the machine under the tests may have troubles of its own."""
        for type_ in RULES:
            self.set(type_, on=type_ in types)

    def alerts(self, type_: str | None = None) -> list[Alert]:
        """What is stored, the oldest first."""
        query = select(Alert).order_by(Alert.id)
        with self.database.read() as session:
            return list(session.scalars(query.where(Alert.type == type_) if type_ else query))

    def one(self, type_: str) -> Alert:
        """The only alert of a type."""
        (found,) = self.alerts(type_)
        return found

    def story(self, alert_id: int) -> list[str]:
        """What happened to an alert, the oldest first."""
        with self.database.read() as session:
            query = select(AlertEvent.what).where(AlertEvent.alert_id == alert_id).order_by(AlertEvent.id)
            return list(session.scalars(query))


@pytest.fixture
def make_watch(make_config: Callable[..., Config]) -> Iterator[Callable[..., Watch]]:
    """Engines: make_watch(database, redis_url)."""
    made: list[Watch] = []

    def make(database: Database, redis_url: str) -> Watch:
        made.append(Watch(make_config(DATABASE_URL=database.url, REDIS_URL=redis_url), database))
        return made[-1]

    yield make
    for each in made:
        each.client.close()


@pytest.fixture
def watch(make_watch: Callable[..., Watch], database: Database, redis_url: str) -> Watch:
    """An engine on SQLite."""
    return make_watch(database, redis_url)


@pytest.fixture
def any_watch(make_watch: Callable[..., Watch], any_database: Database, redis_url: str) -> Watch:
    """An engine on SQLite and on PostgreSQL."""
    return make_watch(any_database, redis_url)
