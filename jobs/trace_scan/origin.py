"""Where a trace scan's files come from: a folder of this machine as it is, or an address that is fetched first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jobs.repository import git_fetch
from jobs.repository.git_address import check_ref, parse_address, resolve
from jobs.repository.reading import Refused, read
from jobs.repository.sources import head_commit, resolve_local
from jobs.trace_scan import layout
from jobs.trace_scan.assemble import reason_text
from jobs.trace_scan.documents import read_document
from jobs.trace_scan.examine import ARTIFACT_MAX_BYTES
from jobs.trace_scan.params import TraceScanParams
from jobs.trace_scan.words import SETTINGS
from tasks.context import JobContext
from tasks.errors import Retryable


def local(ctx: JobContext, params: TraceScanParams) -> tuple[Path, str | None]:
    """The folder, and the commit that is checked out there. Raises SourceRefused."""
    root = resolve_local(params.location, ctx.config.scan_roots)
    commit = head_commit(root)
    ctx.log(f"Folder {root.name}" + (f" at {commit[:12]}" if commit else ""))
    return root, commit


def fetched(ctx: JobContext, params: TraceScanParams) -> tuple[Path, str]:
    """The checkout of the address, and its commit; begins the phase of fetching.

    Raises AddressRefused, FetchFailed, FetchInterrupted, Retryable.
    """
    ref = params.source.rpartition("@")[2]
    check_ref(ref)
    address = parse_address(params.location, ctx.config.git_hosts)
    try:
        resolve(address)
    except OSError as error:
        raise Retryable(f"The name {address.host} cannot be resolved now. Check the address.") from error
    ctx.log(f"{address.url}: the address may be fetched")
    ctx.update(done=10)
    ctx.phase("fetch", total=20)
    checkout = ctx.work_dir / "checkout"
    checkout.mkdir()
    step = ""

    def tell(progress: git_fetch.Progress | None) -> None:
        nonlocal step
        ctx.check_cancelled()
        if progress is None:
            return
        if progress.step != step:
            step = progress.step
            ctx.log(f"git: {step}")
        ctx.update(step=f"{step}, {progress.done:,} of {progress.total:,}")

    commit = git_fetch.fetch(address, None if ref == "HEAD" else ref, checkout, tell)
    ctx.log(f"Fetched {address.url} at {commit}")
    return checkout, commit


def settings(root: Path) -> dict[str, Any] | None:
    """The facts of GxP.MD, which says where the artifacts are; None where there is none."""
    try:
        content = read(bytes(root / layout.SETTINGS_FILE), ARTIFACT_MAX_BYTES)
    except Refused as refusal:
        if refusal.reason == "vanished":
            return None
        return {"trouble": [reason_text(refusal.reason, refusal.note), 1]}
    return read_document(SETTINGS, content.data)
