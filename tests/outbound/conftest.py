"""Receivers of a test's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.outbound.mail_server import MailServer
from tests.outbound.receiver import Receiver, certificate


@pytest.fixture
def make_receiver() -> Iterator[Callable[..., Receiver]]:
    """Receivers that are stopped at the end."""
    made: list[Receiver] = []

    def make(**options: Any) -> Receiver:
        made.append(Receiver(**options))
        return made[-1]

    yield make
    for each in made:
        each.stop()


@pytest.fixture
def receiver(make_receiver: Callable[..., Receiver]) -> Receiver:
    """One that speaks plain HTTP."""
    return make_receiver()


@pytest.fixture(scope="session")
def tls_files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Certificate and key of `localhost`."""
    return certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def mail_server(tls_files: tuple[Path, Path]) -> Iterator[MailServer]:
    """A mail server of the test's own."""
    server = MailServer(tls_files)
    yield server
    server.stop()
