"""A product with the sample jobs, shared by the tests of delivery; nobody hurts it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator

import pytest

from tests.fixtures.clients import RecordingClient
from tests.fixtures.product import Person, Server
from tests.fixtures.runs import SAMPLES

WAYS = {
    "direct": ("direct", "websocket"),
    "stock": ("stock", "websocket"),
    "polling": ("direct", "polling"),
}


@pytest.fixture(scope="module", params=WAYS)
def way(request: pytest.FixtureRequest) -> Iterator[str]:
    """How events reach the clients: written straight to them, through the libraries, or fetched by polling."""
    usual, (_, transport) = RecordingClient.transports, WAYS[request.param]
    RecordingClient.transports = (transport,)
    yield request.param
    RecordingClient.transports = usual


@pytest.fixture(scope="module")
def product(way: str) -> Iterator[Server]:
    """It runs for one file of tests, and each of these once for each way."""
    one = Server({**SAMPLES, "FANOUT": WAYS[way][0]})
    one.start()
    yield one
    one.remove()


@pytest.fixture(scope="module")
def ada(product: Server) -> Person:
    """Who starts the tasks."""
    return product.person("ada")


@pytest.fixture(scope="module")
def eve(product: Server) -> Person:
    """Somebody else."""
    return product.person(f"eve{secrets.token_hex(2)}")


@pytest.fixture
def watcher(product: Server, ada: Person, make_client: Callable[..., RecordingClient]) -> RecordingClient:
    """A connected client of ada's."""
    return make_client(product.url, ada.token)
