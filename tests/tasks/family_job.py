"""A job whose children do the work: some in a pool, two that leave the job's function as no child should."""

from __future__ import annotations

import multiprocessing
import os
from typing import Any

from pydantic import BaseModel

from tasks.context import JobContext
from tasks.registry import job


class FamilyParams(BaseModel, extra="forbid"):
    """Nothing to choose."""


def _work(ctx: JobContext, number: int) -> None:
    ctx.advance(step=f"number {number}")
    ctx.log(f"number {number}")


@job("family", title="Family", params=FamilyParams)
def family(ctx: JobContext, _params: FamilyParams) -> dict[str, Any]:
    """Counts 200 in a pool and 3 beside it."""
    ctx.phase("run", total=203)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        pool.starmap(_work, [(ctx, number) for number in range(200)])
    children = []
    for number in range(2):
        child = os.fork()
        if child == 0:
            ctx.advance()
            if number:
                raise RuntimeError("a child that fails")
            return {"who": "a child that returns"}
        children.append(child)
    statuses = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    ctx.advance()
    ctx.log("all have ended")
    return {"statuses": statuses}
