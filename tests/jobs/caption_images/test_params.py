"""What the job is asked to do: ranges, how the lengths have to fit, one source, and captioners that are set up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from config import Config, ConfigError
from jobs.caption_images.params import CaptionParams, CaptionSettings, check_params
from tasks.errors import InvalidParams
from tasks.registry import find_job

pytestmark = pytest.mark.req("B9")


def problem(**params: Any) -> dict[str, str]:
    """The sentence for each wrong field."""
    with pytest.raises(ValidationError) as caught:
        CaptionParams(**({"path": "photos"} | params))
    return {".".join(str(part) for part in each["loc"]): each["msg"] for each in caught.value.errors()}


def test_the_documented_settings_have_the_documented_defaults() -> None:
    assert CaptionSettings.model_validate({}).model_dump() == {
        "max_posts_per_run": 50,
        "max_caption_length": 500,
        "optimal_min_length": 80,
        "optimal_max_length": 200,
        "reprocess_existing": False,
        "processing_delay_s": 1.0,
    }


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("max_posts_per_run", 1, 500),
        ("max_caption_length", 50, 1000),
        ("optimal_min_length", 20, 200),
        ("optimal_max_length", 100, 500),
        ("processing_delay_s", 0, 10),
    ],
)
def test_each_setting_keeps_its_range(name: str, low: int, high: int) -> None:
    assert name in problem(**{name: low - 1})
    assert name in problem(**{name: high + 1})
    fitting = {"optimal_min_length": 20, "optimal_max_length": 100, "max_caption_length": 1000}
    if name == "max_caption_length":
        assert "max_caption_length" in problem(**fitting | {name: low}), (
            "the best length has to fit, also at the border"
        )
    else:
        CaptionParams(**({"path": "photos"} | fitting | {name: low}))
    if name == "optimal_min_length":
        fitting["optimal_max_length"] = 500
    CaptionParams(**({"path": "photos"} | fitting | {name: high}))


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"optimal_min_length": 200}, "optimal_max_length"),
        ({"optimal_min_length": 120, "optimal_max_length": 120}, "optimal_max_length"),
        ({"max_caption_length": 199}, "max_caption_length"),
        ({"optimal_max_length": 500, "max_caption_length": 499}, "max_caption_length"),
    ],
)
def test_lengths_that_do_not_fit_are_refused_at_their_field_also_against_defaults(
    params: dict[str, int], field: str
) -> None:
    assert list(problem(**params)) == [field]


def test_there_is_exactly_one_source() -> None:
    assert "not both" in problem(upload_id="1-0")[""]
    assert "Give a folder" in problem(path="  ")[""]


@pytest.mark.req("D11")
@pytest.mark.parametrize("path", ["../etc", "/proc/self", "/etc", "photos/../../..", "a\0b"])
def test_a_folder_outside_the_roots_is_refused_at_its_field(config: Config, path: str) -> None:
    with pytest.raises(InvalidParams) as caught:
        check_params(CaptionParams(path=path), config)
    assert list(caught.value.problems) == ["path"]


@pytest.mark.req("D11")
@pytest.mark.parametrize("upload_id", ["7-" + "a" * 32, "../../x", "7-../../../../etc/passwd", "0-" + "b" * 32, "7"])
def test_an_upload_that_is_not_there_is_refused_at_its_field(config: Config, upload_id: str) -> None:
    with pytest.raises(InvalidParams) as caught:
        check_params(CaptionParams(upload_id=upload_id), config)
    assert list(caught.value.problems) == ["upload_id"]


def test_a_captioner_that_nobody_set_up_is_refused(config: Config, make_config: Callable[..., Config]) -> None:
    for captioner in ("ollama", "openai"):
        with pytest.raises(InvalidParams) as caught:
            check_params(CaptionParams(path=".", captioner=captioner), config)
        assert list(caught.value.problems) == ["captioner"]
    ready = make_config(CAPTION_OLLAMA_URL="http://gpu-1:11434/", CAPTION_OLLAMA_MODEL="llava")
    check_params(CaptionParams(path=".", captioner="ollama"), ready)
    assert ready.captions.ollama_url == "http://gpu-1:11434"


@pytest.mark.parametrize(
    "environment",
    [
        {"CAPTIONER": "ollama"},
        {"CAPTION_OLLAMA_URL": "http://gpu-1:11434"},
        {"CAPTION_OPENAI_MODEL": "m"},
        {"CAPTION_OPENAI_URL": "ftp://x", "CAPTION_OPENAI_MODEL": "m"},
        {"CAPTION_OPENAI_URL": "http://user:pw@x/v1", "CAPTION_OPENAI_MODEL": "m"},
        {"CAPTION_TIMEOUT_SECONDS": "0"},
        {"CAPTION_CLASSIFIER_DIR": "/no/such/folder"},
        {"UPLOAD_MAX_MB": "0"},
    ],
)
def test_settings_that_cannot_work_stop_the_start(
    make_config: Callable[..., Config], environment: dict[str, str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        make_config(**environment)
    assert str(caught.value).split(":")[0] in {"CAPTION_OLLAMA_URL", "CAPTION_OLLAMA_MODEL", *environment} | {
        "CAPTION_OPENAI_URL"
    }


@pytest.mark.req("D13")
def test_the_key_is_in_no_text_of_the_settings(make_config: Callable[..., Config]) -> None:
    config = make_config(CAPTION_OPENAI_URL="http://x/v1", CAPTION_OPENAI_MODEL="m", CAPTION_OPENAI_KEY="sk-very-own")
    assert config.captions.openai_key == "sk-very-own"
    assert "sk-very-own" not in repr(config) + str(config)


def test_the_job_is_one_of_those_that_people_may_start() -> None:
    assert find_job("caption_images").schema()["properties"]["max_posts_per_run"]["maximum"] == 500
