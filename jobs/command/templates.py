"""The operator's file of commands: read, checked to the letter, and read again when it has changed.

What is wrong with it is said as one sentence that names the file, the template, the field, and what was expected.
"""

from __future__ import annotations

import os
import re
import stat
import string
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator, model_validator

from config import Config, ConfigError
from jobs.command.parameters import Parameter, PathParameter, SwitchParameter, Words

MAX_FILE_BYTES = 1_000_000
MAX_TIMEOUT_S = 7 * 24 * 3600
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
PLACEHOLDER = re.compile(r"[a-z][a-z0-9_]{0,63}")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
MARKER = "TASKROOM_TASK_ID"
"""in the environment of everything that a command starts, so that it can be found"""

Argument = Annotated[str, StringConstraints(max_length=8_000)]
Piece = tuple[str, str | None]


class Limits(BaseModel):
    """What the command may use. What is not said is not limited."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cpu_s: int | None = Field(default=None, ge=1, le=10_000_000)
    memory_mb: int | None = Field(default=None, ge=8, le=100_000_000)
    file_mb: int | None = Field(default=None, ge=1, le=100_000_000)
    processes: int | None = Field(default=None, ge=1, le=100_000)
    open_files: int | None = Field(default=None, ge=8, le=1_000_000)


class FromFile(BaseModel):
    """A variable whose value is the content of a file, read when the command starts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str


class Template(BaseModel):
    """One command that people may start. Durations are seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: Words = ""
    description: Words = ""
    argv: list[Argument] = Field(min_length=1, max_length=200)
    parameters: dict[str, Parameter] = Field(default_factory=dict, max_length=50)
    who: Literal["everyone", "admins"] = "admins"
    timeout_s: int = Field(3600, ge=1, le=MAX_TIMEOUT_S)
    stop_grace_s: float = Field(2.0, ge=0, le=60)
    folder: str | None = None
    exit_codes: list[Annotated[int, Field(ge=0, le=255)]] = Field(default_factory=lambda: [0], min_length=1)
    environment: dict[str, str | FromFile] = Field(default_factory=dict, max_length=100)
    limits: Limits = Field(default_factory=Limits)
    new_privileges: bool = False
    one_at_a_time: bool = False
    progress: Literal["auto", "none"] = "auto"
    log_lines: int = Field(5_000, ge=100, le=40_000)
    output_mb: int = Field(8, ge=1, le=64)

    @field_validator("parameters")
    @classmethod
    def _parameter_names(cls, parameters: dict[str, Any]) -> dict[str, Any]:
        for name in parameters:
            if not PLACEHOLDER.fullmatch(name):
                raise ValueError(f"expected names like since_date (small letters, digits, _), got {name!r}")
        return parameters

    @field_validator("environment")
    @classmethod
    def _variables(cls, environment: dict[str, Any]) -> dict[str, Any]:
        for name, value in environment.items():
            if not VARIABLE.fullmatch(name) or name == MARKER:
                raise ValueError(f"expected names of variables like INDEX_HOME, got {name!r}")
            if "\0" in (value if isinstance(value, str) else value.file):
                raise ValueError(f"{name}: expected a value without NUL characters")
            if isinstance(value, FromFile) and not Path(value.file).is_absolute():
                raise ValueError(f"{name}: expected an absolute path in file, got {value.file!r}")
        return environment

    @field_validator("argv")
    @classmethod
    def _program(cls, argv: list[str]) -> list[str]:
        if "\0" in "".join(argv):
            raise ValueError("expected arguments without NUL characters")
        if not Path(argv[0]).is_absolute():
            raise ValueError(f"expected the absolute path of a program first, got {argv[0]!r}")
        if any(name is not None for _, name in pieces(argv[0])):
            raise ValueError("expected a program without placeholders in its path")
        for number, element in enumerate(argv):
            try:
                pieces(element)
            except ValueError as error:
                raise ValueError(f"argument {number}, {element!r}: {error}") from error
        return argv

    @model_validator(mode="after")
    def _placeholders(self) -> Template:
        used: set[str] = set()
        for element in self.argv:
            parts = pieces(element)
            for _, name in parts:
                if name is None:
                    continue
                if name not in self.parameters:
                    known = ", ".join(self.parameters) or "none"
                    raise ValueError(f"argv: expected parameters of this template ({known}), got {{{name}}}")
                if isinstance(self.parameters[name], SwitchParameter) and element != f"{{{name}}}":
                    raise ValueError(f"argv: expected the switch {{{name}}} alone in its argument, got {element!r}")
                used.add(name)
        if self.folder is not None:
            used |= self._folder_parameter(self.folder)
        if unused := set(self.parameters) - used:
            raise ValueError(f"parameters: expected each in argv or folder, but {', '.join(sorted(unused))} is not")
        return self

    def _folder_parameter(self, folder: str) -> set[str]:
        name = folder[1:-1] if folder.startswith("{") and folder.endswith("}") else ""
        if name:
            parameter = self.parameters.get(name)
            if not isinstance(parameter, PathParameter) or parameter.kind != "folder":
                raise ValueError(f"folder: expected a path or a path parameter of kind folder, got {folder!r}")
            return {name}
        if not Path(folder).is_absolute() or "\0" in folder:
            raise ValueError(f"folder: expected an absolute path, got {folder!r}")
        return set()


@dataclass(frozen=True, slots=True)
class Commands:
    """What the file holds, by name, in its order."""

    file: Path
    templates: Mapping[str, Template]


_read: dict[Path, tuple[tuple[int, ...], Commands]] = {}


def commands(config: Config) -> Commands:
    """The templates as the file has them now; none when there is no file. Raises ConfigError with one sentence."""
    file = config.commands_file
    try:
        found = file.stat()
    except FileNotFoundError:
        if file != config.data_dir / "commands.toml":
            raise ConfigError(f"COMMANDS_FILE: expected an existing file, got {str(file)!r}") from None
        return Commands(file, {})
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror})") from error
    mark = (found.st_mtime_ns, found.st_size, found.st_ino, found.st_mode)
    known = _read.get(file)
    if known is None or known[0] != mark:
        known = _read[file] = (mark, Commands(file, _checked(file, found)))
    return known[1]


def free_command(argv: Sequence[str]) -> Template:
    """A command line that somebody typed, as a template without parameters. Raises ConfigError."""
    try:
        return Template.model_validate({"argv": [each.replace("{", "{{").replace("}", "}}") for each in argv]})
    except ValidationError as error:
        raise ConfigError(_sentence("command_line", error)) from error


def pieces(element: str) -> list[Piece]:
    """An argument as (text, placeholder or None) in order; `{{` and `}}` stand for braces. Raises ValueError."""
    found: list[Piece] = []
    try:
        parsed = list(string.Formatter().parse(element))
    except ValueError as error:
        raise ValueError("expected {name} for a placeholder, and {{ or }} for a brace") from error
    for text, name, form, conversion in parsed:
        if name is not None and (not PLACEHOLDER.fullmatch(name) or form or conversion):
            raise ValueError("expected {name} for a placeholder, and {{ or }} for a brace")
        found.append((text, name))
    return found


def program_problem(program: str) -> str | None:
    """Why this program must not or cannot be run here, or None: it exists, can be executed, and only its owner and
    the system can change it or put another in its place."""
    try:
        path = Path(os.path.realpath(program, strict=True))
        found = path.stat()
    except OSError as error:
        return f"{program} cannot be found ({error.strerror})"
    if not stat.S_ISREG(found.st_mode):
        return f"{program} is not a file"
    if not os.access(path, os.X_OK):
        return f"{program} may not be executed by this server (chmod +x)"
    if found.st_mode & 0o022:
        return f"{program} can be changed by others than its owner (chmod go-w {path})"
    for folder in (*Path(program).parents, *path.parents):
        mode = folder.stat().st_mode
        if mode & 0o002 and not mode & stat.S_ISVTX:
            return f"{program} can be replaced by everyone who may write to {folder} (chmod o-w {folder})"
    return None


def _checked(file: Path, found: os.stat_result) -> dict[str, Template]:
    if not stat.S_ISREG(found.st_mode) or found.st_size > MAX_FILE_BYTES:
        raise ConfigError(f"{file}: expected a file of at most {MAX_FILE_BYTES:,} bytes")
    if found.st_mode & 0o022 or found.st_uid not in (0, os.getuid()):
        raise ConfigError(
            f"{file}: expected a file of root or of the user who runs Taskroom, that others cannot change (chmod go-w)"
        )
    try:
        content = tomllib.loads(file.read_bytes().decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{file}: expected TOML: {error}") from error
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror})") from error
    if other := set(content) - {"commands"}:
        raise ConfigError(f"{file}: expected tables [commands.NAME] alone, got {min(other)!r}")
    tables = content.get("commands", {})
    if not isinstance(tables, dict):
        raise ConfigError(f"{file}: expected tables [commands.NAME], got {tables!r:.60}")
    return {name: _template(file, name, table) for name, table in tables.items()}


def _template(file: Path, name: str, table: Any) -> Template:
    if not NAME.fullmatch(name):
        raise ConfigError(f"{file}: template {name!r:.80}: expected a name of a to z, 0 to 9, - and _")
    try:
        return Template.model_validate(table)
    except ValidationError as error:
        raise ConfigError(_sentence(f"{file}: template {name}", error)) from error


def _sentence(where: str, error: ValidationError) -> str:
    """The first thing that is wrong. A value is repeated only where it cannot be a secret."""
    first = error.errors(include_url=False)[0]
    place = [str(part) for part in first["loc"]]
    if place[:1] in (["parameters"], ["environment"]):
        del place[2:3]  # which of several models was tried
    field = ".".join(place)
    text = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        text = "expected a setting that docs/jobs_command.md names, this is none"
    elif first["type"] == "missing":
        text = "expected a value, got nothing"
    elif text.startswith("Input should"):
        is_shown = "environment" not in place and not isinstance(first["input"], dict | list)
        given = f", got {first['input']!r:.60}" if is_shown else ""
        text = f"expected {text.removeprefix('Input should ').removeprefix('be ').removeprefix('have ')}{given}"
    return ": ".join(part for part in (where, field, text) if part)
