"""Runs the job on real images and a real database, with a context that keeps what it is told."""

from __future__ import annotations

import io
import uuid
import zipfile
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw
from sqlalchemy import select

import accounts
from accounts import COMMAND_LINE, User
from config import Config
from database import Database, utc_now
from jobs.caption_images.job import caption_images
from jobs.caption_images.models import CaptionImage
from jobs.caption_images.params import CaptionParams, check_params
from jobs.caption_images.uploads import Incoming, Upload
from tasks.models import Task
from tests.jobs.code_scan.scanning import Recorder

Colour = tuple[int, int, int]


def picture(
    colour: Colour = (30, 60, 160), size: tuple[int, int] = (240, 160), spot: Colour = (240, 140, 60)
) -> Image.Image:
    """A ground with a disc on it: enough to have colours, edges and an up."""
    image = Image.new("RGB", size, colour)
    ImageDraw.Draw(image).ellipse(
        (size[0] // 2, size[1] // 4, size[0] // 2 + size[1] // 3, size[1] * 7 // 12), fill=spot
    )
    return image


def encoded(image: Image.Image | None = None, kind: str = "JPEG", **options: Any) -> bytes:
    """A picture as a file's bytes."""
    out = io.BytesIO()
    (image or picture()).save(out, kind, **options)
    return out.getvalue()


def fill(folder: Path, **files: bytes) -> Path:
    """Files in a folder that is made: a_jpg=… becomes a.jpg, x__y_png becomes x/y.png."""
    for name, content in files.items():
        stem, _, suffix = name.replace("__", "/").rpartition("_")
        path = folder / f"{stem}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def zipped(entries: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip with these entries."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return out.getvalue()


def uploaded(config: Config, owner: User, **files: bytes) -> Upload:
    """An upload of these files."""
    with Incoming(config.data_dir, owner.id, config.captions.upload_bytes) as incoming:
        for name, content in files.items():
            incoming.begin_file(name.replace("_", "."))
            incoming.write(content)
            incoming.end_file()
        return incoming.finish()


def person(database: Database, name: str = "ada", role: str = "user") -> User:
    """Somebody with an account, the same for the same name."""
    with database.read() as session:
        found = session.scalar(select(User).where(User.username == name))
    return found or accounts.create_user(database, name, "correct-staple-9", COMMAND_LINE, role=role)


def running_task(
    database: Database, owner: User, params: dict[str, Any] | None = None, kind: str = "caption_images"
) -> str:
    """A task of this person that a worker has just begun."""
    now = utc_now()
    task = Task(
        id=str(uuid.uuid4()),
        kind=kind,
        title="Captions for photos",
        params=params or {},
        owner_id=owner.id,
        visibility="private",
        priority="normal",
        priority_rank=2,
        state="queued",
        attempt=0,
        max_attempts=3,
        timeout_s=600.0,
        created_at=now,
        queued_at=now,
        progress={"phases": []},
        log_total=0,
        log_warnings=0,
        log_errors=0,
    )
    with database.write() as session:
        session.add(task)
        return task.id


def describe(
    config: Config, database: Database, context: Recorder | None = None, owner: User | None = None, **params: Any
) -> tuple[dict[str, Any], Recorder]:
    """(results, context) of a run, without pauses between images."""
    task_id = context.task_id if context else running_task(database, owner or person(database), params)
    recorder = context or Recorder(config, database, task_id)
    checked = check_params(CaptionParams(**({"processing_delay_s": 0} | params)), config)
    return caption_images(recorder, checked), recorder  # type: ignore[arg-type]


def rows(database: Database, task_id: str) -> list[CaptionImage]:
    """What a task has saved."""
    with database.read() as session:
        found = session.scalars(select(CaptionImage).where(CaptionImage.task_id == task_id))
        return sorted(found, key=lambda row: row.position)
