"""What somebody asks for: a template and its arguments, or, where the operator allows it, a command line."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from config import Config, ConfigError
from jobs.command.parameters import PathParameter, SwitchParameter, Wrong
from jobs.command.templates import Template, commands, free_command, pieces
from tasks.errors import InvalidParams

if TYPE_CHECKING:
    from accounts import Identity

UNKNOWN = "There is no command of this name that you may run."
BROKEN = "The operator's file of commands has a mistake. `./taskroom doctor` on the server says which."
MAX_COMMAND_LINE = 8_000


class CommandParams(BaseModel):
    """Which command, and with what."""

    model_config = ConfigDict(extra="forbid")

    template: str | None = Field(
        None, max_length=64, title="Command", description="One that the operator of this server has defined."
    )
    arguments: dict[str, Any] = Field(
        default_factory=dict,
        max_length=50,
        title="Arguments",
        description="A value for each parameter of the command; what has a default may be left out.",
    )
    command_line: str | None = Field(
        None,
        max_length=MAX_COMMAND_LINE,
        title="Command line",
        description="Instead of a command. Only for admins, and only where FREE_COMMANDS allows it. Begins with the "
        "program's whole path; quotes keep words together, nothing is expanded, no shell reads it.",
        json_schema_extra={"widget": "area", "mono": True, "placeholder": "/usr/bin/du -sh /srv"},
    )

    @field_validator("template", "command_line", mode="before")
    @classmethod
    def _blank_is_none(cls, value: Any) -> Any:
        return None if isinstance(value, str) and not value.strip() else value


@dataclass(frozen=True, slots=True)
class Plan:
    """A checked request: what runs, where, and with which values. `folder` None is a folder of the task's own."""

    name: str
    template: Template
    argv: list[str]
    folder: str | None
    arguments: dict[str, Any]


def plan_of(params: CommandParams, config: Config) -> Plan:
    """What these parameters ask for, with every value checked. Raises InvalidParams."""
    if params.command_line is not None:
        return _free_plan(params, config)
    if params.template is None:
        raise InvalidParams({"template": "Say which command in template."})
    template = known_templates(config).get(params.template)
    if template is None:
        raise InvalidParams({"template": UNKNOWN})
    values, texts = _values(template, params.arguments, config)
    folder = template.folder
    if folder is not None and folder.startswith("{"):
        folder = texts[folder[1:-1]]
    return Plan(params.template, template, _argv(template, texts), folder, values)


def known_templates(config: Config) -> Mapping[str, Template]:
    """The operator's templates by name. Raises InvalidParams while the file has a mistake."""
    try:
        return commands(config).templates
    except ConfigError as error:
        raise InvalidParams({"template": BROKEN}) from error


def check_params(params: CommandParams, config: Config) -> CommandParams:
    """The parameters with every default said. Raises InvalidParams with a sentence for each wrong value."""
    plan = plan_of(params, config)
    return params.model_copy(update={"arguments": plan.arguments})


def allow(params: CommandParams, identity: Identity, config: Config) -> None:
    """Raise InvalidParams, as for a name that does not exist, when this person may not run that."""
    if not identity.is_admin and (params.command_line is not None or plan_of(params, config).template.who == "admins"):
        raise InvalidParams({"template": UNKNOWN})


def audited(params: CommandParams, config: Config) -> dict[str, Any] | None:
    """What the audit log keeps of a start that only admins may make."""
    plan = plan_of(params, config)
    return {"template": plan.name, "argv": plan.argv} if plan.template.who == "admins" else None


def title_for(params: CommandParams) -> str:
    """The name of the template, or of the program."""
    if params.command_line is None:
        return params.template or "Command"
    return params.command_line.split(maxsplit=1)[0].rpartition("/")[2] or "Command"


def resource_for(params: CommandParams, config: Config) -> str | None:
    """A command that wants to be alone holds its own name."""
    plan = plan_of(params, config)
    return f"command:{plan.name}" if plan.template.one_at_a_time else None


def timeout_for(params: CommandParams, config: Config) -> float:
    """The template's limit, in seconds."""
    return plan_of(params, config).template.timeout_s


def form_schema(name: str, template: Template) -> dict[str, Any]:
    """The parameters of one template as JSON Schema; `arguments.x` stands for the value x inside `arguments`."""
    properties: dict[str, Any] = {"template": {"type": "string", "const": name, "widget": "hidden", "title": "Command"}}
    required = ["template"]
    for key, parameter in template.parameters.items():
        properties[f"arguments.{key}"] = parameter.as_property(key)
        if parameter.is_needed:
            required.append(f"arguments.{key}")
    return {"type": "object", "properties": properties, "required": required}


def params_schema(name: str, template: Template) -> dict[str, Any]:
    """The `params` of a task that runs this template, as JSON Schema for programs."""
    parameters = template.parameters
    arguments = {
        "type": "object",
        "properties": {key: each.as_property(key) for key, each in parameters.items()},
        "required": [key for key, each in parameters.items() if each.is_needed],
        "additionalProperties": False,
    }
    required = ["template", "arguments"] if arguments["required"] else ["template"]
    return {
        "type": "object",
        "properties": {"template": {"type": "string", "const": name}, "arguments": arguments},
        "required": required,
        "additionalProperties": False,
    }


def free_schema() -> dict[str, Any]:
    """The form of a command line of one's own."""
    prop = CommandParams.model_json_schema()["properties"]["command_line"]
    return {"type": "object", "properties": {"command_line": prop}, "required": ["command_line"]}


def _free_plan(params: CommandParams, config: Config) -> Plan:
    if not config.free_commands:
        raise InvalidParams({"command_line": "This server runs only the commands that its operator has defined."})
    if params.template is not None or params.arguments:
        raise InvalidParams({"command_line": "Give a command or a command line, not both."})
    line = params.command_line or ""
    try:
        argv = shlex.split(line)
        template = free_command(argv)
    except ValueError as error:
        raise InvalidParams({"command_line": f"The quotes do not match: {error}."}) from error
    except ConfigError as error:
        text = "Begin with the whole path of a program, such as /usr/bin/du; at most 200 arguments."
        raise InvalidParams({"command_line": text}) from error
    return Plan("", template, argv, None, {})


def _values(template: Template, given: Mapping[str, Any], config: Config) -> tuple[dict[str, Any], dict[str, str]]:
    """(the values, defaults included; each as its argument). What has no value is in neither."""
    unknown = [name for name in given if name not in template.parameters]
    problems = {f"arguments.{name[:64]}": "The command has no such parameter." for name in unknown}
    values: dict[str, Any] = {}
    texts: dict[str, str] = {}
    for name, parameter in template.parameters.items():
        value = given.get(name)
        if value is None or (value == "" and not isinstance(parameter, SwitchParameter)):
            value = parameter.preset
        if value is None:
            if parameter.is_needed:
                problems[f"arguments.{name}"] = "Say a value; the command needs it."
            continue
        try:
            texts[name] = parameter.argument(value, config.scan_roots)
        except Wrong as error:
            problems[f"arguments.{name}"] = str(error)
        values[name] = value
    if template.folder and template.folder.startswith("{") and template.folder[1:-1] not in texts and not problems:
        problems[f"arguments.{template.folder[1:-1]}"] = "Say a folder; the command runs in it."
    if problems:
        raise InvalidParams(problems)
    return values, texts


def _argv(template: Template, texts: Mapping[str, str]) -> list[str]:
    """One argument for each element, but for those whose placeholder has no value or is a switch that is off."""
    argv = []
    for element in template.argv:
        parts = pieces(element)
        names = [name for _, name in parts if name is not None]
        is_switch = len(names) == 1 and isinstance(template.parameters[names[0]], SwitchParameter)
        if any(name not in texts for name in names) or (is_switch and not texts[names[0]]):
            continue
        argv.append("".join(text + (texts[name] if name is not None else "") for text, name in parts))
    return argv


def shown_argv(template: Template) -> list[str]:
    """The arguments with the placeholders as people see them before they have values."""
    return [
        "".join(text + (_placeholder(template, name) if name else "") for text, name in pieces(each))
        for each in template.argv
    ]


def _placeholder(template: Template, name: str) -> str:
    parameter = template.parameters[name]
    if isinstance(parameter, SwitchParameter):
        return f"[{parameter.flag}]"
    return f"‹{name}{'/' if isinstance(parameter, PathParameter) and parameter.kind == 'folder' else ''}›"
