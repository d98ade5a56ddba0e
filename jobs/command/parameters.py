"""The typed parameters of a command: what a value may be, how it becomes one argument, and how a form asks for it.

One rule: a value is checked as a whole and becomes a whole argument. It is never split, and never starts with "-"
unless its parameter says that it may.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import SchemaError, SchemaValidator, ValidationError, core_schema

from jobs.repository.sources import SourceRefused, resolve_local

MAX_VALUE = 1000
Words = Annotated[str, Field(max_length=500)]
Choice = Annotated[str, Field(min_length=1, max_length=MAX_VALUE)]


class Wrong(ValueError):
    """This value is not what its parameter takes. The message is a sentence for whoever gave it."""


class _Parameter(BaseModel):
    """What all kinds share. Without a default and with `required = false`, a value may be left out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: Words = ""
    description: Words = ""
    required: bool = True
    may_start_with_dash: bool = False

    @property
    def is_needed(self) -> bool:
        """Whether somebody has to say a value."""
        return self.required and self.preset is None

    @property
    def preset(self) -> Any:
        """The default, or None."""
        return getattr(self, "default", None)

    @property
    def usual_description(self) -> str:
        """What stands under the field when the operator says nothing."""
        return ""

    def argument(self, value: Any, roots: Sequence[Path]) -> str:
        """The value as an argument. Raises Wrong."""
        raise NotImplementedError

    def as_property(self, name: str) -> dict[str, Any]:
        """The parameter as a property of a JSON Schema, with the hints that forms understand."""
        title = self.title or name.replace("_", " ").capitalize()
        found = {"title": title, "description": self.description or self.usual_description}
        default = {} if self.is_needed else {"default": self.preset}
        return {key: value for key, value in found.items() if value} | self.shape() | default

    def shape(self) -> dict[str, Any]:
        """The part of the schema that is the kind's own."""
        raise NotImplementedError

    def _dashed(self, value: str) -> str:
        if value.startswith("-") and not self.may_start_with_dash:
            raise Wrong("The value must not start with a dash.")
        return value

    @model_validator(mode="after")
    def _sound(self) -> _Parameter:
        try:
            self.check_itself()
        except Wrong as error:
            raise ValueError(f"default: {error}") from error
        return self

    def check_itself(self) -> None:
        """Raise ValueError when the parameter cannot work. The default has to be a value that it takes."""
        if self.preset is not None:
            self.argument(self.preset, ())


class EnumParameter(_Parameter):
    """One of a few words."""

    type: Literal["enum"]
    values: list[Choice] = Field(min_length=1, max_length=200)
    labels: dict[str, Words] = Field(default_factory=dict)
    default: str | None = None

    def argument(self, value: Any, roots: Sequence[Path]) -> str:  # noqa: ARG002
        if value not in self.values:
            raise Wrong(f"Choose one of {', '.join(self.values[:20])}.")
        return self._dashed(str(value))

    def shape(self) -> dict[str, Any]:
        labels = {each: self.labels.get(each, each) for each in self.values}
        return {"type": "string", "enum": list(self.values), "labels": labels}

    def check_itself(self) -> None:
        if len(set(self.values)) < len(self.values):
            raise ValueError("values: expected each value once")
        if any(each.startswith("-") for each in self.values) and not self.may_start_with_dash:
            raise ValueError("values: expected no value that starts with a dash, or may_start_with_dash = true")
        if any(not each.isprintable() for each in self.values):
            raise ValueError("values: expected printable characters")
        super().check_itself()


class IntegerParameter(_Parameter):
    """A whole number between two others."""

    type: Literal["integer"]
    min: int
    max: int
    unit: Words = ""
    default: int | None = None

    def argument(self, value: Any, roots: Sequence[Path]) -> str:  # noqa: ARG002
        if isinstance(value, bool) or not isinstance(value, int) or not self.min <= value <= self.max:
            raise Wrong(f"Give a whole number from {self.min:,} to {self.max:,}.")
        return self._dashed(str(value))

    def shape(self) -> dict[str, Any]:
        limits = {"minimum": self.min, "maximum": self.max}
        return {"type": "integer", **limits} | ({"unit": self.unit} if self.unit else {})

    def check_itself(self) -> None:
        if self.max < self.min:
            raise ValueError(f"max: expected a number from {self.min} on, got {self.max}")
        if self.min < 0 and not self.may_start_with_dash:
            raise ValueError("min: expected 0 or more, or may_start_with_dash = true for numbers below zero")
        super().check_itself()


class PathParameter(_Parameter):
    """A folder or file that exists below a scan root; what the command gets is its resolved, absolute path."""

    type: Literal["path"]
    kind: Literal["folder", "file"] = "folder"
    default: str | None = None

    @property
    def usual_description(self) -> str:
        return f"A {self.kind} below a scan root: absolute, or relative to the root."

    def argument(self, value: Any, roots: Sequence[Path]) -> str:
        if not isinstance(value, str) or not 0 < len(value) <= MAX_VALUE:
            raise Wrong(f"Give the path of a {self.kind}, at most {MAX_VALUE} characters.")
        if not value.isprintable():
            raise Wrong(f"The path holds characters that cannot be printed. Give the path of a {self.kind}.")
        try:
            return str(resolve_local(value, roots) if self.kind == "folder" else _file_below(value, roots))
        except SourceRefused as error:
            raise Wrong(str(error)) from error

    def shape(self) -> dict[str, Any]:
        shape = {"type": "string", "maxLength": MAX_VALUE, "mono": True}
        return shape | ({"widget": "repository"} if self.kind == "folder" else {})

    def check_itself(self) -> None:
        """Whether the default exists is known when the command runs."""


class PatternParameter(_Parameter):
    """A text that a regular expression describes from its first to its last character.

    Matched in linear time, whatever the text: the expression knows no look-around and no back-references.
    """

    type: Literal["pattern"]
    pattern: str = Field(min_length=1, max_length=1000)
    max_length: int = Field(200, ge=1, le=MAX_VALUE)
    placeholder: Words = ""
    default: str | None = None

    def argument(self, value: Any, roots: Sequence[Path]) -> str:  # noqa: ARG002
        if not isinstance(value, str) or len(value) > self.max_length:
            raise Wrong(f"Give a text of at most {self.max_length:,} characters.")
        if not value.isprintable():
            raise Wrong("The text holds characters that cannot be printed.")
        try:
            self._matcher().validate_python(value)
        except ValidationError as error:
            raise Wrong(f"The text has to match {self.pattern} from its beginning to its end.") from error
        return self._dashed(value)

    def shape(self) -> dict[str, Any]:
        shape: dict[str, Any] = {"type": "string", "maxLength": self.max_length, "pattern": f"^(?:{self.pattern})$"}
        return shape | {"mono": True} | ({"placeholder": self.placeholder} if self.placeholder else {})

    def check_itself(self) -> None:
        try:
            _matcher(self.pattern)  # alone: it must not reach beyond the brackets that are put around it
            self._matcher()
        except SchemaError as error:
            raise ValueError(
                "pattern: expected a regular expression without look-around and back-references"
            ) from error
        super().check_itself()

    def _matcher(self) -> SchemaValidator:
        return _matcher(rf"\A(?:{self.pattern})\z")


class SwitchParameter(_Parameter):
    """Yes or no. Yes puts `flag` into the place of the placeholder, no leaves the argument out."""

    type: Literal["switch"]
    flag: str = Field(min_length=1, max_length=MAX_VALUE)
    default: bool = False

    def argument(self, value: Any, roots: Sequence[Path]) -> str:  # noqa: ARG002
        if not isinstance(value, bool):
            raise Wrong("Say yes or no (true or false).")
        return self.flag if value else ""

    def shape(self) -> dict[str, Any]:
        return {"type": "boolean"}


Parameter = Annotated[
    EnumParameter | IntegerParameter | PathParameter | PatternParameter | SwitchParameter, Field(discriminator="type")
]


def _matcher(pattern: str) -> SchemaValidator:
    return SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))


def _file_below(text: str, roots: Sequence[Path]) -> Path:
    """The regular file that `text` names, with every link resolved, in a folder below a root."""
    folder, name = os.path.split(text)
    given = resolve_local(folder or ".", roots) / name
    found = Path(os.path.realpath(given))
    resolve_local(str(found.parent), roots)
    if not name or not found.is_file():
        raise SourceRefused(f"There is no file {text} below the scan roots. Check the spelling.")
    if not os.access(found, os.R_OK):
        raise SourceRefused(f"{text} cannot be read by this server. Check its permissions.")
    return found
