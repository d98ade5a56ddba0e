"""Waiting updates of a Debian host: apt's own reckoning, or an honest "unknown"."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import psutil
import pytest

from jobs.dependency_scan.host_updates import APT_GET, parse, pending_updates
from tests.fixtures.machine import wait_until

pytestmark = pytest.mark.req("B10")
SAID = """\
Reading package lists...
Inst libssl3 [3.0.19-1~deb12u2] (3.0.22-1~deb12u2 Debian-Security:12/oldstable-security [amd64]) []
Inst libgnutls30 [3.7.9-2+deb12u6] (3.7.9-2+deb12u7 Debian:12.15/oldstable, Debian-Security:12/old [amd64])
Inst bash [5.2.15-2+b8] (5.2.15-2+b13 Debian:12.15/oldstable [amd64]) [libc6:amd64 ]
Inst new-package (1.0 Debian:12.15/oldstable [amd64])
Conf libssl3 (3.0.22-1~deb12u2 Debian-Security:12/oldstable-security [amd64])
"""


def words_of(pid: int) -> str:
    with contextlib.suppress(psutil.Error):
        return " ".join(psutil.Process(pid).cmdline())
    return ""


@pytest.fixture
def lists(tmp_path: Path) -> Path:
    folder = tmp_path / "lists"
    folder.mkdir()
    (folder / "deb.example.org_dists_bookworm_main_binary-amd64_Packages").write_text("")
    return folder


def program(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_what_apt_would_install_is_told_with_security_first() -> None:
    assert [(each["name"], each["candidate"], each["is_security"]) for each in parse(SAID)] == [
        ("libgnutls30", "3.7.9-2+deb12u7", True),
        ("libssl3", "3.0.22-1~deb12u2", True),
        ("bash", "5.2.15-2+b13", False),
    ]


def test_apt_gets_an_empty_environment(tmp_path: Path, lists: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APT_CONFIG", "/tmp/evil.conf")
    seen = tmp_path / "seen"
    apt = program(tmp_path / "apt-get", f'env > {seen}; echo "$@" >> {seen}')
    updates = pending_updates(apt_get=apt, lists=lists)
    assert (updates.pending, updates.security, updates.problem) == ([], 0, None)
    told = seen.read_text()
    assert "APT_CONFIG" not in told and "SECRET" not in told
    assert "-s -q" in told


@pytest.mark.parametrize("script", ["exit 100", "tail -f {mark}", "yes 'Inst a [1] (2 {mark})'"])
def test_an_error_a_long_wait_or_a_flood_is_unknown_and_never_none(tmp_path: Path, lists: Path, script: str) -> None:
    mark = tmp_path / "mark"
    mark.touch()
    apt_get = program(tmp_path / "apt-get", script.format(mark=mark))
    begun = time.monotonic()
    updates = pending_updates(apt_get=apt_get, lists=lists, deadline_s=1)
    assert (updates.security, updates.as_facts()["total"]) == (None, None)
    assert "unknown" in (updates.problem or "")
    assert time.monotonic() - begun < 15
    wait_until(lambda: not [one for one in psutil.pids() if str(mark) in words_of(one)], 5, "what it started has ended")


def test_without_apt_or_its_lists_it_is_unknown(tmp_path: Path, lists: Path) -> None:
    assert "no apt-get" in (pending_updates(apt_get=tmp_path / "none", lists=lists).problem or "")
    assert "apt-get update" in (pending_updates(lists=tmp_path / "none").problem or "unknown apt-get update")


@pytest.mark.skipif(not APT_GET.exists(), reason="this host has no apt")
def test_a_wish_to_stop_ends_apt(lists: Path) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    before = set(psutil.Process().children())
    with pytest.raises(KeyboardInterrupt):
        pending_updates(stop, lists=lists)
    assert set(psutil.Process().children()) <= before
