"""Fetching from a real git server, and everything an address, a server or a repository must not get to do."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from config import Config
from database import Database
from ip_addresses import ip_literal, is_public
from jobs.code_scan import job
from jobs.code_scan.params import CodeScanParams, check_params
from jobs.repository import git_fetch
from jobs.repository.git_address import AddressRefused, check_ref, parse_address, resolve
from jobs.repository.git_fetch import FetchFailed, FetchInterrupted, Limits, Progress, fetch
from tests.fixtures.machine import wait_until
from tests.jobs.code_scan.scanning import SERVICE, Recorder
from tests.jobs.repository.git_server import GitServer, git

ALLOWED = ("git.example.org", "github.com/acme", "localhost:8443")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    folder = tmp_path / "server"
    folder.mkdir()
    server = GitServer(folder)
    yield server
    server.stop()


def fetched(server: GitServer, folder: Path, ref: str | None = None, name: str = "app.git", **options: Any) -> str:
    folder.mkdir()
    address = parse_address(server.url(name), (f"localhost:{server.port}",))
    options.setdefault("on_progress", lambda _: None)
    return fetch(address, ref, folder, is_allowed=lambda _: True, authority=server.authority, **options)


@pytest.mark.req("B8")
def test_one_commit_is_fetched_with_its_progress(server: GitServer, tmp_path: Path) -> None:
    commit = server.add_repository("app.git", {f"src/f{n}.py": SERVICE + f"# {n}\n" for n in range(300)})
    told: list[Progress | None] = []
    assert fetched(server, tmp_path / "checkout", on_progress=told.append) == commit
    assert (tmp_path / "checkout/src/f7.py").read_text().endswith("# 7\n")
    assert told
    assert git(tmp_path / "checkout", "rev-list", "--count", "HEAD") == "1"


@pytest.mark.req("B8")
def test_a_branch_a_tag_and_a_commit_can_be_asked_for(server: GitServer, tmp_path: Path) -> None:
    first = server.add_repository("app.git", {"a.py": "a = 1\n"})
    work = server.folder / "work-app.git"
    git(work, "tag", "v1.0")
    git(work, "checkout", "-q", "-b", "release/2026.11")
    (work / "a.py").write_text("a = 2\n")
    second = server.publish("app.git")
    assert fetched(server, tmp_path / "branch", "release/2026.11") == second
    assert fetched(server, tmp_path / "tag", "v1.0") == first
    assert fetched(server, tmp_path / "commit", first) == first
    with pytest.raises(FetchFailed, match="no such branch"):
        fetched(server, tmp_path / "none", "nothing-like-it")


@pytest.mark.req("D11")
def test_a_repository_cannot_run_link_or_fetch_anything(server: GitServer, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    work = server.folder / "work-app.git"
    work.mkdir()
    (work / "out").symlink_to("/etc")
    server.add_repository(
        "app.git",
        {
            "a.py": "x = 1\n",
            ".gitattributes": "*.py filter=evil diff=evil\n",
            ".gitmodules": f'[submodule "s"]\n path = s\n url = {server.url("other.git")}\n',
            ".gitconfig": f'[core]\n fsmonitor = touch {marker}\n[filter "evil"]\n smudge = touch {marker}\n',
            "hooks/post-checkout": f"#!/bin/sh\ntouch {marker}\n",
        },
    )
    fetched(server, tmp_path / "checkout")
    assert not marker.exists()
    assert not (tmp_path / "checkout/out").is_symlink()
    assert not any("other.git" in path for path in server.requests)


@pytest.mark.req("D11")
def test_a_redirect_is_not_followed(server: GitServer, tmp_path: Path) -> None:
    server.add_repository("other.git", {"a.py": ""})
    server.behaviour = "redirect"
    with pytest.raises(FetchFailed, match="elsewhere"):
        fetched(server, tmp_path / "checkout")
    assert not any("other.git" in path for path in server.requests)


@pytest.mark.req("D11")
def test_the_address_that_was_checked_is_the_only_one_that_is_used(server: GitServer, tmp_path: Path) -> None:
    server.add_repository("app.git", {"a.py": ""})
    (tmp_path / "checkout").mkdir()
    address = parse_address(server.url(), (f"localhost:{server.port}",))
    with pytest.raises(AddressRefused, match="private"):
        fetch(address, None, tmp_path / "checkout", lambda _: None, authority=server.authority)
    assert server.requests == []


@pytest.mark.req("B8")
def test_a_missing_repository_fails_and_a_busy_server_is_tried_again(server: GitServer, tmp_path: Path) -> None:
    with pytest.raises(FetchFailed, match="no such public repository"):
        fetched(server, tmp_path / "one", name="missing.git")
    server.behaviour = "busy"
    with pytest.raises(FetchInterrupted):
        fetched(server, tmp_path / "two")
    server.stop()
    with pytest.raises(FetchInterrupted):
        fetched(server, tmp_path / "three")


@pytest.mark.req("D11")
def test_a_tree_that_is_too_large_is_never_written_out(server: GitServer, tmp_path: Path) -> None:
    server.add_repository("app.git", {"zeros.py": "0" * 3_000_000, "a.py": ""})
    with pytest.raises(FetchFailed, match="larger than"):
        fetched(server, tmp_path / "bytes", limits=Limits(max_bytes=1_000_000))
    assert not (tmp_path / "bytes/zeros.py").exists()
    with pytest.raises(FetchFailed, match="files"):
        fetched(server, tmp_path / "files", limits=Limits(max_files=1))


@pytest.mark.req("C3")
def test_stopping_kills_git_and_its_helpers_at_once(server: GitServer, tmp_path: Path) -> None:
    server.behaviour = "hang"
    begun: list[float] = []
    family: list[psutil.Process] = []
    here_before = psutil.Process(os.getpid()).children(recursive=True)  # servers that other tests share

    class Stop(Exception):
        pass

    def stop(_progress: Progress | None) -> None:
        if server.requests:
            begun.append(time.monotonic())
            children = psutil.Process(os.getpid()).children(recursive=True)
            family.extend(each for each in children if each not in here_before)
            raise Stop

    with pytest.raises(Stop):
        fetched(server, tmp_path / "checkout", on_progress=stop)
    assert time.monotonic() - begun[0] < 0.5
    assert len(family) >= 2
    wait_until(lambda: not any(_runs(each) for each in family), 5, "git and its helpers are gone")


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.req("B6", "B8")
def test_two_fetches_of_the_same_commit_scan_without_a_change(
    server: GitServer,
    tmp_path: Path,
    make_config: Callable[..., Config],
    database: Database,
    sqlite_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    commit = server.add_repository("app.git", {"src/stock.py": SERVICE, "readme.md": ""})
    allowed = {"is_allowed": lambda _: True, "authority": server.authority}
    monkeypatch.setattr(git_fetch, "fetch", partial(fetch, **allowed))
    monkeypatch.setattr(job, "resolve", partial(resolve, is_allowed=lambda _: True))
    config = make_config(DATABASE_URL=sqlite_url, GIT_ALLOWED_HOSTS=f"localhost:{server.port}")
    params = check_params(CodeScanParams(git_url=server.url()), config)
    first, second = (job.code_scan(Recorder(config, database), params) for _ in range(2))  # type: ignore[arg-type]
    assert (first["files_scanned"], first["commit"]) == (1, commit)
    assert (second["changed_files"], second["nodes_found"]) == (0, first["nodes_found"])
    (server.folder / "work-app.git/src/stock.py").write_text(SERVICE.replace("stock_unit", "shelf"))
    server.publish("app.git")
    assert job.code_scan(Recorder(config, database), params)["changed_files"] == 1  # type: ignore[arg-type]


@pytest.mark.req("B8", "D11")
@pytest.mark.parametrize(
    "text",
    [
        "https://git.example.org/acme/app.git",
        "https://GIT.example.org/acme/app",
        "https://github.com/acme/app",
        "https://localhost:8443/a",
    ],
)
def test_an_allowed_address_is_taken(text: str) -> None:
    assert parse_address(text, ALLOWED).url.startswith("https://")


@pytest.mark.req("D11")
@pytest.mark.parametrize(
    "text",
    ["--upload-pack=touch /tmp/x", "-uhttps://git.example.org/a", "ext::sh -c touch% /tmp/x", "file:///etc", "/etc",
     "../x",
     "ssh://git.example.org/a", "git@git.example.org:a/b", "git://git.example.org/a", "http://git.example.org/a",
     "https://user@git.example.org/a", "https://user:secret@git.example.org/a", "https://git.example.org@evil.example/a",
     "https://git.example.org/a\r\nHost: x", "https://git.example.org/a b", "https://git.example.org/a?x=1",
     "https://git.example.org/a#x", "https://git.example.org\\@evil.example/a", "https://evil.example/a",
     "https://git.example.org.evil.example/a", "https://git.example.org:8443/a", "https://git.example.org/",
     "https://github.com/other/app", "https://github.com/acmeevil/app", "https://github.com/acme/../other/app",
     "https://127.0.0.1/a", "https://127.1/a", "https://2130706433/a", "https://0x7f.0.0.1/a", "https://0177.0.0.1/a",
     "https://0/a", "https://[::1]/a", "https://[::ffff:127.0.0.1]/a", "https://[fe80::1%25eth0]/a", "https://10.20.0.4/a",
     "https://169.254.169.254/a", "https://localhost/a", "https://[64:ff9b::7f00:1]/a", "https:///a", "https://", "",
     "https://git.example.org:99999/a", "https://git..example.org/a", "https://gít.example.org/a"],
)  # fmt: skip
def test_any_other_address_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(AddressRefused) as refused:
        parse_address(text, ALLOWED)
    assert str(refused.value)[-1] in ".t"
    assert "secret" not in str(refused.value)


@pytest.mark.req("D11")
@pytest.mark.parametrize(
    "ref", ["-x", "--upload-pack=x", "a..b", "a b", "a:b", "+main", "^main", "a~1", "x.lock", "", "a\n"]
)
def test_a_ref_is_a_name_and_nothing_else(ref: str) -> None:
    with pytest.raises(AddressRefused):
        check_ref(ref)


@pytest.mark.req("D11")
@pytest.mark.parametrize(
    ("host", "public"),
    [("127.0.0.1", False), ("127.1", False), ("2130706433", False), ("0x7f000001", False), ("017700000001", False),
     ("::1", False), ("::ffff:10.0.0.1", False), ("64:ff9b::a00:1", False), ("2002:7f00:1::", False),
     ("fe80::1", False),
     ("169.254.169.254", False), ("100.64.0.1", False), ("0.0.0.0", False), ("224.0.0.1", False), ("fc00::1", False),
     ("192.0.2.1", False), ("192.0.0.192", False), ("168.63.129.16", False), ("fec0::1", False), ("::127.0.0.1", False),
     ("64:ff9b:1::a00:1", False), ("fd00:ec2::254", False), ("8.8.8.8", True), ("2606:4700::1111", True)],
)  # fmt: skip
def test_private_addresses_are_known_in_every_notation(host: str, public: bool) -> None:
    address = ip_literal(host)
    assert address is not None
    assert is_public(address) is public


@pytest.mark.req("D11")
def test_a_name_that_leads_to_this_machine_is_refused() -> None:
    with pytest.raises(AddressRefused, match="private"):
        resolve(parse_address("https://localhost:8443/a", ALLOWED))
