"""Which updates a Debian host waits for, by apt's own reckoning and its lists on the disk. Nothing is fetched."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jobs.dependency_scan.packages import clean
from jobs.repository.git_fetch import LEASH

APT_GET = Path("/usr/bin/apt-get")
LISTS = Path("/var/lib/apt/lists")
DEADLINE_S = 60.0
MAX_OUTPUT = 8_000_000
MAX_UPDATES = 2_000
OPTIONS = (
    "Debug::NoLocking=true",
    "Dir::Cache::pkgcache=",  # nothing is written, not even by root
    "Dir::Cache::srcpkgcache=",
    "APT::Get::Show-User-Simulation-Note=false",
)
COMMAND = ("-s", "-q", *(word for option in OPTIONS for word in ("-o", option)), "dist-upgrade")
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/nonexistent"}
_INST = re.compile(r"Inst (\S+) \[([^\]\s]+)\] \((\S+) ([^()]*?)(?: \[[^\]]*\])?\)")
_SECURITY = re.compile(r"(?i)[\w.-]*-security|debian-security")


@dataclass(frozen=True, slots=True)
class Updates:
    """Pending updates, or why they are not known. `lists_at` is when apt's lists were last fetched."""

    pending: list[dict[str, Any]]
    security: int | None
    lists_at: datetime | None
    problem: str | None = None

    def as_facts(self) -> dict[str, Any]:
        """As the scan keeps it."""
        return {
            "pending": self.pending[:MAX_UPDATES],
            "total": None if self.problem else len(self.pending),
            "security": self.security,
            "lists_at": self.lists_at.isoformat() if self.lists_at else None,
            "problem": self.problem,
        }


def pending_updates(
    on_wait: Callable[[], None] = lambda: None,
    apt_get: Path = APT_GET,
    lists: Path = LISTS,
    deadline_s: float = DEADLINE_S,
) -> Updates:
    """What `apt-get dist-upgrade` would install now, simulated. `on_wait` may raise to stop."""
    lists_at = _newest(lists)
    if not apt_get.exists():
        return _unknown("This host has no apt-get", lists_at)
    if lists_at is None:
        return _unknown("apt has no package lists here; run apt-get update on the host", None)
    try:
        output = _run([str(apt_get), *COMMAND], on_wait, deadline_s)
    except OSError as error:
        return _unknown(f"apt-get could not be started ({error.strerror})", lists_at)
    if output is None:
        return _unknown("apt-get did not answer in time, or reported an error", lists_at)
    pending = parse(output)
    return Updates(pending, sum(each["is_security"] for each in pending), lists_at)


def parse(output: str) -> list[dict[str, Any]]:
    """The packages that a simulated upgrade would install over an older version, security ones first."""
    found = []
    for line in output.splitlines():
        match = _INST.match(line[:2_000])
        if match:
            name, old, new, origin = (clean(each, 300) for each in match.groups())
            is_security = bool(_SECURITY.search(origin))
            found.append(
                {"name": name, "installed": old, "candidate": new, "origin": origin, "is_security": is_security}
            )
    return sorted(found, key=lambda each: (not each["is_security"], each["name"]))


def _run(command: list[str], on_wait: Callable[[], None], deadline_s: float) -> str | None:
    """Its output; None when it failed, said too much or took too long."""
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(
            [sys.executable, str(LEASH), str(os.getpid()), *command],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.DEVNULL,
            env=ENVIRONMENT,
            cwd="/",
            start_new_session=True,  # whatever it starts ends with it
        )
        try:
            ends_at = time.monotonic() + deadline_s
            while process.poll() is None:
                on_wait()
                if time.monotonic() > ends_at or os.fstat(out.fileno()).st_size > MAX_OUTPUT:
                    return None
                try:
                    process.wait(0.1)
                except subprocess.TimeoutExpired:
                    continue
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if process.returncode != 0:
            return None
        out.seek(0)
        return out.read(MAX_OUTPUT).decode("utf-8", "replace")


def _newest(lists: Path) -> datetime | None:
    """When the newest list of packages was fetched."""
    try:
        times = [each.stat().st_mtime for each in lists.iterdir() if "_Packages" in each.name]
    except OSError:
        return None
    return datetime.fromtimestamp(max(times), UTC) if times else None


def _unknown(problem: str, lists_at: datetime | None) -> Updates:
    return Updates([], None, lists_at, f"{problem}. How many security updates wait is unknown.")
