"""Reviewing captions: the runs that made some, and one run's images side by side with their texts.

Only a task's owner and admins come here, also where everybody may watch the task. Each view has an address, and each
decision is a form that works without JavaScript.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, jsonify, redirect, render_template, request
from flask_login import current_user, login_required
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from extensions import offload
from jobs.caption_images import pictures, review
from jobs.caption_images.models import APPROVED, FAILED, TO_REVIEW, CaptionImage
from jobs.caption_images.params import CaptionSettings
from pages import caption_views as views
from pages import reading, start, uploading
from pages.progress import Snapshot
from pages.results import register_results
from pages.view import task_view
from tasks import store
from tasks.errors import Conflict, InvalidParams, NotFound, TaskroomError
from tasks.models import Task
from tasks.states import ACTIVE

blueprint = Blueprint("captions", __name__)
KIND = "caption_images"
RUNS = 50
FEW = 8
MAX_ID = 2**31


def register(app: Any) -> None:
    """Give caption tasks their results page, their own defaults and the widget for files."""
    register_results(KIND, context=results_context, styles=["captions"])
    start.begin_with(KIND, own_defaults, keep_defaults)
    app.jinja_env.globals["upload_field"] = uploading.widget


@blueprint.get("/captions")
@login_required
def runs() -> str:
    """The newest runs that have images, with how far their review is."""
    identity = current_user.identity
    found = [each for each in reading.last_runs(identity, KIND, RUNS) if reading.can_act(each, identity)]
    with reading.database().read() as session:
        counted = review.counts_of(session, [each["task_id"] for each in found])
    now = reading.now()
    rows = [(task_view(each, now), counted.get(each["task_id"])) for each in found]
    return render_template("pages/captions.html", rows=[row for row in rows if row[1] or not row[0].is_final])


@blueprint.get("/captions/<uuid:task_id>")
@login_required
def review_page(task_id: UUID) -> str:
    """The images at one status, and one of them beside its text."""
    return _page(str(task_id), request.args.get("show", TO_REVIEW), _number(request.args.get("image")))


@blueprint.post("/captions/<uuid:task_id>/images/<int:image_id>")
@login_required
def decide(task_id: UUID, image_id: int) -> BaseResponse | tuple[str, int]:
    """Carry out what a button of the form says, and go on to the next image; what is refused is said at the text."""
    show = _show(request.form.get("show", TO_REVIEW))
    action = request.form.get("action", "approve")
    if action not in review.ACTIONS:
        raise NotFound("There is no such action.")
    task = _task(str(task_id))
    text = request.form.get("caption") if action in ("approve", "save") else None
    longest = views.Lengths.of(task.params).longest
    revision = _number(request.form.get("revision"))
    decision = review.Decision(action, current_user.identity.user_id, text, revision, longest)
    try:
        row = review.decide(reading.database(), task.id, image_id, decision)
    except (InvalidParams, Conflict) as error:
        return _page(task.id, show, image_id, text, error), error.status
    base = f"/captions/{task.id}"
    if action == "save":
        return redirect(views.address(base, show, row.id, did=action, of=row.id), code=303)
    with reading.database().read() as session:
        following = views.following(review.images(session, task.id, show), row.position)
    on = following.id if following else None
    return redirect(views.address(base, show, on, did=action, of=row.id), code=303)


@blueprint.post("/captions/<uuid:task_id>/undo")
@login_required
def undo(task_id: UUID) -> BaseResponse:
    """Take this person's newest decision back and show its image."""
    task = _task(str(task_id))
    row, _ = review.undo(reading.database(), task.id, current_user.identity.user_id)
    return redirect(views.address(f"/captions/{task.id}", row.status, row.id, did="undo", of=row.id), code=303)


@blueprint.get("/captions/<uuid:task_id>/pictures/<int:position>/<any(thumb, view):size>.jpg")
@login_required
def picture(task_id: UUID, position: int, size: str) -> BaseResponse:
    """A picture that the job made anew from the image's pixels: always a JPEG, whatever was sent."""
    task = _task(str(task_id))
    path = pictures.picture(reading.config().data_dir, task.id, position, size) if position < MAX_ID else None
    if path is None:
        raise NotFound(review.NO_IMAGE)
    data, etag = offload(_read, path)
    response = Response(data, mimetype="image/jpeg")
    response.set_etag(etag)
    return response.make_conditional(request)


@blueprint.post("/captions/uploads")
@login_required
def upload() -> tuple[Response, int]:
    """Images sent ahead of the form, by its script or by a program: `{upload_id, images, bytes, words}`."""
    try:
        received = uploading.receive()
    except TaskroomError as error:
        return jsonify(error={"code": error.code, "message": error.message}), error.status
    if received.upload is None:
        words = received.refusal or "No file was chosen."
        return jsonify(error={"code": InvalidParams.code, "message": words}), InvalidParams.status
    kept = received.upload
    uploading.forget_replaced(received.first("replaces") or "")
    return jsonify(upload_id=kept.id, images=kept.images, bytes=kept.size, words=uploading.words_of(kept.id)), 201


def results_context(task: Snapshot, _tab: str, _args: Any) -> dict[str, Any]:
    """What the overview of a finished run shows besides its results: how far the review is, for who may do it."""
    may_review = reading.can_act(task, current_user.identity)
    with reading.database().read() as session:
        counts = review.counts(session, task["task_id"])
        few = review.images(session, task["task_id"], limit=FEW) if may_review else []
    lengths, base = views.Lengths.of(task["params"]), f"/captions/{task['task_id']}"
    items = [views.list_item(row, lengths, base, row.status, None) | {"caption": row.caption} for row in few]
    return {"counts": counts, "may_review": may_review, "review_href": base, "few": items}


def own_defaults(user_id: int) -> dict[str, Any]:
    """The settings with which this person's form begins."""
    with reading.database().read() as session:
        return review.defaults_of(session, user_id).model_dump()


def keep_defaults(user_id: int, params: dict[str, Any]) -> None:
    """Keep the settings among these parameters, which have been checked."""
    settings = {name: params[name] for name in CaptionSettings.model_fields if name in params}
    review.keep_defaults(reading.database(), user_id, settings)


def _task(task_id: str) -> Task:
    with reading.database().read() as session:
        task, _ = store.find_changeable_task(session, task_id, current_user.identity)
    if task.kind != KIND:
        raise NotFound("There is no such page, or you may not see it.")
    return task


def _page(
    task_id: str, show: str, image_id: int | None, typed: str | None = None, error: TaskroomError | None = None
) -> str:
    task, show = _task(task_id), _show(show)
    base, lengths, user_id = f"/captions/{task.id}", views.Lengths.of(task.params), current_user.identity.user_id
    with reading.database().read() as session:
        counts = review.counts(session, task.id)
        rows = review.images(session, task.id, show)
        chosen = review.image(session, task.id, image_id) if image_id else (rows[0] if rows else None)
        undoable = review.can_undo(session, task.id, user_id)
        did = _did(session, task.id)
    text = (chosen.drafted if request.args.get("text") == "drafted" else chosen.caption) if chosen else ""
    text = text if typed is None else typed
    previous, following = views.neighbours(rows, chosen) if chosen else (None, None)
    return render_template(
        "pages/captions_review.html",
        task=task,
        base=base,
        show=show,
        counts=counts,
        done=counts[APPROVED] + counts["rejected"],
        is_running=task.state in ACTIVE,
        filters=[(title, views.address(base, name), counts[name], name == show) for name, title in views.SHOWN],
        items=[views.list_item(row, lengths, base, show, chosen.id if chosen else None) for row in rows],
        chosen=chosen,
        about=views.about(chosen) if chosen else None,
        text=text,
        lengths=lengths,
        meter=views.meter(text, lengths),
        wrong=error.message if error else "",
        previous_href=views.address(base, show, previous.id) if previous else "",
        next_href=views.address(base, show, following.id) if following else "",
        drafted_href=views.address(base, show, chosen.id, text="drafted") if chosen and chosen.drafted else "",
        undoable=review.DID[undoable.action] if undoable else "",
        did=did,
        has_picture=bool(chosen and views.has_picture(chosen)),
        is_failed=bool(chosen and chosen.status == FAILED),
    )


def _did(session: Session, task_id: str) -> str:
    """What the decision before did, in a sentence; nothing for an address that somebody made up."""
    action, image_id = request.args.get("did", ""), _number(request.args.get("of"))
    word = "Taken back" if action == "undo" else review.DID.get(action)
    row = session.get(CaptionImage, image_id) if word and image_id else None
    return f"{word}: {row.name}." if row is not None and row.task_id == task_id else ""


def _show(asked: str) -> str:
    return asked if asked in views.FILTERS else TO_REVIEW


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else None


def _read(path: Path) -> tuple[bytes, str]:
    state = path.stat()
    return path.read_bytes(), f"{state.st_mtime_ns:x}-{state.st_size:x}"
