"""From the bytes of a request to checked models: every wrong field is named with a sentence, nothing is guessed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import orjson
from flask import Request
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import UnsupportedMediaType

from tasks.errors import InvalidParams, InvalidPayload

MAX_DEPTH = 32
MAX_KNOWN_NAMED = 20
ModelT = TypeVar("ModelT", bound=BaseModel)


def _whole(value: object) -> object:
    """Only digits: pydantic alone would also take "5.0", " 5" and "1_0"."""
    if isinstance(value, str) and not re.fullmatch(r"-?\d{1,19}", value, re.ASCII):
        raise ValueError("Write a whole number in digits")
    return value


def _truth(value: object) -> object:
    words = {"true": True, "1": True, "false": False, "0": False}
    if isinstance(value, str):
        if value not in words:
            raise ValueError("Write true or false")
        return words[value]
    return value


def _without_nul(value: str) -> str:
    if "\0" in value:
        raise ValueError("Text cannot hold the character NUL")
    return value


def _moment(value: object) -> object:
    """With a zone: a time that each side understands differently would be a wrong answer."""
    if not isinstance(value, str):
        return value
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None or not 1970 <= moment.year <= 9000:
            raise ValueError
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("Write a time as 2026-11-21T14:02:10Z") from None


Moment = Annotated[datetime, BeforeValidator(_moment), Field(json_schema_extra={"format": "date-time"})]
Whole = Annotated[int, BeforeValidator(_whole)]
Truth = Annotated[bool, BeforeValidator(_truth)]
NO_NUL = {"pattern": r"^[^\u0000]*$"}
Text = Annotated[str, AfterValidator(_without_nul), Field(json_schema_extra=NO_NUL)]
Words = Annotated[Text, StringConstraints(max_length=200)]
Cursor = Annotated[Text, StringConstraints(max_length=300)]
LongCursor = Annotated[Text, StringConstraints(max_length=4000)]


class Query(BaseModel):
    """The root of query strings: unknown names are refused, so that a misspelt filter never shows everything."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Body(BaseModel):
    """The root of bodies: unknown names and other JSON types are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Headers(BaseModel):
    """The root of request headers that an operation reads."""

    model_config = ConfigDict(frozen=True)


def read_query(model: type[ModelT], args: MultiDict[str, str]) -> ModelT:
    """The query string as `model`. Raises InvalidParams for unknown, repeated and wrong parameters."""
    lists = {name for name, prop in model.model_json_schema()["properties"].items() if prop.get("type") == "array"}
    repeated = [name for name in args if name not in lists and len(args.getlist(name)) > 1]
    if repeated:
        raise InvalidParams({name[:100]: f"Give {name[:100]} once." for name in repeated})
    return _checked(model, {name: args.getlist(name) if name in lists else args[name] for name in args})


def refuse_query(args: Mapping[str, str]) -> None:
    """Raise InvalidParams when an operation without parameters is given some."""
    if args:
        raise InvalidParams({name[:100]: "This address takes no parameters." for name in list(args)[:MAX_KNOWN_NAMED]})


def read_headers(model: type[ModelT], request: Request) -> ModelT:
    """The headers that `model` names, by their aliases. Raises InvalidParams."""
    names = [each.alias or name for name, each in model.model_fields.items()]
    return _checked(model, {name: request.headers[name] for name in names if name in request.headers})


def read_body(model: type[ModelT], request: Request, required: bool) -> ModelT:
    """The JSON body as `model`.

    Raises UnsupportedMediaType for anything but application/json, InvalidPayload for what is not JSON that every
    client could read, InvalidParams with a sentence for each wrong field, and RequestEntityTooLarge.
    """
    raw = request.get_data(cache=False)
    if not raw and not required:
        return _checked(model, {})
    if request.mimetype != "application/json":
        raise UnsupportedMediaType
    return _checked(model, _object(raw))


def _object(raw: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        where = f" (line {error.lineno}, column {error.colno})" if raw else ""
        raise InvalidPayload(f"The body is not valid JSON{where}.") from None
    if not isinstance(value, dict):
        raise InvalidPayload("The body must be a JSON object.")
    _refuse_unstorable(value)
    return value


def _refuse_unstorable(value: object) -> None:
    """NUL cannot be stored as text, and what is nested deeper than any job needs costs too much to look at."""
    level = [value]
    for _ in range(MAX_DEPTH):
        if any(isinstance(each, str) and "\0" in each for each in level):
            raise InvalidPayload("Text cannot hold the character NUL.")
        level = [inner for each in level for inner in _inside(each)]
        if not level:
            return
    raise InvalidPayload(f"The body is nested more than {MAX_DEPTH} levels deep.")


def _inside(value: object) -> list[object]:
    if isinstance(value, dict):
        return [*value, *value.values()]
    return value if isinstance(value, list) else []


def _checked(model: type[ModelT], raw: Mapping[str, Any]) -> ModelT:
    try:
        return model.model_validate(dict(raw))
    except ValidationError as error:
        raise InvalidParams(_problems(model, error)) from None


def _problems(model: type[BaseModel], error: ValidationError) -> dict[str, str]:
    known = [each.alias or name for name, each in model.model_fields.items()]
    problems: dict[str, str] = {}
    for each in error.errors(include_url=False, include_context=False, include_input=False):
        name = ".".join(str(part) for part in each["loc"])[:100] or "body"
        if each["type"] == "extra_forbidden" and len(each["loc"]) == 1:
            text = f"There is no {name}. Known are: {', '.join(known[:MAX_KNOWN_NAMED]) or 'none'}"
        elif each["type"] == "missing":
            text = f"{name} is missing"
        else:
            text = each["msg"].removeprefix("Value error, ")
        problems.setdefault(name, f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}")
    return problems
