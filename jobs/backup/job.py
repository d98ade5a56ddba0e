"""A backup as a job: so it has a page, a log and an end, and can be scheduled."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

import backups
from backups import DataError
from database import utc_now
from tasks.context import JobContext
from tasks.errors import JobFailed
from tasks.registry import Phase, RetryPolicy, job

KIND = "backup"


class BackupParams(BaseModel):
    """How many backups stay."""

    model_config = ConfigDict(extra="forbid")

    keep: int = Field(
        10, ge=1, le=1000, title="Keep", description="The newest ones; older ones are removed.",
        json_schema_extra={"unit": "backups"},
    )  # fmt: skip


@job(
    KIND,
    title="Back up the database",
    description="Copies the whole database into DATA_DIR/backups while everything runs",
    icon="box",
    verb="Back up now",
    params=BackupParams,
    phases=(Phase("copy", "Copy and check", 9), Phase("tidy", "Remove old backups", 1)),
    retry=RetryPolicy(max_attempts=1),
    admin_only=True,
    resource_for=lambda _params, _config: "backup",
)
def backup(ctx: JobContext, params: BackupParams) -> dict[str, Any]:
    """Copy everything as it is at one moment, and check the copy; then remove the oldest copies."""
    ctx.phase("copy")
    try:
        file = backups.new_backup(ctx.config, utc_now())
    except DataError as error:
        raise JobFailed(str(error)) from error
    size = file.stat().st_size
    ctx.log(f"{file.name}: {size / 1e6:.1f} MB, whole")
    ctx.phase("tidy")
    removed = backups.remove_oldest(ctx.config.backup_dir, params.keep)
    kept = len(backups.kept_backups(ctx.config.backup_dir))
    ctx.log(f"{kept} kept, {removed} removed")
    return {"file": file.name, "size_bytes": size, "kept": kept, "removed": removed}
