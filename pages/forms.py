"""The start form of a job, made from the JSON Schema of its parameters: one field for each property.

Reading a form back gives the raw parameters for `Job.validated`. Nothing that was typed is lost when it is refused.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from werkzeug.datastructures import MultiDict

from pages.fields import FIELD_PREFIX, Field, choices_of, field_of, flat, form_schema, put, shape
from tasks.registry import Job

MAX_TITLE = 300
PRIORITIES = (("urgent", "Urgent"), ("high", "High"), ("normal", "Normal"), ("low", "Low"))
SENT_BY_PAGE = "form"  # the page's own form says so, so that an unticked box means "no" and not "unsaid"


@dataclass(frozen=True, slots=True)
class StartForm:
    """All that templates/pages/start.html needs of the form."""

    fields: tuple[Field, ...]
    advanced: tuple[Field, ...]
    title_field: Field
    priority: str
    visibility: str
    idempotency_key: str
    other_problems: tuple[str, ...] = ()
    priorities: Sequence[tuple[str, str]] = field(default=PRIORITIES)

    @property
    def wrong_fields(self) -> list[Field]:
        """The fields with an error, in the order of the page."""
        return [each for each in (*self.fields, *self.advanced, self.title_field) if each.error]

    @property
    def has_problems(self) -> bool:
        """Whether something is to be corrected."""
        return bool(self.wrong_fields or self.other_problems)

    @property
    def problem_words(self) -> str:
        """The heading of the error summary."""
        number = len(self.wrong_fields)
        if not number:
            return "This cannot start now."
        return (
            "One thing to correct before this can start."
            if number == 1
            else f"{number} things to correct before this can start."
        )

    @property
    def advanced_open(self) -> bool:
        """Whether the fold starts open: when something in it is wrong."""
        return any(each.error for each in self.advanced)

    @property
    def advanced_words(self) -> str:
        """How many advanced fields there are and how many differ from their defaults."""
        changed = sum(each.changed for each in self.advanced)
        number = len(self.advanced)
        if changed:
            return f"{number}, {changed} changed"
        return f"{number}, all at their defaults" if number > 1 else "1, at its default"


def start_form(
    job: Job,
    params: Mapping[str, Any],
    repositories: Sequence[tuple[str, str]] = (),
    problems: Mapping[str, str] | None = None,
    asked: Mapping[str, str] | None = None,
    default_visibility: str = "private",
    schema: Mapping[str, Any] | None = None,
) -> StartForm:
    """The form of `job` with these parameters in it (defaults where there are none) and a sentence at each wrong field.

    `asked` holds what was chosen besides parameters: title, priority, visibility, idempotency_key. `schema` is given
    where not every start of the job asks for the same; its property `a.b` is the value `b` inside the parameter `a`.
    """
    said = asked or {}
    schema = schema or form_schema(job)
    properties = schema.get("properties", {})
    wrong = _by_field(problems or {}, properties)
    values = flat(params, properties)
    fields = [
        replace(field_of(name, prop, schema, values, repositories), error=wrong.pop(name, ""))
        for name, prop in properties.items()
    ]
    title = Field(
        "title",
        "Title",
        "text",
        {},
        value=said.get("title", ""),
        placeholder=_title_hint(job, params),
        max_length=MAX_TITLE,
        input_name="title",
        error=wrong.pop("title", ""),
        default_json='""',
    )
    priority = said.get("priority", "normal")
    return StartForm(
        fields=tuple(each for each in fields if not each.advanced),
        advanced=tuple(each for each in fields if each.advanced),
        title_field=title,
        priority=priority if priority in dict(PRIORITIES) else "normal",
        visibility=said.get("visibility", default_visibility),
        idempotency_key=said.get("idempotency_key") or secrets.token_urlsafe(12),
        other_problems=tuple(wrong.values()),
    )


def read_params(job: Job, sent: MultiDict[str, str], schema: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The raw parameters that a sent form holds; what it leaves to the default is not in them."""
    schema = schema or form_schema(job)
    is_whole = SENT_BY_PAGE in sent
    params: dict[str, Any] = {}
    for name, prop in schema.get("properties", {}).items():
        key = FIELD_PREFIX + name
        kind, is_nullable, inner = shape(prop, schema)
        if key not in sent and not (is_whole and kind in ("boolean", "array")):
            continue
        value = _read(sent.getlist(key), kind, is_nullable, inner, schema)
        if value is not _UNSAID:
            put(params, name, value)
    return params


_UNSAID = object()


def _read(sent: list[str], kind: str, is_nullable: bool, inner: Mapping[str, Any], schema: Mapping[str, Any]) -> Any:
    text = sent[-1].strip() if sent else ""
    if kind == "boolean":
        return text == "true"
    if kind == "array":
        return (
            [part for value in sent for part in split_tokens(value)]
            if not choices_of(inner.get("items", {}), schema)
            else sent
        )
    if not text:
        return None if is_nullable else ("" if kind == "string" and not choices_of(inner, schema) else _UNSAID)
    if kind in ("integer", "number") and not choices_of(inner, schema):
        return _number(text)
    if kind == "object":
        try:
            return json.loads(text)
        except ValueError:
            return text
    return next((each for each in choices_of(inner, schema) or () if str(each) == text), text)


def _number(text: str) -> Any:
    """The number that was typed; what is none stays text, for the model to refuse."""
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text


def split_tokens(text: str) -> list[str]:
    """The words of a field that takes several: separated by commas or line ends."""
    return [part.strip() for part in re.split(r"[,\r\n]+", text) if part.strip()]


def _by_field(problems: Mapping[str, str], properties: Mapping[str, Any]) -> dict[str, str]:
    """Sentences by property: a problem inside a list ("file_types.0") belongs to the whole field."""
    sentences: dict[str, str] = {}
    for name, text in problems.items():
        sentences.setdefault(name if name in properties else name.split(".")[0], text)
    return sentences


def _title_hint(job: Job, params: Mapping[str, Any]) -> str:
    """What the task will be called when nobody names it, as far as the parameters so far tell."""
    try:
        return job.title_of(job.params.model_validate(dict(params)))
    except ValueError:
        return job.title
