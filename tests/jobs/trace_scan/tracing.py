"""Runs the trace scan on real folders and a real database, with a context that keeps what it is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jobs.trace_scan.job import trace_scan
from jobs.trace_scan.params import TraceScanParams, check_params
from tests.jobs.code_scan.scanning import Recorder


def scan(context: Recorder, folder: Path, **params: Any) -> dict[str, Any]:
    """Scan a folder and return the task's results."""
    checked = check_params(TraceScanParams(repository_path=str(folder), **params), context.config)
    return trace_scan(context, checked)  # type: ignore[arg-type]
