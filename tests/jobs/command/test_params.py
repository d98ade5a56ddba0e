"""From what somebody asks for to the arguments of a program: typed, whole, never an option by accident."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from accounts import Identity
from config import Config
from jobs.command.params import CommandParams, allow, audited, check_params, form_schema, plan_of, resource_for
from jobs.command.templates import commands
from tasks.errors import InvalidParams
from tests.jobs.command.running import write_commands
from tests.jobs.command.test_templates import WHOLE

pytestmark = pytest.mark.req("B12")


def person(role: str) -> Identity:
    return Identity(1, "ada", role, 1, None)  # type: ignore[arg-type]


@pytest.fixture
def config(make_config: Callable[..., Config], tmp_path: Path) -> Config:
    found = make_config()
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "list.txt").write_text("milk")
    return found


def argv(config: Config, **arguments: Any) -> list[str]:
    return plan_of(CommandParams(template="it", arguments=arguments), config).argv


def problems(config: Config, **arguments: Any) -> dict[str, str]:
    with pytest.raises(InvalidParams) as refused:
        argv(config, **arguments)
    return refused.value.problems


def test_values_become_whole_arguments_and_what_has_none_is_left_out(config: Config, tmp_path: Path) -> None:
    write_commands(config, it=WHOLE)
    folder = str(tmp_path / "shop")
    assert argv(config, folder="shop", source="live") == [
        "/usr/bin/env", f"--chdir={folder}", "live", "--shards", "4", "{literal}",
    ]  # fmt: skip
    assert argv(config, folder=folder, source="live", shards=64, verbose=True, since="2026-01") == [
        "/usr/bin/env", f"--chdir={folder}", "live", "--shards", "64", "--verbose", "since=2026-01", "{literal}",
    ]  # fmt: skip
    assert (
        plan_of(CommandParams(template="it", arguments={"folder": "shop", "source": "live"}), config).folder == folder
    )


def test_every_wrong_value_has_its_sentence(config: Config) -> None:
    write_commands(config, it=WHOLE)
    found = problems(config, source="other", shards=65, folder="..", verbose="yes", since="2026-01-01", more=1)
    assert set(found) == {f"arguments.{name}" for name in ("source", "shards", "folder", "verbose", "since", "more")}
    assert found["arguments.shards"] == "Give a whole number from 1 to 64."
    assert problems(config, folder="shop")["arguments.source"] == "Say a value; the command needs it."


@pytest.mark.parametrize("value", [True, 1.0, "4", None.__class__, [4], {"a": 1}])
def test_a_number_is_a_whole_number_and_nothing_like_it(config: Config, value: Any) -> None:
    write_commands(config, it=WHOLE)
    assert "arguments.shards" in problems(config, folder="shop", source="live", shards=value)


@pytest.mark.req("D11")
@pytest.mark.parametrize("value", ["/etc", "../..", "shop/../..", "gone", "a\0b", "", "~", "shop\nx", "x" * 5000, 7])
def test_a_folder_lies_below_a_scan_root(config: Config, value: Any) -> None:
    write_commands(config, it=WHOLE)
    assert "arguments.folder" in problems(config, folder=value, source="live")


@pytest.mark.req("D11")
def test_a_file_lies_below_a_scan_root_after_every_link(config: Config, tmp_path: Path) -> None:
    write_commands(config, it='argv = ["/bin/cat", "{x}"]\n[commands.it.parameters.x]\ntype = "path"\nkind = "file"')
    assert argv(config, x="shop/list.txt") == ["/bin/cat", str(tmp_path / "shop" / "list.txt")]
    (tmp_path / "shop" / "out").symlink_to("/etc/hostname")
    for wrong in ("shop/out", "/etc/hostname", "shop", "shop/gone", "shop/../../etc/hostname", "shop/list.txt/", ""):
        assert "arguments.x" in problems(config, x=wrong), wrong


@pytest.mark.parametrize("value", ["-rf", "--help", "-"])
def test_a_value_is_no_option_unless_declared(config: Config, value: str) -> None:
    template = 'argv = ["/bin/echo", "{x}"]\n[commands.it.parameters.x]\ntype = "pattern"\npattern = ".*"\n'
    write_commands(config, it=template)
    assert problems(config, x=value)["arguments.x"] == "The value must not start with a dash."
    write_commands(config, it=template + "may_start_with_dash = true")
    assert argv(config, x=value) == ["/bin/echo", value]


def test_a_pattern_describes_the_whole_text_in_linear_time(config: Config) -> None:
    write_commands(
        config,
        it='argv = ["/bin/echo", "{x}"]\n[commands.it.parameters.x]\ntype = "pattern"\n'
        'pattern = "(a|a)*(a+)+b|a b"\nmax_length = 1000',
    )
    assert argv(config, x="a b") == ["/bin/echo", "a b"]
    for wrong in ("a b\n", "xa b", "a bx", "a b\0", "aab;reboot"):
        assert "arguments.x" in problems(config, x=wrong)
    started_s = time.monotonic()
    assert "arguments.x" in problems(config, x="a" * 1000)  # a backtracking engine takes longer than the universe has
    assert time.monotonic() - started_s < 20


def test_an_unknown_command_and_one_for_admins_are_refused_alike(config: Config) -> None:
    write_commands(config, it='argv = ["/bin/true"]', all='argv = ["/bin/true"]\nwho = "everyone"')
    refused = []
    for name, role in (("gone", "admin"), ("it", "user")):
        with pytest.raises(InvalidParams) as error:
            allow(check_params(CommandParams(template=name), config), person(role), config)
        refused.append(error.value.problems)
    assert refused[0] == refused[1]
    allow(CommandParams(template="it"), person("admin"), config)
    allow(CommandParams(template="all"), person("user"), config)
    assert audited(CommandParams(template="it"), config) == {"template": "it", "argv": ["/bin/true"]}
    assert audited(CommandParams(template="all"), config) is None


def test_command_lines_are_off_until_the_operator_turns_them_on_for_admins(make_config: Callable[..., Config]) -> None:
    asked = CommandParams(command_line="/bin/echo 'two words' $HOME ; `id`")
    with pytest.raises(InvalidParams, match="only the commands that its operator has defined"):
        check_params(asked, make_config())
    config = make_config(FREE_COMMANDS="admins")
    assert plan_of(check_params(asked, config), config).argv == ["/bin/echo", "two words", "$HOME", ";", "`id`"]
    assert audited(asked, config) == {"template": "", "argv": ["/bin/echo", "two words", "$HOME", ";", "`id`"]}
    with pytest.raises(InvalidParams):
        allow(asked, person("user"), config)
    allow(asked, person("admin"), config)
    for wrong in ("echo hi", "/bin/echo 'open", "/bin/echo " + "x " * 300):
        with pytest.raises(InvalidParams) as refused:
            check_params(CommandParams(command_line=wrong), config)
        assert list(refused.value.problems) == ["command_line"]
    with pytest.raises(InvalidParams):
        check_params(CommandParams(command_line="/bin/echo", template="it"), config)


def test_a_broken_file_refuses_starts_without_telling_its_path(config: Config) -> None:
    write_commands(config, it="argv = 3")
    with pytest.raises(InvalidParams) as refused:
        check_params(CommandParams(template="it"), config)
    assert str(config.commands_file) not in str(refused.value.problems)


def test_a_command_can_ask_to_be_alone(config: Config) -> None:
    write_commands(config, it='argv = ["/bin/true"]\none_at_a_time = true', other='argv = ["/bin/true"]')
    assert resource_for(CommandParams(template="it"), config) == "command:it"
    assert resource_for(CommandParams(template="other"), config) is None


def test_each_parameter_is_a_property_of_the_form(config: Config) -> None:
    write_commands(config, it=WHOLE)
    schema = form_schema("it", commands(config).templates["it"])
    assert schema["required"] == ["template", "arguments.source", "arguments.folder"]
    assert schema["properties"]["arguments.shards"] == {
        "title": "Shards", "type": "integer", "minimum": 1, "maximum": 64, "default": 4,
    }  # fmt: skip
    assert schema["properties"]["arguments.source"]["enum"] == ["snapshot", "live"]
