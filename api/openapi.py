"""The OpenAPI 3.1 document, made from the route table and the models that check requests: there is no second copy.

Somebody who is signed in finds the parameters of the jobs that they may start in it; for everybody else `params` is
just an object.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response
from flask_login import current_user
from pydantic import BaseModel, Field
from pydantic.json_schema import models_json_schema

from api.dispatch import as_json
from api.operations import JSON, PREFIX, Operation, all_operations
from api.task_shapes import Answer
from tasks import registry
from tasks.registry import Job

blueprint = Blueprint("openapi", __name__)
REF = "#/components/schemas/{model}"
VERSION = "1"
INTRODUCTION = (
    "Start long-running work and watch it. Sign in and send the CSRF token with every change, or send an API token. "
    "Lists are paged: ask with `limit` and `cursor`, go on with `next_cursor` until it is null. Unknown is null. "
    "Answers may gain fields."
)
REFUSALS = {
    400: "The request is not JSON, comes from another site, or has a cursor that no list gave out.",
    401: "Nobody is signed in, or the token does not count.",
    403: "You may see this, but not do that; or the token lacks the scope.",
    404: "There is no such thing, or you may not see it.",
    409: "The present state does not allow it.",
    413: "The body is larger than 1 MiB.",
    414: "The address is longer than 8 KiB; there is no body then.",
    415: "The body is not application/json.",
    422: "Fields are wrong; `details.fields` says which and why.",
    429: "Too many requests; go on after `Retry-After` seconds.",
    500: "Our mistake; `reference` finds it in the log.",
    503: "A part of the server does not answer now.",
}
ERROR_HEADERS = {401: ("WWW-Authenticate", "string"), 429: ("Retry-After", "integer")}


class ErrorBody(Answer):
    """What went wrong. `message` is a sentence to act on."""

    code: str
    message: str
    details: dict[str, Any] = Field({}, description="For wrong fields `{fields: {name: sentence}}`.")
    reference: str = Field("", description="Names this failure in the server's log.")
    retry_after_s: float = Field(0.0, description="When to try again.")


class Error(Answer):
    """The one shape of every error."""

    error: ErrorBody


@blueprint.get(f"{PREFIX}/openapi.json")
def show_document() -> Response:
    """The document for whoever asks."""
    identity = getattr(current_user, "identity", None)
    jobs = registry.jobs_for(identity.is_admin) if identity is not None else []
    return as_json(document(all_operations(), jobs))


def document(operations: Sequence[Operation], jobs: Sequence[Job]) -> dict[str, Any]:
    """The whole document for these operations and jobs."""
    schemas = _schemas(operations)
    body = schemas["StartTask"]
    body["properties"]["params"] |= _job_params(jobs, schemas)
    if jobs:
        body["properties"]["kind"] |= {"examples": [job.kind for job in jobs]}
    paths: dict[str, Any] = {}
    for each in operations:
        paths.setdefault(each.path, {})[each.method.lower()] = _operation(each)
    return {
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {"title": "Taskroom", "version": VERSION, "description": INTRODUCTION},
        "servers": [{"url": "/"}],
        "security": [{"token": []}, {"session": []}],
        "tags": [{"name": name} for name in dict.fromkeys(each.tag for each in operations)],
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": _security_schemes()},
    }


def _schemas(operations: Sequence[Operation]) -> dict[str, Any]:
    """Every model by its name: bodies as they are read, answers as they are written."""
    inputs = [each.body for each in operations if each.body]
    answers = [each.answer for each in operations if each.answer] + [Error]
    wanted: list[tuple[type[BaseModel], Any]] = [(model, "validation") for model in dict.fromkeys(inputs)]
    wanted += [(model, "serialization") for model in dict.fromkeys(answers)]
    _, found = models_json_schema(wanted, ref_template=REF)
    schemas: dict[str, Any] = found["$defs"]
    # What may be left out has a default in the model of an error, but is not sent with that default.
    schemas["ErrorBody"]["required"] = ["code", "message"]
    schemas["LogPage"]["required"] = ["lines", "next_line", "total_lines"]
    return schemas


def _job_params(jobs: Sequence[Job], schemas: dict[str, Any]) -> dict[str, Any]:
    """The parameters of each job as a schema of its own; which one counts follows from `kind`."""
    for job in jobs:
        schema = job.params.model_json_schema(ref_template=REF)
        schemas |= schema.pop("$defs", {})
        schemas[f"params.{job.kind}"] = schema | {"title": job.title}
    return {"anyOf": [{"$ref": REF.format(model=f"params.{job.kind}")} for job in jobs]} if jobs else {}


def _operation(each: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": each.name,
        "summary": each.summary,
        "description": each.description,
        "tags": [each.tag],
        "parameters": _parameters(each),
        "responses": {str(each.status): _answer(each)} | {str(status): _refusal(status) for status in each.statuses},
    }
    if each.body:
        content = {JSON: {"schema": {"$ref": REF.format(model=each.body.__name__)}}}
        described["requestBody"] = {"required": each.body_required, "content": content}
    return described


def _parameters(each: Operation) -> list[dict[str, Any]]:
    names = [part[1:-1] for part in each.path.split("/") if part.startswith("{")]
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": _path_schema(name)} for name in names
    ]
    for model, place in ((each.query, "query"), (each.headers, "header")):
        if model is not None:
            schema = model.model_json_schema(ref_template=REF)
            needed = schema.get("required", ())
            found += [_parameter(name, place, prop, name in needed) for name, prop in schema["properties"].items()]
    return found


def _path_schema(name: str) -> dict[str, Any]:
    if name in ("task_id", "scan_id"):
        return {"type": "string", "format": "uuid"}
    if name == "image_id":
        return {"type": "integer", "minimum": 1, "maximum": 2**31 - 1}
    if name == "node_id":
        return {"type": "integer", "minimum": 1, "maximum": 2**53 - 1}
    return {"type": "string", "minLength": 1}


def _parameter(name: str, place: str, prop: Mapping[str, Any], is_needed: bool) -> dict[str, Any]:
    schema = {key: value for key, value in prop.items() if key not in ("description", "title")}
    if "anyOf" in schema:  # optional: a parameter is left out, never null
        options = [option for option in schema.pop("anyOf") if option.get("type") != "null"]
        schema = {key: value for key, value in schema.items() if key != "default"} | options[0]
    parameter: dict[str, Any] = {"name": name, "in": place, "required": is_needed, "schema": schema}
    return parameter | ({"description": prop["description"]} if "description" in prop else {})


def _answer(each: Operation) -> dict[str, Any]:
    schema = {"$ref": REF.format(model=each.answer.__name__)} if each.answer else {"type": "string"}
    answer: dict[str, Any] = {
        "description": HTTPStatus(each.status).phrase,
        "content": {each.media_type: {"schema": schema}},
    }
    if each.answer_headers:
        answer["headers"] = {
            name: {"description": text, "schema": {"type": "string"}} for name, text in each.answer_headers.items()
        }
    return answer


def _refusal(status: int) -> dict[str, Any]:
    if status == 414:
        return {"description": REFUSALS[status]}
    answer: dict[str, Any] = {
        "description": REFUSALS[status],
        "content": {JSON: {"schema": {"$ref": REF.format(model="Error")}}},
    }
    if status in ERROR_HEADERS:
        name, kind = ERROR_HEADERS[status]
        answer["headers"] = {name: {"schema": {"type": kind}}}
    return answer


def _security_schemes() -> dict[str, Any]:
    return {
        "token": {
            "type": "http",
            "scheme": "bearer",
            "description": "An API token. Reading needs its scope `read`, every change `write`.",
        },
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": "taskroom_session",
            "description": "The login of a browser; every change also needs its CSRF token in `X-CSRFToken`.",
        },
    }
