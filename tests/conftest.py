"""Where the fixtures come from. Everything they hand out is real: servers, databases, processes, a browser."""

from __future__ import annotations

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
# In these, nearly every test starts processes of its own.
SLOW_FILES = {"test_embedded_redis.py", "test_git_fetch.py", "test_parse_pool.py", "test_scan.py"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave what starts the product, a browser, servers or many processes out of `make quick`."""
    for item in items:
        wanted = set(getattr(item, "fixturenames", ()))
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        if wanted & SLOW_FIXTURES or item.path.name in SLOW_FILES or parameters.get("any_database_url") == "postgresql":
            item.add_marker(pytest.mark.slow)
