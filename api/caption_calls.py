"""Captions by program: list them, decide about them, take them away. Only a task's owner and admins may."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Response

from api import reading
from api.caption_shapes import (
    Caption,
    CaptionDocument,
    CaptionExport,
    CaptionList,
    CaptionPage,
    Decide,
    KeepSettings,
    Settings,
)
from api.operations import JSON, Call, operation
from jobs.caption_images import exports, review
from jobs.caption_images.models import CaptionImage
from jobs.caption_images.params import CaptionSettings
from tasks import store
from tasks.errors import InvalidPayload, NotFound
from tasks.models import Task

KIND = "caption_images"
CAPTIONS = "/tasks/{task_id}/captions"
TAG = "Captions"


@operation("GET", CAPTIONS, summary="List captions", tag=TAG, answer=CaptionPage, query=CaptionList, refuses=(400,))
def list_captions(call: Call) -> dict[str, Any]:
    """The images of a run in their order, each with its caption or the reason why it has none."""
    asked: CaptionList = call.query
    after = _position(asked.cursor)
    with reading.database().read() as session:
        task = _task(call)
        status = None if asked.status == "all" else asked.status
        rows = review.images(session, task.id, status, after, asked.limit + 1)
        counts = review.counts(session, task.id)
    page = rows[: asked.limit]
    more = str(page[-1].position) if len(rows) > asked.limit else None
    return {"items": [exports.entry(row) for row in page], "next_cursor": more, "counts": counts}


@operation(
    "POST",
    f"{CAPTIONS}/{{image_id}}/decision",
    summary="Decide about a caption",
    tag=TAG,
    answer=Caption,
    body=Decide,
    refuses=(409,),
)
def decide_caption(call: Call) -> dict[str, Any]:
    """Approve it (with a better text, if one is given), save a text without approving, reject it, or mark the image as
    decorative. 409 when it was changed since the revision you name."""
    task, asked = _task(call), call.body
    longest = int(task.params.get("max_caption_length") or review.MAX_CAPTION)
    decision = review.Decision(asked.action, call.identity.user_id, asked.caption, asked.revision, longest)
    return exports.entry(review.decide(reading.database(), task.id, _image_id(call), decision))


@operation(
    "POST",
    f"{CAPTIONS}/undo",
    summary="Undo your newest decision",
    tag=TAG,
    answer=Caption,
    refuses=(409,),
)
def undo_decision(call: Call) -> dict[str, Any]:
    """Your newest decision about this run is taken back; asked again, the one before it. 404 when none is left."""
    row, _ = review.undo(reading.database(), _task(call).id, call.identity.user_id)
    return exports.entry(row)


@operation(
    "GET",
    f"{CAPTIONS}/export.json",
    summary="Export captions as JSON",
    tag=TAG,
    answer=CaptionDocument,
    query=CaptionExport,
)
def export_captions_json(call: Call) -> Response:
    """The approved captions, unless another status is asked for."""
    task, rows = _rows(call)
    return _download(exports.as_json(rows, task.id), task, JSON, "json")


@operation(
    "GET",
    f"{CAPTIONS}/export.csv",
    summary="Export captions as CSV",
    tag=TAG,
    media_type="text/csv",
    query=CaptionExport,
)
def export_captions_csv(call: Call) -> Response:
    """A row for each image; safe to open in a spreadsheet."""
    task, rows = _rows(call)
    return _download(exports.as_csv(rows), task, "text/csv", "csv")


@operation(
    "GET",
    f"{CAPTIONS}/export.zip",
    summary="Export captions as text files",
    tag=TAG,
    media_type="application/zip",
    query=CaptionExport,
)
def export_captions_zip(call: Call) -> Response:
    """A zip that holds a text file beside each image's name: `cup.txt` for `cup.jpg`."""
    task, rows = _rows(call)
    return _download(exports.as_sidecars(rows), task, "application/zip", "zip")


@operation("GET", "/captions/settings", summary="Read your caption settings", tag=TAG, answer=Settings)
def show_caption_settings(call: Call) -> dict[str, Any]:
    """What the form for a run begins with."""
    with reading.database().read() as session:
        return review.defaults_of(session, call.identity.user_id).model_dump()


@operation(
    "PUT", "/captions/settings", summary="Keep your caption settings", tag=TAG, answer=Settings, body=KeepSettings
)
def keep_caption_settings(call: Call) -> dict[str, Any]:
    """The form begins with these from now on."""
    settings = {name: getattr(call.body, name) for name in CaptionSettings.model_fields}
    return review.keep_defaults(reading.database(), call.identity.user_id, settings).model_dump()


def _task(call: Call) -> Task:
    """The caption task, if the asker may change it. Raises NotFound, and Forbidden for who may only watch."""
    with reading.database().read() as session:
        task, _ = store.find_changeable_task(session, reading.task_id(call.path["task_id"]), call.identity)
    if task.kind != KIND:
        raise NotFound(reading.NO_TASK)
    return task


def _rows(call: Call) -> tuple[Task, Sequence[CaptionImage]]:
    task, status = _task(call), call.query.status
    with reading.database().read() as session:
        return task, review.images(session, task.id, None if status == "all" else status)


def _image_id(call: Call) -> int:
    text = call.path["image_id"]
    return int(text) if text.isascii() and text.isdigit() and len(text) < 11 else 0


def _position(cursor: str) -> int:
    if cursor and not (cursor.isascii() and cursor.isdigit() and len(cursor) < 10):
        raise InvalidPayload("This cursor is not one of this list. Start again without it.")
    return int(cursor) if cursor else -1


def _download(body: bytes, task: Task, media_type: str, ending: str) -> Response:
    response = Response(body, mimetype=media_type)
    response.headers["Content-Disposition"] = f'attachment; filename="captions-{task.id[:8]}.{ending}"'
    return response
