"""The parameters of a task as names and values, in the words of its job's form."""

from __future__ import annotations

from typing import Any

from pages import format as words
from pages.progress import Snapshot, plain_value
from tasks.registry import Job

LONGEST = 400


def param_facts(task: Snapshot, job: Job | None) -> list[tuple[str, str]]:
    """(label, value) of each parameter that says something; secrets are not shown."""
    properties = job.schema().get("properties", {}) if job else {}
    facts = []
    for name, value in (task.get("params") or {}).items():
        prop = properties.get(name, {})
        if value in (None, "", [], {}):
            continue
        label = prop.get("title") or words.humanise(name)
        is_secret = prop.get("writeOnly") or prop.get("format") == "password"
        facts.append((label, "hidden" if is_secret else f"{_said(value)} {prop.get('unit', '')}".strip()))
    return facts


def _said(value: Any) -> str:
    if isinstance(value, list):
        text = ", ".join(plain_value(each) for each in value)
    elif isinstance(value, dict):
        text = ", ".join(f"{key}: {plain_value(each)}" for key, each in value.items())
    else:
        text = plain_value(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
