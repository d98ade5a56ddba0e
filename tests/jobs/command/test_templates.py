"""The operator's file of commands: what is wrong with it is said in a sentence that leads to the place."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

import cli
import doctor
from config import Config, ConfigError
from jobs.command.templates import commands, free_command, program_problem
from tests.jobs.command.running import write_commands

pytestmark = pytest.mark.req("B12")

WHOLE = """
title = "Rebuild the index"
argv = ["/usr/bin/env", "--chdir={folder}", "{source}", "--shards", "{shards}",
        "{verbose}", "since={since}", "{{literal}}"]
who = "everyone"
timeout_s = 60
folder = "{folder}"
exit_codes = [0, 3]
environment = { INDEX_HOME = "/srv", TOKEN = { file = "/etc/hostname" } }
limits = { cpu_s = 60, memory_mb = 512, file_mb = 10, processes = 8, open_files = 64 }
[commands.it.parameters.source]
type = "enum"
values = ["snapshot", "live"]
[commands.it.parameters.shards]
type = "integer"
min = 1
max = 64
default = 4
[commands.it.parameters.folder]
type = "path"
[commands.it.parameters.verbose]
type = "switch"
flag = "--verbose"
[commands.it.parameters.since]
type = "pattern"
pattern = "[0-9]{4}-[0-9]{2}"
required = false
"""
WRONG = {
    "an unknown setting": ('argv = ["/bin/true"]\nshell = true', "template it: shell: expected a setting that"),
    "no argv": ('title = "x"', "template it: argv: expected a value, got nothing"),
    "a relative program": ('argv = ["true"]', "template it: argv: expected the absolute path of a program"),
    "a placeholder as program": ('argv = ["/bin/{x}"]', "expected a program without placeholders"),
    "an unknown placeholder": (
        'argv = ["/bin/true", "{gone}"]',
        "expected parameters of this template (none)",
    ),
    "a format specification": ('argv = ["/bin/true", "{x:>10}"]', "argv: argument 1, '{x:>10}': expected {name}"),
    "an attribute": ('argv = ["/bin/true", "{x.__class__}"]', "expected {name}"),
    "a single brace": ('argv = ["/bin/true", "}"]', "expected {name}"),
    "a time-out of zero": (
        'argv = ["/bin/true"]\ntimeout_s = 0',
        "timeout_s: expected greater than or equal to 1",
    ),
    "who else": ('argv = ["/bin/true"]\nwho = "root"', "who: expected 'everyone' or 'admins', got 'root'"),
    "a relative folder": ('argv = ["/bin/true"]\nfolder = "srv"', "folder: expected an absolute path, got 'srv'"),
    "a bad variable": (
        'argv = ["/bin/true"]\nenvironment = { "A=B" = "x" }',
        "environment: expected names of variables",
    ),
    "a bad limit": ('argv = ["/bin/true"]\nlimits = { cpu_s = "much" }', "limits.cpu_s: expected a valid integer"),
}
WRONG_PARAMETERS = {
    "unused": ('type = "switch"\nflag = "-v"', "[]", "parameters: expected each in argv or folder, but x is not"),
    "no type": ("min = 1", '["{x}"]', "parameters.x:"),
    "an empty range": ('type = "integer"\nmin = 5\nmax = 1', '["{x}"]', "max: expected a number from 5 on"),
    "below zero": ('type = "integer"\nmin = -5\nmax = 1', '["{x}"]', "min: expected 0 or more"),
    "a dash in a value": ('type = "enum"\nvalues = ["-rf"]', '["{x}"]', "expected no value that starts with a dash"),
    "a default that does not fit": (
        'type = "integer"\nmin = 1\nmax = 2\ndefault = 3', '["{x}"]', "default: Give a whole number from 1 to 2."
    ),
    "a back-reference": ("type = \"pattern\"\npattern = '(a)\\1'", '["{x}"]', "without look-around and back-"),
    "an open bracket": ('type = "pattern"\npattern = "a)|(b"', '["{x}"]', "pattern: expected a regular expression"),
    "half a switch": ('type = "switch"\nflag = "-v"', '["a{x}"]', "expected the switch {x} alone in its argument"),
}  # fmt: skip


def mistake(config: Config) -> str:
    with pytest.raises(ConfigError) as refused:
        commands(config)
    return str(refused.value)


def test_a_whole_template_is_read_and_no_file_is_no_command(make_config: Callable[..., Config]) -> None:
    config = make_config()
    assert commands(config).templates == {}
    write_commands(config, it=WHOLE)
    found = commands(config).templates["it"]
    assert (found.who, found.limits.memory_mb, list(found.parameters)) == (
        "everyone", 512, ["source", "shards", "folder", "verbose", "since"],
    )  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_mistake_names_file_template_field_and_what_was_expected(
    make_config: Callable[..., Config], case: str
) -> None:
    config = make_config()
    text, expected = WRONG[case]
    write_commands(config, it=text)
    said = mistake(config)
    assert said.startswith(f"{config.commands_file}: template it: ")
    assert expected in said, said


@pytest.mark.parametrize("case", WRONG_PARAMETERS)
def test_a_mistake_in_a_parameter_is_named_as_well(make_config: Callable[..., Config], case: str) -> None:
    config = make_config()
    text, rest, expected = WRONG_PARAMETERS[case]
    argv = json.dumps(["/bin/true", *json.loads(rest)])
    write_commands(config, it=f"argv = {argv}\n[commands.it.parameters.x]\n{text}")
    assert expected in mistake(config)


@pytest.mark.req("D13")
def test_a_value_of_a_variable_is_never_repeated(make_config: Callable[..., Config]) -> None:
    config = make_config()
    write_commands(config, it='argv = ["/bin/true"]\nenvironment = { TOKEN = ["hunter2secret"] }')
    assert "hunter2secret" not in mistake(config)


@pytest.mark.parametrize(
    "content", [b"[commands.it\n", b"\xff\xfe", b"commands = 3", b"[other]\n", b"[commands.It]\n", b"a=" + b"[" * 5000]
)  # fmt: skip
def test_what_is_no_file_of_commands_is_a_sentence(make_config: Callable[..., Config], content: bytes) -> None:
    config = make_config()
    config.commands_file.write_bytes(content)
    config.commands_file.chmod(0o600)
    assert mistake(config).startswith(f"{config.commands_file}: ")


def test_a_file_that_others_can_change_defines_nothing(make_config: Callable[..., Config]) -> None:
    config = make_config()
    write_commands(config, it='argv = ["/bin/true"]')
    config.commands_file.chmod(0o666)
    assert "others cannot change" in mistake(config)


def test_a_changed_file_counts_at_once_and_a_missing_one_is_refused_at_start(
    make_config: Callable[..., Config], tmp_path: Path
) -> None:
    config = make_config()
    write_commands(config, one='argv = ["/bin/true"]')
    assert list(commands(config).templates) == ["one"]
    write_commands(config, one='argv = ["/bin/true"]', another='argv = ["/bin/false"]')
    assert list(commands(config).templates) == ["one", "another"]
    with pytest.raises(ConfigError, match="COMMANDS_FILE: expected the path of an existing file"):
        make_config(COMMANDS_FILE=str(tmp_path / "gone.toml"))


def test_a_program_is_judged_by_what_others_can_do_to_it(tmp_path: Path) -> None:
    program = tmp_path / "program"
    assert "cannot be found" in str(program_problem(str(program)))
    program.write_text("#!/bin/sh\n")
    program.chmod(0o644)
    if os.getuid() != 0:  # for root everything is executable that anybody may execute
        assert "may not be executed" in str(program_problem(str(program)))
    program.chmod(0o755)
    assert program_problem(str(program)) is None
    program.chmod(0o775)
    assert "can be changed by others" in str(program_problem(str(program)))
    program.chmod(0o755)
    (tmp_path / "open").mkdir(mode=0o777)
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "open" / "link").symlink_to(program)
    assert "can be replaced by everyone" in str(program_problem(str(tmp_path / "open" / "link")))
    assert "is not a file" in str(program_problem(str(tmp_path)))
    assert program_problem(sys.executable) is None


def test_a_typed_command_line_has_no_placeholders() -> None:
    assert free_command(["/bin/echo", "{a}", "}"]).argv == ["/bin/echo", "{{a}}", "}}"]
    with pytest.raises(ConfigError, match="absolute path"):
        free_command(["echo"])


@pytest.mark.req("J4")
def test_doctor_says_what_is_wrong(config: Config) -> None:
    def finding() -> doctor.Check:
        return next(check for check in doctor.checks(config) if check.name == "commands")

    assert finding().state == "ok"
    write_commands(config, it='argv = ["/no/such/program"]')
    assert (finding().state, "template it: argv: /no/such/program cannot be found" in finding().found) == ("fail", True)
    write_commands(config, it="argv = 3")
    assert (finding().state, "template it: argv: expected a valid list" in finding().found) == ("fail", True)


def test_serve_does_not_start_with_a_mistake(make_config: Callable[..., Config]) -> None:
    config = make_config()
    write_commands(config, it="argv = 3")
    done = CliRunner().invoke(cli.main, ["serve", "--data-dir", str(config.data_dir)], env={"PORT": "0"})
    assert done.exit_code == 2
    assert "template it: argv: expected a valid list" in " ".join(done.output.split())
