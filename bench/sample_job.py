"""The job whose tasks are watched while Taskroom is measured. Nobody runs it: the bench claims its tasks itself."""

from __future__ import annotations

from pydantic import BaseModel

from tasks.context import JobContext
from tasks.registry import Phase, job


class NoParams(BaseModel):
    """It takes none."""


@job(
    "bench",
    title="Scan the repository",
    params=NoParams,
    phases=[Phase("discovery", "Discovery", 1), Phase("parse", "Parse", 9)],
)
def bench(ctx: JobContext, _params: NoParams) -> dict[str, object]:
    """Count to ten."""
    ctx.phase("discovery")
    ctx.phase("parse")
    return {"counted": sum(1 for _ in ctx.track(range(10)))}
