"""The sample of docs/jobs_command.md works, and the page names every setting."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from config import Config
from jobs.command.templates import Limits, Template, commands
from pages.command import EXAMPLE

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "jobs_command.md").read_text()

pytestmark = pytest.mark.req("B12")


SAMPLES = {"docs": re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)[0], "page": EXAMPLE}


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)
def test_a_sample_is_a_whole_file_of_commands(make_config: Callable[..., Config], sample: str) -> None:
    config = make_config()
    config.commands_file.write_text(sample)
    config.commands_file.chmod(0o600)
    assert "disk-usage" in commands(config).templates


def test_every_setting_is_explained() -> None:
    named = set(re.findall(r"`(\w+)`", PAGE))
    assert {*Template.model_fields, *Limits.model_fields} - {"parameters"} <= named
