"""What the job writes: one row for one image, committed at once, and what a repeated attempt finds of earlier ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import delete, select

from accounts import User
from database import Database, utc_now
from jobs.caption_images import pictures
from jobs.caption_images.models import APPROVED, FAILED, TO_REVIEW, CaptionImage
from jobs.caption_images.uploads import Upload
from tasks.models import Task

KNOWN = (TO_REVIEW, APPROVED)


@dataclass(frozen=True, slots=True)
class Origin:
    """Which image a row is about."""

    position: int
    name: str
    digest: str
    size: int


@dataclass(frozen=True, slots=True)
class Described:
    """A caption and who made it."""

    caption: str
    captioner: str
    model: str
    facts: dict[str, Any]


class Saver:
    """The rows of one task."""

    def __init__(self, database: Database, task_id: str) -> None:
        self._database = database
        self._task_id = task_id
        owner = select(User.id, User.role).join(Task, Task.owner_id == User.id).where(Task.id == task_id)
        with database.read() as session:
            self.owner_id, role = session.execute(owner).one()
        self._is_admin = role == "admin"

    def may_use(self, upload: Upload) -> bool:
        """Whether the task's owner may use an upload: who sent it, and admins."""
        return self._is_admin or upload.owner_id == self.owner_id

    def done(self) -> dict[str, CaptionImage]:
        """What earlier attempts of this task have saved, by name."""
        with self._database.read() as session:
            rows = session.scalars(select(CaptionImage).where(CaptionImage.task_id == self._task_id))
            return {row.name: row for row in rows}

    def has_caption(self, digest: str) -> bool:
        """Whether this person has a caption for these very bytes from another run, and has not rejected it."""
        query = select(CaptionImage.id).where(
            CaptionImage.owner_id == self.owner_id,
            CaptionImage.digest == digest,
            CaptionImage.status.in_(KNOWN),
            CaptionImage.task_id != self._task_id,
        )
        with self._database.read() as session:
            return session.scalar(query.limit(1)) is not None

    def add(self, origin: Origin, described: Described, made: Path, data_dir: Path) -> int:
        """Save a caption that waits for review, with its pictures. Returns the image's id."""
        row = self._row(origin, described.facts)
        row.status = TO_REVIEW
        row.caption = row.drafted = described.caption
        row.captioner, row.model = described.captioner, described.model[:200]
        return self._insert(row, made, data_dir)

    def add_failure(self, origin: Origin, error: str, facts: dict[str, Any], made: Path | None, data_dir: Path) -> int:
        """Save that there is no caption, and why. A picture is kept where one could be made."""
        row = self._row(origin, facts)
        row.status, row.error = FAILED, error[:500]
        return self._insert(row, made, data_dir)

    def _row(self, origin: Origin, facts: dict[str, Any]) -> CaptionImage:
        return CaptionImage(
            task_id=self._task_id,
            owner_id=self.owner_id,
            position=origin.position,
            name=origin.name,
            digest=origin.digest,
            caption="",
            drafted="",
            is_decorative=False,
            captioner="",
            model="",
            size=origin.size,
            facts=facts,
            revision=1,
            made_at=utc_now(),
        )

    def _insert(self, row: CaptionImage, made: Path | None, data_dir: Path) -> int:
        """The pictures are in place before the row is seen: a page never shows an image that is not there."""
        if made is not None:
            pictures.keep(made, data_dir, self._task_id, row.position)
        with self._database.write() as session:
            session.add(row)
            session.flush()
            return row.id


def forget_rows(database: Database, task_ids: list[str]) -> int:
    """Delete the rows of these tasks. Returns how many images they had."""
    gone = delete(CaptionImage).where(CaptionImage.task_id.in_(task_ids)).returning(CaptionImage.id)
    with database.write() as session:
        return len(session.scalars(gone).all())
