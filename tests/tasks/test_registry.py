"""A job's description refuses what is wrong, field by field, with sentences."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, Field, field_validator

import tests.sample_jobs  # noqa: F401
from tasks.errors import InvalidParams, NotFound
from tasks.registry import RetryPolicy, find_job, job

pytestmark = pytest.mark.req("J1", "D5")


class Params(BaseModel, extra="forbid"):
    """What the job of this test takes."""

    size: int = Field(ge=1)
    name: str = "x"

    @field_validator("name")
    @classmethod
    def _no_spaces(cls, value: str) -> str:
        if " " in value:
            raise ValueError("use a name without spaces")
        return value


@job("registry_test", title="Registry test", params=Params, retry=RetryPolicy(3, 5.0))
def _registered(ctx, params):
    return {}


def test_every_wrong_field_gets_a_sentence(config):
    with pytest.raises(InvalidParams) as refused:
        find_job("registry_test").validated({"size": 0, "name": "a b", "colour": "red"}, config)
    assert refused.value.problems == {
        "size": "Input should be greater than or equal to 1.",
        "name": "Use a name without spaces.",
        "colour": "Extra inputs are not permitted.",
    }


def test_a_missing_field_is_named(config):
    with pytest.raises(InvalidParams) as refused:
        find_job("registry_test").validated({}, config)
    assert refused.value.problems == {"size": "Field required."}


def test_an_unknown_kind_is_answered_with_those_there_are():
    with pytest.raises(NotFound, match=r"no job called 'nope'\. Known are: .*registry_test"):
        find_job("nope")


def test_a_kind_belongs_to_one_function():
    with pytest.raises(ValueError, match="the job kind 'registry_test' is taken"):
        job("registry_test", title="Another", params=Params)(lambda ctx, params: {})


@pytest.mark.req("C8")
def test_waits_double_up_to_ten_minutes():
    policy = RetryPolicy(max_attempts=20, backoff_s=5.0)
    assert [policy.delay_s(attempt) for attempt in (1, 2, 3, 4)] == [5, 10, 20, 40]
    assert policy.delay_s(19) == 600
