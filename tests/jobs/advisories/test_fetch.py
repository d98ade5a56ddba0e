"""Fetching an archive from a real https server, and everything that an address or a server must not get to do."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from jobs.advisories import fetch as fetch_module
from jobs.advisories.fetch import Fetched, FetchFailed, FetchInterrupted, Tags, fetch
from jobs.repository.git_address import AddressRefused, parse_address
from tasks.errors import Cancelled, JobFailed, Retryable
from tests.jobs.advisories.archive_server import ArchiveServer
from tests.jobs.advisories.conftest import MakeRecorder
from tests.jobs.advisories.osv import archive, ask, found, simple, update
from tests.jobs.code_scan.scanning import Recorder


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ArchiveServer]:
    folder = tmp_path / "server"
    folder.mkdir()
    server = ArchiveServer(folder)
    server.content = archive(tmp_path / "all.zip", [simple("GHSA-1"), simple("GHSA-2")]).read_bytes()
    yield server
    server.stop()


def fetched(server: ArchiveServer, file: Path, known: Tags = Tags(), **options: Any) -> Fetched | None:
    address = parse_address(server.url, (f"localhost:{server.port}/osv",), "ADVISORY_ALLOWED_HOSTS")
    options.setdefault("is_allowed", lambda _: True)
    on_progress = options.pop("on_progress", lambda *_: None)
    return fetch(address, file, on_progress, known, authority=server.authority, **options)


@pytest.mark.req("B11")
def test_a_file_is_fetched_once_and_then_only_when_it_changed(server: ArchiveServer, tmp_path: Path) -> None:
    file = tmp_path / "got.zip"
    first = fetched(server, file)
    assert first
    assert file.read_bytes() == server.content
    assert first.tags.etag == '"first"'
    assert first.tags.moment and first.tags.moment.isoformat() == "2026-11-19T10:00:00+00:00"
    assert fetched(server, file, first.tags) is None
    assert server.requests[1]["if-modified-since"] == "Thu, 19 Nov 2026 10:00:00 GMT"
    assert server.requests[0]["host"] == f"localhost:{server.port}"
    server.etag = '"second"'
    assert fetched(server, file, first.tags)


@pytest.mark.req("B11", "D11")
@pytest.mark.parametrize(
    ("behaviour", "error", "words"),
    [("redirect", FetchFailed, "elsewhere"), ("missing", FetchFailed, "404"), ("busy", FetchInterrupted, "503"),
     ("cut", FetchInterrupted, "hung up"), ("endless", FetchFailed, "larger")],
)  # fmt: skip
def test_a_server_that_does_not_give_the_file_is_told_in_a_sentence(
    server: ArchiveServer, tmp_path: Path, behaviour: str, error: type[Exception], words: str
) -> None:
    server.behaviour = behaviour
    with pytest.raises(error, match=words) as raised:
        fetched(server, tmp_path / "got.zip", max_bytes=1_000_000)
    assert str(raised.value).endswith(".")


@pytest.mark.req("B11", "D11")
def test_a_file_that_is_too_large_is_refused_by_its_length(server: ArchiveServer, tmp_path: Path) -> None:
    with pytest.raises(FetchFailed, match="larger"):
        fetched(server, tmp_path / "got.zip", max_bytes=100)
    assert not (tmp_path / "got.zip").exists()


@pytest.mark.req("D11")
def test_private_addresses_and_foreign_certificates_are_refused(server: ArchiveServer, tmp_path: Path) -> None:
    with pytest.raises(AddressRefused, match="private"):
        fetched(server, tmp_path / "got.zip", is_allowed=fetch_module.is_public)
    assert server.requests == []
    address = parse_address(server.url, (f"localhost:{server.port}",))
    with pytest.raises(FetchFailed, match="certificate"):
        fetch(address, tmp_path / "got.zip", lambda *_: None, is_allowed=lambda _: True)
    assert server.requests == []


@pytest.mark.req("D11")
def test_the_connection_goes_to_the_address_that_was_judged(
    server: ArchiveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that leads elsewhere a moment later (rebinding) is not looked up again."""
    looked_up: list[Any] = []
    resolve = fetch_module.resolve

    def once(*words: Any) -> Any:
        looked_up.append(words)
        found = resolve(*words)
        monkeypatch.setattr("socket.getaddrinfo", _only_numbers)
        return [each for each in found if each.version == 4]

    import socket

    real = socket.getaddrinfo

    def _only_numbers(host: str, *words: Any, **more: Any) -> Any:
        assert host == "127.0.0.1", "the name was looked up again"
        return real(host, *words, **more)

    monkeypatch.setattr(fetch_module, "resolve", once)
    assert fetched(server, tmp_path / "got.zip")
    assert len(looked_up) == 1


@pytest.mark.req("B11")
def test_where_one_address_of_a_host_does_not_answer_the_next_is_tried(
    server: ArchiveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = ipaddress.ip_address("127.0.0.9")
    monkeypatch.setattr(fetch_module, "resolve", lambda *_: [silent, ipaddress.ip_address("127.0.0.1")])
    assert fetched(server, tmp_path / "got.zip")
    monkeypatch.setattr(fetch_module, "resolve", lambda *_: [silent])
    with pytest.raises(FetchInterrupted, match="not be reached"):
        fetched(server, tmp_path / "got.zip")


@pytest.mark.req("B11", "C3")
@pytest.mark.parametrize("behaviour", ["hang", "trickle"])
def test_a_cancel_does_not_wait_for_a_silent_server(server: ArchiveServer, tmp_path: Path, behaviour: str) -> None:
    server.behaviour = behaviour
    started = time.monotonic()

    def cancel(*_: Any) -> None:
        if server.requests:
            raise Cancelled

    with pytest.raises(Cancelled):
        fetched(server, tmp_path / "got.zip", on_progress=cancel)
    assert time.monotonic() - started < 20


@pytest.mark.req("B11")
def test_an_update_from_an_address(
    recorder: MakeRecorder, server: ArchiveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = partial(fetch, is_allowed=lambda _: True, authority=server.authority)
    monkeypatch.setattr(fetch_module, "fetch", here)

    def make() -> Recorder:
        return recorder(ADVISORY_ALLOWED_HOSTS=f"localhost:{server.port}/osv")

    results = update(make(), server.url)
    assert (results["ecosystems"], results["data_date"]) == ({"npm": 2}, "2026-11-19T10:00:00.000Z")
    assert results["source"] == server.url
    again = make()
    assert not update(again, server.url)["imported"]
    assert any("says the server" in text for _, text in again.lines)
    # Another tag on the same bytes is no change either.
    server.etag = '"second"'
    assert not update(make(), server.url)["imported"]
    assert not update(make(), server.url)["imported"]
    assert server.requests[-1]["if-none-match"] == '"second"'
    server.content = archive(tmp_path / "new.zip", [simple("GHSA-1"), simple("GHSA-3", "two")]).read_bytes()
    server.etag = '"third"'
    context = make()
    assert update(context, server.url)["added"] == 1
    server.etag, server.behaviour = '"fourth"', "cut"
    with pytest.raises(Retryable):
        update(make(), server.url)
    server.behaviour = ""
    server.content = server.content[:-50]
    with pytest.raises(JobFailed, match="old data stay"):
        update(make(), server.url)
    assert found(ask(context.database, ("npm", "two", "1.0.0"))) == {"GHSA-3": "1.3.0"}
