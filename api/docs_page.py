"""A page to try the API: every operation of the OpenAPI document as a form, sent with the login of the page."""

from __future__ import annotations

from typing import Any

import orjson
from flask import Blueprint, render_template
from flask_login import current_user, login_required

from api import openapi
from api.operations import PREFIX, all_operations
from tasks import registry

blueprint = Blueprint("api_docs", __name__)


@blueprint.get(f"{PREFIX}/docs")
@login_required
def show_docs() -> str:
    """The operations by subject."""
    jobs = registry.jobs_for(current_user.identity.is_admin)
    document = openapi.document(all_operations(), jobs)
    sections: dict[str, list[dict[str, Any]]] = {tag["name"]: [] for tag in document["tags"]}
    for path, methods in document["paths"].items():
        for method, described in methods.items():
            sections[described["tags"][0]].append(_shown(path, method.upper(), described))
    return render_template(
        "api/docs.html", introduction=document["info"]["description"], sections=sections, prefix=PREFIX
    )


def _shown(path: str, method: str, described: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": described["operationId"].replace("_", "-"),
        "method": method,
        "path": path,
        "summary": described["summary"],
        "description": described["description"],
        "parameters": [_field(each) for each in described["parameters"]],
        "example": _example(described["operationId"]) if "requestBody" in described else None,
        "answers": [(status, answer["description"]) for status, answer in sorted(described["responses"].items())],
    }


def _field(parameter: dict[str, Any]) -> dict[str, Any]:
    schema = parameter["schema"]
    choices = schema.get("enum") or schema.get("items", {}).get("enum") or []
    return {
        "name": parameter["name"],
        "place": parameter["in"],
        "required": parameter["required"],
        "description": parameter.get("description", ""),
        "default": "" if schema.get("default") in (None, [], False) else schema["default"],
        "choices": ["true"] if schema.get("type") == "boolean" else choices,
    }


def _example(operation_id: str) -> str:
    """A body to begin with."""
    bodies = {
        "start_task": {"kind": "code_scan", "params": {"repository_path": "."}},
        "start_scan": {"repository_path": ".", "file_types": [], "exclude_patterns": []},
        "cancel_task": {"reason": ""},
    }
    return orjson.dumps(bodies.get(operation_id, {}), option=orjson.OPT_INDENT_2).decode()
