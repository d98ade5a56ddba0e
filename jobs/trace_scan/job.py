"""The trace scan as a job: its phases, and which trouble is whose.

Weights follow the checkpoints that front ends know: 10 listed, 20 compared, 30 fetched, 55 read, 70 validated, then
saved. The scan itself is loaded when one runs: no other process pays for it.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from jobs.code_scan.parse_pool import PoolBroken
from jobs.repository import trouble
from jobs.trace_scan.models import TraceScan
from jobs.trace_scan.params import TraceScanParams, check_params, resource_for, title_for
from jobs.trace_scan.retention import forget
from tasks.context import JobContext
from tasks.errors import JobFailed, Retryable
from tasks.registry import Phase, RetryPolicy, job

PHASES = (
    Phase("discovery", "Discover", 10),
    Phase("fetch", "Fetch and compare", 20),
    Phase("parse", "Read", 25),
    Phase("validate", "Validate", 15),
    Phase("persist", "Save results", 30),
)


@job(
    "trace_scan",
    title="Trace requirements",
    description="Follows requirements through stories and specifications to code and tests",
    icon="trace",
    verb="Start the scan",
    params=TraceScanParams,
    phases=PHASES,
    timeout_s=1800,
    retry=RetryPolicy(max_attempts=3, backoff_s=5),
    title_for=title_for,
    resource_for=resource_for,
    check=check_params,
    forget=lambda _config, database, task_ids: forget(database, task_ids),
)
def trace_scan(ctx: JobContext, params: TraceScanParams) -> dict[str, Any]:
    """Scan the repository and return the sums of PROTOCOL.md section 10. Raises Retryable and JobFailed."""
    from jobs.trace_scan import evidence, saving, scan

    try:
        with trouble.told():
            with ctx.database.read() as session:  # An earlier attempt may have died before it could say so.
                saved = session.scalar(select(TraceScan).where(TraceScan.task_id == ctx.task_id))
            return scan.results_of(saved) if saved else scan.Scan(ctx, params).run()
    except evidence.KeyUnusable as error:
        raise JobFailed(str(error)) from error
    except saving.Overtaken as error:
        raise Retryable("Another scan of this repository ended first, so this one compares again.") from error
    except PoolBroken as error:
        raise Retryable("The worker could not start its readers.") from error
