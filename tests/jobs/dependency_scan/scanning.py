"""Runs dependency scans on real folders with really imported advisories, in this process."""

from __future__ import annotations

from typing import Any

from jobs.dependency_scan.job import dependency_scan
from jobs.dependency_scan.params import DependencyScanParams, check_params
from tests.jobs.advisories.osv import Record, archive, simple, update
from tests.jobs.code_scan.scanning import Recorder

PINS = """\
Flask==3.0.0
jinja2==3.1.2 \\
    --hash=sha256:31351a702a408a9e7595a8fc6150fc3f43bb6bf7e319770cbc0db9df9437e852
    # via flask
markupsafe==2.1.5
    # via jinja2
"""


def advisories(context: Recorder, *records: Record) -> None:
    """Import these records. Each ecosystem that occurs is replaced whole."""
    update(context, archive(context.config.data_dir / "advisories" / "all.zip", records), accept_fewer=True)


def jinja(fixed: str = "3.1.3", **fields: Any) -> Record:
    """An advisory about jinja2."""
    return simple("GHSA-h5c8-rqwp-cp95", "jinja2", fixed, "PyPI", **fields)


def scan(context: Recorder, **params: Any) -> dict[str, Any]:
    """Run the job and return the task's results."""
    checked = check_params(DependencyScanParams(**params), context.config)
    return dependency_scan(context, checked)  # type: ignore[arg-type]
