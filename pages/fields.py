"""One property of a JSON Schema as one field of a form: its control, its words, and its value as text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_jsonable_python

from pages import format as words
from tasks.registry import Job

MAX_RADIOS = 5
FIELD_PREFIX = "p."  # parameters cannot collide with title, priority and the like


@dataclass(frozen=True, slots=True)
class Option:
    """One of the values of a choice."""

    value: str
    label: str
    chosen: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """One property as a field. `value` is text as it stands in the control."""

    name: str
    label: str
    widget: str
    schema: Mapping[str, Any]
    help: str = ""
    value: str = ""
    options: tuple[Option, ...] = ()
    required: bool = False
    says_optional: bool = True
    placeholder: str = ""
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    step: str = "any"
    max_length: int | None = None
    mono: bool = False
    advanced: bool = False
    changed: bool = False
    default_json: str = "null"
    error: str = ""
    input_name: str = ""

    @property
    def id(self) -> str:
        """The control's id in the page."""
        return f"f-{re.sub(r'[^A-Za-z0-9_-]', '-', self.name)}"

    @property
    def described_by(self) -> str:
        """The ids of the sentences about this field, the error first."""
        parts = ([f"{self.id}-wrong"] if self.error else []) + ([f"{self.id}-help"] if self.help else [])
        return " ".join(parts)


def form_schema(job: Job) -> dict[str, Any]:
    """The JSON Schema of a job's parameters with every default in it, also those that the model makes by a function."""
    schema = job.schema()
    for name, prop in schema.get("properties", {}).items():
        model_field = job.params.model_fields.get(name)
        if model_field is not None and "default" not in prop and not model_field.is_required():
            made = model_field.get_default(call_default_factory=True, validated_data={})
            prop["default"] = to_jsonable_python(made)
    return schema


def field_of(
    name: str,
    prop: Mapping[str, Any],
    schema: Mapping[str, Any],
    params: Mapping[str, Any],
    repositories: Sequence[tuple[str, str]],
) -> Field:
    """The field of the property `name`, with its value from `params` or its default.

    `repositories` are (path, name) pairs that a field of that widget offers.
    """
    kind, is_nullable, inner = shape(prop, schema)
    widget = _widget(prop, kind, inner, schema)
    default = prop.get("default")
    value = params.get(name, default)
    minimum, maximum = (
        inner.get("minimum", inner.get("exclusiveMinimum")),
        inner.get("maximum", inner.get("exclusiveMaximum")),
    )
    unit = str(prop.get("unit", ""))
    return Field(
        name=name,
        label=prop.get("title") or words.humanise(name),
        widget=widget,
        schema=prop,
        help=_help(prop, widget, minimum, maximum, unit),
        value=_as_text(value),
        input_name=FIELD_PREFIX + name,
        options=_options(widget, inner, schema, value, is_nullable, repositories),
        required=name in schema.get("required", ()),
        says_optional=not _has_value(default),
        placeholder=str(prop.get("placeholder", "")),
        unit=unit,
        minimum=minimum,
        maximum=maximum,
        step="1" if kind == "integer" else "any",
        max_length=inner.get("maxLength"),
        mono=bool(prop.get("mono")) or "path" in name or "url" in name,
        advanced=bool(prop.get("advanced")),
        changed=value != default,
        default_json=json.dumps(default),
    )


def flat(params: Mapping[str, Any], properties: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters by the names of their properties: `a.b` is the value `b` inside `a`."""
    found = {}
    for name in properties:
        outer, _, inner = name.partition(".")
        value = params.get(outer)
        if not inner and outer in params:
            found[name] = value
        elif inner and isinstance(value, Mapping) and inner in value:
            found[name] = value[inner]
    return found


def put(params: dict[str, Any], name: str, value: Any) -> None:
    """The other way: set the value of the property `name`."""
    outer, _, inner = name.partition(".")
    if inner:
        params.setdefault(outer, {})[inner] = value
    else:
        params[name] = value


def shape(prop: Mapping[str, Any], schema: Mapping[str, Any]) -> tuple[str, bool, Mapping[str, Any]]:
    """(JSON type, may be null, the schema without the null) of a property."""
    branches = [_resolved(branch, schema) for branch in prop.get("anyOf", ())] or [_resolved(prop, schema)]
    real = [branch for branch in branches if branch.get("type") != "null"]
    inner = real[0] if real else {}
    kind = inner.get("type") or ("string" if "enum" in inner or "const" in inner else "object")
    return kind, len(real) < len(branches), inner


def _resolved(part: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = part.get("$ref")
    if not reference and len(part.get("allOf", ())) == 1:
        reference = part["allOf"][0].get("$ref")
    if not reference:
        return part
    found: Mapping[str, Any] = schema.get("$defs", {}).get(reference.rsplit("/", 1)[-1], {})
    return {**found, **{key: value for key, value in part.items() if key != "$ref"}}


def choices_of(inner: Mapping[str, Any], schema: Mapping[str, Any]) -> list[Any] | None:
    """The values that a property may take, or None when it is free."""
    whole = _resolved(inner, schema)
    return whole.get("enum") or ([whole["const"]] if "const" in whole else None)


def _widget(prop: Mapping[str, Any], kind: str, inner: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    choices = choices_of(inner.get("items", {}) if kind == "array" else inner, schema)
    if prop.get("widget") == "hidden":
        return "hidden"
    if kind == "boolean":
        return "switch"
    if kind == "array":
        return "checks" if choices else "tokens"
    if choices:
        return "radios" if len(choices) <= MAX_RADIOS else "select"
    if kind in ("integer", "number"):
        return "number"
    if kind == "object":
        return "area"
    wished = prop.get("widget", "text")
    return wished if wished in ("repository", "area", "upload") else "text"


def _options(
    widget: str,
    inner: Mapping[str, Any],
    schema: Mapping[str, Any],
    value: Any,
    is_nullable: bool,
    repositories: Sequence[tuple[str, str]],
) -> tuple[Option, ...]:
    if widget == "repository":
        return tuple(Option(path, label) for path, label in repositories)
    if widget not in ("radios", "select", "checks"):
        return ()
    labels = inner.get("labels") or {}
    choices = choices_of(inner.get("items", {}) if widget == "checks" else inner, schema) or []
    chosen = {str(each) for each in value or ()} if widget == "checks" else {_as_text(value)}
    options = [
        Option(str(each), labels.get(str(each)) or words.humanise(str(each)), str(each) in chosen) for each in choices
    ]
    if is_nullable and widget != "checks":
        options.insert(0, Option("", "Not set", value is None))
    return tuple(options)


def _help(prop: Mapping[str, Any], widget: str, minimum: float | None, maximum: float | None, unit: str) -> str:
    parts = [_sentence(str(prop.get("description", "")))]
    if widget == "number" and (minimum is not None or maximum is not None):
        parts.append(f"{_range(minimum, maximum)}{' ' + unit if unit else ''}.")
    if widget == "tokens":
        parts.append("Separate several with commas.")
    return " ".join(part for part in parts if part)


def _range(minimum: float | None, maximum: float | None) -> str:
    low, high = (f"{each:,g}" if each is not None else "" for each in (minimum, maximum))
    if low and high:
        return f"From {low} to {high}"
    return f"At least {low}" if low else f"At most {high}"


def _sentence(text: str) -> str:
    return text if not text or text[-1] in ".?" else f"{text}."


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(str(each) for each in value)
    return json.dumps(value, indent=2) if isinstance(value, dict) else str(value)


def _has_value(default: Any) -> bool:
    return default not in (None, "", [], {})
