"""The same start from a terminal: what to type so that these parameters start this job without the page.

Only what differs from the defaults is said; fields marked as secret (`writeOnly`, format "password") are left out.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

from pages.fields import flat, form_schema, put
from tasks.registry import Job

GAP = " \\\n  "


def terminal(
    job: Job, params: Mapping[str, Any], base_url: str, schema: Mapping[str, Any] | None = None
) -> dict[str, str]:
    """The start as a command line, as curl and as Python, by the keys "cli", "curl" and "python"."""
    said = _said(params, (schema or form_schema(job)).get("properties", {}))
    body = {"kind": job.kind, "params": said}
    return {
        "cli": GAP.join(
            [f"./taskroom run {shlex.quote(job.kind)}", *(f"-p {_assignment(*each)}" for each in said.items())]
        ),
        "curl": GAP.join(
            (
                f"curl {base_url}/api/v1/tasks",
                '-H "Authorization: Bearer $TASKROOM_TOKEN"',
                "-H 'Content-Type: application/json'",
                f"-d {shlex.quote(json.dumps(body, ensure_ascii=False))}",
            )
        ),
        "python": _python(base_url, body),
    }


def _said(params: Mapping[str, Any], properties: Mapping[str, Any]) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for name, value in flat(params, properties).items():
        prop = properties[name]
        if value not in (None, "") and value != prop.get("default") and not _is_secret(prop):
            put(said, name, value)
    return said


def _is_secret(prop: Mapping[str, Any]) -> bool:
    return bool(prop.get("writeOnly")) or prop.get("format") == "password"


def _assignment(name: str, value: Any) -> str:
    if isinstance(value, bool):
        text = str(value).lower()
    elif isinstance(value, list):
        text = ",".join(str(each) for each in value)
    else:
        text = json.dumps(value) if isinstance(value, dict) else str(value)
    return shlex.quote(f"{name}={text}")


def _python(base_url: str, body: Mapping[str, Any]) -> str:
    params = ", ".join(f"{name!r}: {value!r}" for name, value in body["params"].items())
    return (
        "import os, requests\n\n"
        "task = requests.post(\n"
        f"    {base_url + '/api/v1/tasks'!r},\n"
        '    headers={"Authorization": f"Bearer {os.environ[\'TASKROOM_TOKEN\']}"},\n'
        f"    json={{'kind': {body['kind']!r}, 'params': {{{params}}}}},\n"
        ").json()"
    )
