"""The shapes of captions: how they are asked for, changed, and come back."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from api.parsing import Body, Cursor, Query, Text, Whole
from api.task_shapes import Answer, TaskId, Time
from jobs.caption_images.params import CaptionSettings
from jobs.caption_images.review import MAX_CAPTION

Status = Literal["review", "approved", "rejected", "failed"]


def _integer(value: object) -> object:
    """JSON knows one kind of number: 2.0 is the integer 2."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class CaptionList(Query):
    """Which captions, and which page of them."""

    status: Literal["all", "review", "approved", "rejected", "failed"] = "all"
    limit: Whole = Field(100, ge=1, le=500)
    cursor: Cursor = Field("", description="`next_cursor` of the page before.")


class CaptionExport(Query):
    """Which captions to take away."""

    status: Literal["all", "review", "approved", "rejected", "failed"] = "approved"


class Caption(Answer):
    """One image with its caption; `caption` is empty for a decorative image. `revision` rises with every change."""

    image_id: int
    name: str
    caption: str
    drafted: str
    status: Status
    decorative: bool
    characters: int
    edited: bool
    captioner: str | None
    model: str | None
    error: str | None
    width: int | None
    height: int | None
    format: str | None
    size: int
    sha256: str | None
    revision: int
    made_at: Time
    decided_at: Time | None


class CaptionPage(Answer):
    """One page of captions, and how many there are at each status."""

    items: list[Caption]
    next_cursor: str | None
    counts: dict[str, int]


class CaptionDocument(Answer):
    """All of them as a download."""

    task_id: TaskId
    captions: list[Caption]


class Decide(Body):
    """What is decided about a caption. `approve` and `save` take a text; with `revision` an old view is refused."""

    action: Literal["approve", "save", "reject", "decorative", "reopen"]
    caption: Annotated[Text, StringConstraints(max_length=4 * MAX_CAPTION)] | None = None
    revision: Annotated[int, Field(ge=1, le=2**31 - 1), BeforeValidator(_integer)] | None = None


class Settings(CaptionSettings, Answer):
    """Your own defaults."""


class KeepSettings(CaptionSettings, Body):
    """Your own defaults; what is left out goes back to the documented ones."""
