"""Forms with files: read bit by bit onto the disk, so that neither memory nor the event loop feels their size.

Its rule: nothing is kept before the form's CSRF token has been seen. That token stands before the files in the form;
programs send it, or an API token, in a header.
"""

from __future__ import annotations

from typing import Any

from flask import request
from flask_login import current_user
from flask_wtf.csrf import ValidationError, validate_csrf
from sqlalchemy import select
from werkzeug.datastructures import MultiDict
from werkzeug.http import parse_options_header

from extensions import offload
from jobs.caption_images import receiving, retention
from jobs.caption_images.bounds import SUFFIXES, in_mib
from jobs.caption_images.receiving import FormRefused, Keeping, ReceivedForm
from jobs.caption_images.uploads import UploadRefused, find_upload, remove_upload
from pages import format as words
from pages import reading
from pages.security import MAX_FORM_AROUND_FILES, bearer_token, is_upload
from tasks.errors import InvalidPayload, RateLimited, Unavailable
from tasks.models import Task

AT_A_TIME = 2
FIELD = "upload_id"
FILES = "p.upload_id.files"
STALE = "This form is out of date or came from another site. Open its page again and repeat it."
DRAIN_BYTES = 64 * 1024
MAX_BOUNDARY = 200

_under_way: dict[int, int] = {}


def receive() -> ReceivedForm:
    """This request's form, its files kept as an upload of whoever sent it, or its `refusal` said.

    Raises InvalidPayload for what is no form of ours, RateLimited, and Unavailable when the disk does not take them.
    """
    user_id = current_user.identity.user_id
    if _under_way.get(user_id, 0) >= AT_A_TIME:
        raise RateLimited(f"{AT_A_TIME} uploads of yours are under way. Wait until one is done.", retry_after_s=5)
    _under_way[user_id] = _under_way.get(user_id, 0) + 1
    try:
        return _receive(user_id)
    finally:
        _under_way[user_id] -= 1
        if not _under_way[user_id]:
            del _under_way[user_id]


def _receive(user_id: int) -> ReceivedForm:
    boundary = parse_options_header(request.content_type)[1].get("boundary", "")
    settings = reading.config()
    most_bytes = settings.captions.upload_bytes
    body = request.environ["wsgi.input"]
    left = request.content_length or 0

    def read(size: int) -> bytes:
        nonlocal left
        data: bytes = body.read(min(size, left)) if left else b""
        left = left - len(data) if data else 0
        return data

    if left > most_bytes + MAX_FORM_AROUND_FILES:  # the door has not let it in
        return ReceivedForm(refusal=f"This is more than {in_mib(most_bytes)}, the most that is taken at a time.")
    if not boundary or len(boundary) > MAX_BOUNDARY or not left:
        raise InvalidPayload("This is no form with files.")
    offload(retention.sweep_uploads, settings)
    try:
        keeping = Keeping(settings.data_dir, user_id, most_bytes, offload)
        return receiving.receive(read, boundary.encode("latin-1", "replace"), keeping, _check_token)
    except FormRefused as error:
        while read(DRAIN_BYTES):  # a browser reads the answer only after it has sent everything
            pass
        raise InvalidPayload(str(error)) from error
    except OSError as error:
        raise Unavailable(f"The files could not be kept: {error.strerror or 'the disk does not take them'}.") from error


def _check_token(form: ReceivedForm) -> None:
    if bearer_token(request) is not None:
        return
    try:
        validate_csrf(request.headers.get("X-CSRFToken") or form.first("csrf_token"))
    except ValidationError as error:
        raise InvalidPayload(STALE) from error


def sent_form() -> tuple[MultiDict[str, str], dict[str, str]]:
    """(fields, what is wrong) of this request's form, whatever its kind. Files with it are its `p.upload_id`."""
    if not is_upload(request.environ):
        return request.form, {}
    received = receive()
    fields = MultiDict(received.fields)
    if received.upload is not None:
        fields[f"p.{FIELD}"] = received.upload.id
    return fields, {FIELD: received.refusal} if received.refusal else {}


def widget(upload_id: str) -> dict[str, Any]:
    """What the widget for files needs: what was sent already, and what may be."""
    most_bytes = reading.config().captions.upload_bytes
    return {
        "kept": words_of(upload_id) if upload_id else "",
        "accept": ",".join((*SUFFIXES, ".zip")),
        "most_bytes": most_bytes,
        "most": in_mib(most_bytes),
    }


def words_of(upload_id: str) -> str:
    """How many images an upload holds and how large it is; "" when it is not there any more."""
    try:
        kept = find_upload(reading.config().data_dir, upload_id)
    except UploadRefused:
        return ""
    return f"{words.plural(kept.images, 'image')}, {words.size(kept.size)}"


def forget_replaced(upload_id: str) -> None:
    """Delete what this person chose before in the same form, unless a task has it."""
    if not upload_id.startswith(f"{current_user.identity.user_id}-"):
        return
    with reading.database().read() as session:
        is_taken = session.scalar(select(Task.id).where(Task.resource == f"upload:{upload_id}").limit(1))
    if not is_taken:
        offload(remove_upload, reading.config().data_dir, upload_id)
