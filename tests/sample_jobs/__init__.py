"""Jobs that tests run in real workers: each does one thing that a job may do, well or badly."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from tasks.context import JobContext
from tasks.errors import JobFailed, Retryable
from tasks.registry import Phase, RetryPolicy, job


class CountParams(BaseModel, extra="forbid"):
    """How far to count, how fast, and what to say meanwhile."""

    to: int = Field(default=10, ge=0, le=1_000_000)
    pause_s: float = Field(default=0.0, ge=0, le=10)
    log_every: int = Field(default=0, ge=0)
    padding: int = Field(default=0, ge=0, le=4000, description="So many dots after each line.")
    gate: str = Field(default="", description="A file that must exist before the counting ends.")


@job("count", title="Count", params=CountParams, phases=[Phase("prepare", "Prepare", 1), Phase("count", "Count", 9)])
def count(ctx: JobContext, params: CountParams) -> dict[str, Any]:
    """Counts, and answers how far it came."""
    ctx.phase("prepare", total=1)
    ctx.advance()
    ctx.phase("count", total=params.to, unit="numbers")
    for number in range(1, params.to + 1):
        ctx.advance(step=f"number {number}", counted=number)
        if params.log_every and number % params.log_every == 0:
            ctx.log(f"counted {number}{'.' * params.padding}")
        if params.pause_s:
            time.sleep(params.pause_s)
    while params.gate and not Path(params.gate).exists():
        ctx.check_cancelled()
        time.sleep(0.01)
    return {"counted": params.to}


class ChatterParams(BaseModel, extra="forbid"):
    """`lines` log lines of `size` characters, a few at a time."""

    lines: int
    size: int = 2000
    gate: str


@job("chatter", title="Chatter", params=ChatterParams)
def chatter(ctx: JobContext, params: ChatterParams) -> dict[str, Any]:
    """Says much more than a slow reader takes, and ends when its gate is opened."""
    for number in ctx.track(range(params.lines)):
        ctx.log(f"{number + 1} ".ljust(params.size, "x"))
        if number % 20 == 19:
            time.sleep(0.02)
    while not Path(params.gate).exists():
        ctx.check_cancelled()
        time.sleep(0.01)
    return {"said": params.lines}


class FailParams(BaseModel, extra="forbid"):
    """How to fail."""

    how: str = "unexpected"
    times: int = 1_000


@job("fail", title="Fail", params=FailParams, retry=RetryPolicy(max_attempts=3, backoff_s=0.3))
def fail(ctx: JobContext, params: FailParams) -> dict[str, Any]:
    """Fails in the given way on its first `times` attempts."""
    ctx.phase("run", total=4)
    ctx.advance(1)
    ctx.log(f"attempt {ctx.attempt}", "warning")
    if ctx.attempt > params.times:
        return {"attempts": ctx.attempt}
    if params.how == "job_failed":
        raise JobFailed("The disk is full. Free some space, then run it again.")
    if params.how == "retryable":
        raise Retryable("The other side hung up.")
    if params.how == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    raise RuntimeError("a secret in a trace")


class StubbornParams(BaseModel, extra="forbid"):
    """Where the child's process id goes."""

    pid_file: str


@job("stubborn", title="Stubborn", params=StubbornParams)
def stubborn(ctx: JobContext, params: StubbornParams) -> dict[str, Any]:
    """Never looks at a cancel, and has started another process."""
    ctx.phase("run", total=100)
    ctx.advance(40)
    child = subprocess.Popen(["sleep", "600"])
    Path(params.pid_file).write_text(str(child.pid))
    while True:
        time.sleep(0.05)


class BurnParams(BaseModel, extra="forbid"):
    """For how long."""

    seconds: float = 5.0


@job("burn", title="Burn", params=BurnParams, timeout_s=60)
def burn(ctx: JobContext, params: BurnParams) -> dict[str, Any]:
    """Keeps one core busy."""
    end = time.monotonic() + params.seconds
    turns = 0
    while time.monotonic() < end:
        turns += sum(range(10_000)) > 0
        ctx.advance()
    return {"turns": turns}


@job("overstay", title="Overstay", params=BurnParams, timeout_s=1)
def overstay(ctx: JobContext, params: BurnParams) -> dict[str, Any]:
    """Runs longer than it may."""
    ctx.phase("run", total=10)
    ctx.advance(5)
    time.sleep(params.seconds)
    return {}


class HostileParams(BaseModel, extra="forbid"):
    """Nothing to choose."""


@job("hostile", title="Hostile", params=HostileParams)
def hostile(ctx: JobContext, _params: HostileParams) -> dict[str, Any]:
    """Reports everything that is hard to send."""
    ctx.phase("run", total=3)
    deep: Any = "bottom"
    for _ in range(10_000):
        deep = [deep]
    ctx.advance(
        1, step="<script>alert(1)</script>\udcff", ratio=float("nan"), limit=float("inf"), raw=b"\xff", deep=deep
    )
    ctx.advance(1, step="x" * 1_000_000, huge="y" * 1_000_000, **{f"key{n}": n for n in range(1000)})
    ctx.log("<img src=x onerror=alert(1)> \x1b[31mred\x1b[0m \x00 \udcff")
    ctx.log("z" * 1_000_000)
    ctx.advance(1)
    return {"ratio": float("nan"), "text": "</script><script>alert(1)</script>"}


class AloneParams(BaseModel, extra="forbid"):
    """Where the evidence goes, and how long to work."""

    folder: str
    steps: int = 40
    pause_s: float = 0.05
    quick_after: int = 1
    log: bool = True


@job("alone", title="Alone", params=AloneParams, retry=RetryPolicy(max_attempts=4, backoff_s=0.2))
def alone(ctx: JobContext, params: AloneParams) -> dict[str, Any]:
    """Writes down when it runs, and whether another attempt of the same task ran at that moment.

    Attempts after `quick_after` take their steps without a pause.
    """
    folder = Path(params.folder)
    with (folder / "lock").open("a") as lock, (folder / "evidence").open("a", buffering=1) as evidence:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            evidence.write(f"overlap {ctx.attempt}\n")
        evidence.write(f"start {ctx.attempt} {os.getpid()}\n")
        ctx.phase("run", total=params.steps)
        for step in range(params.steps):
            ctx.advance()
            if params.log:
                ctx.log(f"attempt {ctx.attempt} step {step}")
            time.sleep(params.pause_s if ctx.attempt <= params.quick_after else 0)
        evidence.write(f"end {ctx.attempt}\n")
    return {"attempt": ctx.attempt}


@job("last_words", title="Last words", params=HostileParams)
def last_words(ctx: JobContext, _params: HostileParams) -> dict[str, Any]:
    """Fails with words that databases do not take, after numbers that JSON does not have."""
    ctx.phase("run", total=float("inf"))
    ctx.update(done=float("nan"), step="\x00")
    time.sleep(0.3)
    raise JobFailed("It broke \udcff at \x00 here.")


@job("tracked", title="Tracked", params=HostileParams)
def tracked(ctx: JobContext, _params: HostileParams) -> dict[str, Any]:
    """Declares no phase, begins none, and only iterates."""
    return {"sum": sum(ctx.track(range(20), unit="things"))}
