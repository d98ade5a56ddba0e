"""Reads what a scan is asked to look at: lock files of a folder or a repository, or a host's package database."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jobs.dependency_scan import host_updates
from jobs.dependency_scan.confined import read_confined
from jobs.dependency_scan.inventory import FolderReader, Inventory, lock_files
from jobs.dependency_scan.packages import Unreadable
from jobs.dependency_scan.params import DependencyScanParams, resolve_status, source_of
from jobs.dependency_scan.readers.dpkg import ecosystem_of
from jobs.repository import git_fetch
from jobs.repository.git_address import check_ref, parse_address, resolve
from jobs.repository.sources import head_commit, resolve_local
from tasks.context import JobContext
from tasks.errors import JobFailed, Retryable

HOST = Path("/")
STATUS = "var/lib/dpkg/status"
LOGGED = 200


@dataclass(slots=True)
class Read:
    """What was read. `source` is the name under which its scans are compared; `facts` are those of DependencyScan."""

    source: str
    inventory: Inventory = field(default_factory=Inventory)
    commit: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def read_source(ctx: JobContext, params: DependencyScanParams) -> Read:
    """The phases discovery and inventory. Raises JobFailed, Retryable, and what paths, addresses and git raise."""
    reader = _Reader(ctx, params)
    if params.host or params.dpkg_status:
        reader.read_status()
    else:
        reader.read_folder(reader.fetched() if params.git_url else reader.local())
    for note in reader.found.inventory.notes[:LOGGED]:
        ctx.log(note, "debug")
    return reader.found


class _Reader:
    def __init__(self, ctx: JobContext, params: DependencyScanParams) -> None:
        self._ctx = ctx
        self._params = params
        self.found = Read(source_of(params, ctx.config))
        self._inventory = self.found.inventory

    def local(self) -> Path:
        self._ctx.phase("discovery")
        root = resolve_local(self._params.repository_path or "", self._ctx.config.scan_roots)
        self.found.commit = head_commit(root)
        self._ctx.log(f"Folder {root.name}" + (f" at {self.found.commit[:12]}" if self.found.commit else ""))
        return root

    def fetched(self) -> Path:
        ctx, params = self._ctx, self._params
        ctx.phase("discovery")
        check_ref(params.ref)
        address = parse_address(params.git_url or "", ctx.config.git_hosts)
        try:
            resolve(address)
        except OSError as error:
            raise Retryable(f"The name {address.host} cannot be resolved now. Check the address.") from error
        checkout = ctx.work_dir / "checkout"
        checkout.mkdir()

        def tell(progress: git_fetch.Progress | None) -> None:
            ctx.check_cancelled()
            if progress:
                ctx.update(step=f"{progress.step}, {progress.done:,} of {progress.total:,}")

        self.found.commit = git_fetch.fetch(address, params.ref, checkout, tell)
        ctx.log(f"Fetched {address.url} at {self.found.commit}")
        return checkout

    def read_folder(self, root: Path) -> None:
        ctx = self._ctx
        found = lock_files(root, self._params.exclude_patterns, lambda seen: ctx.update(step=f"{seen:,} files seen"))
        ctx.phase_note(f"{len(found):,} lock files")
        ctx.phase("inventory", total=len(found), unit="files")

        def on_file(path: str, total: int) -> None:
            ctx.set_total(total)
            done = len(self._inventory.files)
            ctx.update(done=min(done, total), step=path, current_file=path, **self._details(total))

        FolderReader(root, self._inventory, ctx.check_cancelled).read(found, on_file)
        ctx.set_total(len(self._inventory.files))
        ctx.update(done=len(self._inventory.files), **self._details(len(self._inventory.files)))
        self._tell_files()
        if not self._inventory.files:
            self.found.facts["nothing"] = "No lock file was found, so nothing could be checked."
            ctx.log("No lock file was found", "warning")

    def read_status(self) -> None:
        """This host's packages and pending updates, or the packages of another host's status file."""
        ctx = self._ctx
        ctx.phase("discovery")
        is_host = self._params.host
        path = HOST / STATUS if is_host else resolve_status(self._params.dpkg_status or "", ctx.config)
        if is_host:
            name = socket.gethostname()
            self.found.source = f"host:{name}"
            self.found.facts["host"] = name
            if not path.is_file():
                raise JobFailed(
                    f"{name} has no dpkg database. Only hosts with Debian packages can be checked as a host."
                )
        shown = f"/{STATUS}" if is_host else path.name
        ctx.phase("inventory", total=2 if is_host else 1, unit="steps")
        try:
            reading = read_confined(os.fsencode(path.resolve()), "dpkg", ctx.check_cancelled)
        except Unreadable as error:
            self._inventory.fail(shown, "dpkg", str(error))
        else:
            if is_host:
                own = ecosystem_of(_small_text(HOST / "etc/os-release"))
                reading.packages = [each._replace(ecosystem=own) for each in reading.packages]
            self._inventory.add(shown, "dpkg", reading)
        ctx.advance(**self._details(1))
        self._tell_files()
        if is_host:
            self._read_updates()

    def _read_updates(self) -> None:
        ctx = self._ctx
        ctx.update(step="Asking apt for pending updates")
        updates = host_updates.pending_updates(ctx.check_cancelled)
        self.found.facts["updates"] = updates.as_facts()
        if updates.problem:
            self.found.warnings.append(updates.problem)
            ctx.log(updates.problem, "warning")
        else:
            ctx.log(f"{len(updates.pending):,} updates wait, {updates.security:,} of them security updates")
        ctx.advance()

    def _details(self, total: int) -> dict[str, Any]:
        return {
            "files_processed": len(self._inventory.files),
            "total_files": total,
            "packages": len(self._inventory.entries),
        }

    def _tell_files(self) -> None:
        for each in self._inventory.files[:LOGGED]:
            if each["problem"]:
                self._ctx.log(f"{each['path']}: {each['problem']}", "warning")
            else:
                self._ctx.log(f"{each['path']}: {each['packages']:,} packages")
        self._ctx.phase_note(f"{len(self._inventory.entries):,} packages")


def _small_text(path: Path) -> str:
    try:
        return path.read_bytes()[:20_000].decode("utf-8", "replace")
    except OSError:
        return ""
