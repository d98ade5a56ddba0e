"""Where the fixtures come from. Everything they hand out is real: servers, databases, processes, a browser."""

from __future__ import annotations

import os
from collections import Counter

import pytest

pytest_plugins = [
    "tests.fixtures.quickness",
    "tests.fixtures.redis_servers",
    "tests.fixtures.databases",
    "tests.fixtures.core",
    "tests.fixtures.settings",
    "tests.fixtures.product",
    "tests.fixtures.clients",
    "tests.fixtures.front_ends",
    "tests.fixtures.browsers",
]

# A test that starts one of these takes seconds whatever it does then.
SLOW_FIXTURES = {"make_server", "shared_server", "browser", "postgres_server", "redis_server", "make_redis_server"}
# In these, tests start processes, scan something, wait for what comes once a second, or there are very many of them.
SLOW_FILES = {
    "test_embedded_redis.py", "test_git_fetch.py", "test_parse_pool.py", "test_scan.py", "test_scan_calls.py",
    "test_visibility.py", "test_update.py", "test_ignoring.py", "test_reporter_forks.py", "test_matrix.py",
    "test_describe.py", "test_pixels.py", "test_firing.py", "test_reporter.py", "test_query.py",
}  # fmt: skip


# What takes longest, longest first: begun last, it would keep one core busy while the others have nothing left to do.
LONGEST = (
    "api/test_schemathesis.py", "faults/test_redis_away.py", "delivery/test_protocol.py", "delivery/test_rooms_race.py",
    "delivery/test_real_clients_race.py", "faults/test_workers_die.py", "delivery/test_many_processes.py",
    "faults/test_endings.py", "faults/test_campaign.py", "browser/test_live_page.py", "browser/test_offline.py",
    "browser/test_faults.py", "browser/test_every_page.py", "faults/test_web_dies.py",
    "delivery/test_compatibility.py",
)  # fmt: skip


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One for each core; half as many more for the whole, which waits for processes a third of the time."""
    cores = os.cpu_count() or 2
    return cores if config.option.markexpr == "not slow" else cores + cores // 2


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave what starts the product, a browser, servers or many processes out of `make quick`; long files first."""
    for item in items:
        wanted = set(getattr(item, "fixturenames", ()))
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        if wanted & SLOW_FIXTURES or item.path.name in SLOW_FILES or parameters.get("any_database_url") == "postgresql":
            item.add_marker(pytest.mark.slow)
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    ranks = {name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: (ranks.get("/".join(item.path.parts[-2:]), len(ranks)), -slow[item.path]))
