"""A command as a job: started, listened to, stopped when it has to, and told how it ended."""

from __future__ import annotations

import os
import time
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from database import DatabaseBusy
from jobs.command.bars import Bar
from jobs.command.launch import Launch, Spec, Usage
from jobs.command.output import Output
from jobs.command.params import (
    CommandParams,
    Plan,
    allow,
    audited,
    check_params,
    plan_of,
    resource_for,
    timeout_for,
    title_for,
)
from jobs.command.surroundings import MB, about, spec_of, stop_grace_s
from jobs.command.templates import commands, program_problem
from jobs.command.words import ended_by_signal, is_or_are, processes, signal_name, size, span
from tasks.context import JobContext
from tasks.errors import Cancelled, JobFailed, LeaseLost
from tasks.registry import Phase, job

TICK_S = 0.1
LOOK_AT_PROCESSES_S = 1.0
SHOWN_PROCESSES = 12
LONGEST_TIMEOUT_S = 7 * 24 * 3600
TIME_TO_END_S = 90.0
"""beyond its limit: the grace of a template is at most a minute"""
ARTIFACT = "output.txt"


@job(
    "command",
    title="Run a command",
    description="Runs one of the commands that the operator has defined",
    icon="terminal",
    verb="Run it",
    params=CommandParams,
    phases=(Phase("run", "Run", 1),),
    timeout_s=LONGEST_TIMEOUT_S,
    timeout_grace_s=TIME_TO_END_S,
    title_for=title_for,
    resource_for=resource_for,
    timeout_for=timeout_for,
    family_for=lambda params: str(params.get("template") or params.get("command_line")),
    check=check_params,
    allow=allow,
    audited=audited,
    prepare=commands,
)
def command(ctx: JobContext, params: CommandParams) -> dict[str, Any]:
    """Run the command and return the results of PROTOCOL.md section 10. Raises JobFailed for any other end."""
    return _Run(ctx, plan_of(params, ctx.config)).run()


class _Run:
    """One run, from its start to its results."""

    def __init__(self, ctx: JobContext, plan: Plan) -> None:
        self._ctx = ctx
        self._plan = plan
        self._template = plan.template
        self._output = Output(
            ctx.work_dir / ARTIFACT, plan.template.log_lines, plan.template.output_mb * MB, self._log_line
        )
        self._started_s = time.monotonic()
        self._status: int | None = None
        self._left = 0
        self._over: dict[str, Any] = {}
        self._failed = ""
        self._why = ""
        self._wish: BaseException | None = None
        self._is_stopping = False
        self._most_memory = self._most_processes = 0
        self._told: dict[str, Any] = {}
        self._shown: dict[str, Any] = {}
        self._unit = ""
        self._is_measured = False

    def run(self) -> dict[str, Any]:
        """The results of a command that ended as its template expects."""
        try:
            with Launch(self._prepare()) as launch:
                self._attend(launch)
            self._output.end()
            return self._finish()
        finally:
            self._output.capture.close()

    def _prepare(self) -> Spec:
        if problem := program_problem(self._plan.argv[0]):
            raise JobFailed(f"The command cannot run here: {problem}.")
        home = self._ctx.work_dir / "home"
        home.mkdir(mode=0o700)
        spec = spec_of(self._plan, self._ctx.config, self._ctx.task_id, home)
        self._ctx.phase("run", unit="lines")
        self._ctx.update(run=about(self._plan), **self._numbers(None))
        return spec

    # While it runs

    def _attend(self, launch: Launch) -> None:
        ticked_s = looked_s = 0.0
        grace_s = stop_grace_s(self._plan, self._ctx.config)
        while not launch.is_over:
            launch.wait(TICK_S)
            self._read(launch)
            for news in launch.news():
                self._hear(news)
            now_s = time.monotonic()
            if now_s - looked_s >= LOOK_AT_PROCESSES_S:
                looked_s = now_s
                self._see_usage(launch.usage())
            if now_s - ticked_s >= TICK_S:
                ticked_s = now_s
                self._output.look()
                self._tell_progress()
            self._judge(launch, now_s, grace_s)
        while self._read(launch):
            pass

    def _read(self, launch: Launch) -> bool:
        data = launch.read()
        if data:
            self._output.take(data)
        return bool(data)

    def _hear(self, news: dict[str, Any]) -> None:
        if "exited" in news:
            self._status, self._left = news["exited"], news["left"]
            if self._left and not self._is_stopping:
                words = f"{processes(self._left)} left behind by the command {is_or_are(self._left)} ended."
                self._log_line(words, "warning")
        self._over = news.get("over", self._over)
        self._failed = news.get("failed", self._failed)
        if "lost" in news:
            self._why = self._why or "The process that watches over the command was killed, so the command was ended."

    def _judge(self, launch: Launch, now_s: float, grace_s: float) -> None:
        """Stop what has to stop: cancelled, out of time, or beyond what it may use."""
        if self._is_stopping:
            return
        try:
            self._ctx.check_cancelled()
        except (Cancelled, LeaseLost) as wish:
            self._wish = wish
            self._stop(launch, "", 0.0 if isinstance(wish, LeaseLost) else grace_s)
            return
        limits = self._template.limits
        if now_s - self._started_s > self._template.timeout_s:
            limit = span(self._template.timeout_s)
            self._stop(launch, f"The command ran longer than {limit}, its limit, and was ended.", grace_s)
        elif limits.memory_mb and self._most_memory > limits.memory_mb * MB:
            used, allowed = size(self._most_memory), size(limits.memory_mb * MB)
            self._stop(launch, f"Its processes used {used} of memory, {allowed} are allowed. They were ended.", 0.0)
        elif limits.processes and self._most_processes > limits.processes:
            count = f"{self._most_processes:,} processes, {limits.processes:,} are allowed"
            self._stop(launch, f"It ran {count}. They were ended.", 0.0)

    def _stop(self, launch: Launch, why: str, grace_s: float) -> None:
        self._is_stopping = True
        self._why = why
        launch.stop(grace_s)

    def _see_usage(self, usage: Usage) -> None:
        self._most_memory = max(self._most_memory, usage.memory_bytes)
        self._most_processes = max(self._most_processes, usage.count)
        rows = [
            {"pid": pid, "depth": min(depth, 6), "name": name, "cpu": round(cpu), "memory": size(memory)}
            for pid, depth, name, cpu, memory in usage.processes[:SHOWN_PROCESSES]
        ]
        self._shown = {
            "processes": usage.count,
            "memory": size(usage.memory_bytes),
            "cpu": f"{usage.cpu_percent:.0f} %",
            "tree": rows,
        }

    def _numbers(self, exit_code: int | None) -> dict[str, Any]:
        return {
            "lines": self._output.lines,
            "output": size(self._output.capture.total),
            "processes": None,
            "memory": None,
            "cpu": None,
            **self._shown,
            "exit_code": exit_code,
        }

    def _tell_progress(self) -> None:
        """What has changed. The whole is counted by the command's own bar; before it shows one, by its lines."""
        meter = self._output.meter
        is_read = self._template.progress == "auto"
        whole = meter.advanced() if is_read else None
        bars = meter.bars if is_read else []
        shown = [bar.as_detail(bar is meter.whole) for bar in bars]
        told = {**self._numbers(None), "rows": self._output.rows, "bars": shown}
        changed = {name: value for name, value in told.items() if self._told.get(name, ...) != value}
        if not changed and whole is None:
            return
        self._told = told
        try:
            if whole is not None:
                self._is_measured = True
                self._ctx.update(done=whole.done, total=whole.total, step=self._step(bars), **changed)
                self._name_unit(whole)
            elif self._is_measured:
                self._ctx.update(step=self._step(bars), **changed)
            else:
                self._ctx.update(done=self._output.lines, step=self._step(bars), **changed)
        except (Cancelled, LeaseLost):
            pass  # `_judge` comes to it

    def _name_unit(self, whole: Bar) -> None:
        unit = whole.unit or "steps"
        if whole.total and unit != self._unit:
            self._unit = unit
            self._ctx.set_total(whole.total, unit)

    def _step(self, bars: list[Bar]) -> str:
        label = next((bar.label for bar in reversed(bars) if bar.label), "")
        return (label or self._output.last_line)[:200]

    def _log_line(self, text: str, level: str) -> None:
        try:
            self._ctx.log(text or " ", level)
        except (Cancelled, LeaseLost):
            pass  # the line is taken all the same

    # After

    def _finish(self) -> dict[str, Any]:
        code = os.waitstatus_to_exitcode(self._status) if self._status is not None else None
        self._keep_output()
        self._tell_end(code)
        if self._wish is not None:
            self._log_line(self._stopped_words(), "info")
            raise self._wish
        if self._failed:
            raise JobFailed(self._failed)
        if self._why or code is None:
            self._log_line(self._stopped_words(), "warning")
            raise JobFailed(self._why or "The command ended without saying how.")
        if code < 0:
            raise JobFailed(ended_by_signal(-code))
        if code not in self._template.exit_codes:
            last = self._output.last_line[:300]
            raise JobFailed(f"The command ended with exit code {code}." + (f" Its last line: “{last}”" if last else ""))
        return self._results(code)

    def _tell_end(self, code: int | None) -> None:
        cpu_s = self._over.get("cpu_s")
        self._shown = {
            "processes": f"{self._most_processes or 1} at most",
            "memory": f"{size(self._most_memory)} at most" if self._most_memory else None,
            "cpu": None if cpu_s is None else f"{cpu_s:.1f} s",
        }
        shown = code if code is None or code >= 0 else f"signal {-code}, {signal_name(-code)}"
        self._ctx.conclude(**{**self._numbers(None), "exit_code": shown, "rows": [], "tree": []})

    def _results(self, code: int) -> dict[str, Any]:
        output = self._output
        return {
            "exit_code": code,
            "signal": None,
            "lines": output.lines,
            "duration_ms": int((time.monotonic() - self._started_s) * 1000),
            "template": self._plan.name or None,
            "argv": self._plan.argv,
            "output_bytes": output.capture.total,
            "output_left_out_bytes": output.capture.left_out,
            "log_left_out_lines": output.left_out,
            "most_memory_bytes": self._most_memory or None,
            "cpu_s": self._over.get("cpu_s"),
            "left_behind": self._left,
        }

    def _keep_output(self) -> None:
        try:
            self._ctx.artifact(ARTIFACT, self._output.capture.content(), "text/plain; charset=utf-8", at_the_end=True)
        except (SQLAlchemyError, DatabaseBusy, OSError):
            self._log_line("The whole output could not be kept; the log has its lines.", "warning")
        except LeaseLost as lost:
            self._wish = lost

    def _stopped_words(self) -> str:
        killed, stuck = self._over.get("killed", 0), self._over.get("unkillable", 0)
        words = f"SIGTERM went to {processes(self._over.get('asked', 0))}. "
        words += f"SIGKILL ended {processes(killed)} that did not end by themselves." if killed else "All have ended."
        return words + (f" {processes(stuck)} could not be ended: this server may not do that." if stuck else "")
