"""What a web process shows as the newest metrics."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from database import Database, rfc3339, utc_now
from monitoring import samples
from monitoring.current import FRESH, CurrentMetrics


@pytest.mark.req("H1", "H2")
def test_the_stored_sample_is_shown_while_it_is_fresh_and_after_that_this_process_measures(database: Database) -> None:
    taken: list[Any] = []
    now = [0.0]
    sampler = SimpleNamespace(sample=lambda: taken.append(0) or {"own": len(taken)})
    current = CurrentMetrics(database, sampler, lambda: now[0])  # type: ignore[arg-type]
    assert current.now() == current.now() == {"own": 1}, "not oftener than the scheduler would"
    now[0] += samples.RAW_S
    assert current.now() == {"own": 2}

    fresh = {"sampled_at": rfc3339(utc_now()), "active_jobs": 1}
    with database.write() as session:
        samples.store(session, utc_now(), fresh)
    assert current.now() == fresh and len(taken) == 2

    with database.write() as session:
        old = {"sampled_at": rfc3339(utc_now() - FRESH - timedelta(seconds=1))}
        samples.store(session, utc_now() + timedelta(seconds=1), old)
    now[0] += samples.RAW_S
    assert current.now() == {"own": 3}, "the scheduler has stopped"


@pytest.mark.req("H2")
def test_without_a_database_this_process_still_measures(tmp_path: Any) -> None:
    gone = Database(f"sqlite:///{tmp_path}/nowhere/file.db")
    current = CurrentMetrics(gone, SimpleNamespace(sample=lambda: {"database": "unavailable"}))  # type: ignore[arg-type]
    assert current.now() == {"database": "unavailable"}
    gone.close()
