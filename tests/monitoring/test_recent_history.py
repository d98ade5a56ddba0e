"""One reading serves all who ask within a few seconds."""

from __future__ import annotations

import pytest

from database import Database, utc_now
from monitoring import samples
from monitoring.recent_history import RecentHistory


@pytest.mark.req("H7")
def test_a_history_is_read_again_after_the_next_sample_and_not_before(database: Database) -> None:
    now, readings = [0.0], []

    def read(question):  # type: ignore[no-untyped-def]
        readings.append(1)
        return question()

    recent = RecentHistory(database, read, lambda: now[0])
    first = recent.of("1h")
    with database.write() as session:
        samples.store(session, utc_now(), {"connections": 3})
    assert recent.of("1h") is first and recent.of("24h")["range"] == "24h"
    now[0] += samples.RAW_S
    assert recent.of("1h")["series"]["connections"] == [3]
    assert len(readings) == 3
    with pytest.raises(KeyError):
        recent.of("1 year")
