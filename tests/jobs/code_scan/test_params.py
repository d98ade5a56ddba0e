"""What may be asked of a scan."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import jobs
from config import Config
from jobs.code_scan.params import CodeScanParams, resource_for
from tasks.errors import InvalidParams
from tasks.registry import find_job

JOBS = jobs


def problems(config: Config, **raw: Any) -> dict[str, str]:
    with pytest.raises(InvalidParams) as refused:
        find_job("code_scan").validated(raw, config)
    return refused.value.problems


@pytest.mark.req("B3")
def test_file_types_are_taken_as_people_write_them() -> None:
    params = CodeScanParams(repository_path="x", file_types=[".cs", "ts", "*.HTML", ".cs"])
    assert params.file_types == [".cs", ".ts", ".html"]


@pytest.mark.req("D5", "D11")
@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"repository_path": "a", "git_url": "https://git.example.org/a/b"},
        {"repository_path": "a", "ref": "main"},
        {"repository_path": "a", "file_types": ["../x"]},
        {"repository_path": "a", "file_types": "py"},
        {"repository_path": "a", "detect": ["secrets"]},
        {"repository_path": "a", "exclude_patterns": ["a\nb"]},
        {"repository_path": "a", "max_file_bytes": 10**12},
        {"repository_path": "a", "parse_deadline_s": 0},
        {"repository_path": "a", "parse_deadline_s": "NaN"},
        {"repository_path": "a", "surprise": 1},
        {"repository_path": 5},
        {"repository_path": "no/such/folder"},
        {"git_url": "https://git.example.org/a/b", "ref": "--upload-pack=touch"},
    ],
)
def test_nonsense_is_refused_with_a_sentence_for_each_field(
    make_config: Callable[..., Config], raw: dict[str, Any]
) -> None:
    config = make_config(GIT_ALLOWED_HOSTS="git.example.org")
    for sentence in problems(config, **raw).values():
        assert sentence.endswith(".")


@pytest.mark.req("B7")
def test_one_folder_is_one_resource_however_it_is_written(make_config: Callable[..., Config], tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "also").symlink_to(tmp_path / "app")
    config = make_config()
    written = ("app", "./app/", str(tmp_path / "app"), "also", "app/../app")
    assert len({resource_for(CodeScanParams(repository_path=each), config) for each in written}) == 1


@pytest.mark.req("J1")
def test_the_form_has_a_title_and_a_widget_for_every_field() -> None:
    properties = find_job("code_scan").schema()["properties"]
    assert all(each["title"] and each["description"] and each["widget"] for each in properties.values())
    assert {name for name, each in properties.items() if each.get("advanced")} == {"max_file_bytes", "parse_deadline_s"}
