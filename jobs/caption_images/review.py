"""What people ask of captions and decide about them. Every decision can be undone by whoever made it.

Whoever calls has found the task through what the person may change: owner and admins, nobody else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from database import Database, utc_now
from jobs.caption_images.models import (
    APPROVED,
    FAILED,
    REJECTED,
    STATUSES,
    TO_REVIEW,
    CaptionChange,
    CaptionDefaults,
    CaptionImage,
)
from jobs.caption_images.params import CaptionSettings
from tasks.errors import Conflict, InvalidParams, NotFound

Action = Literal["approve", "save", "reject", "decorative", "reopen"]
ACTIONS: tuple[Action, ...] = ("approve", "save", "reject", "decorative", "reopen")
DID = {
    "approve": "Approved",
    "save": "Saved",
    "reject": "Rejected",
    "decorative": "Marked as decorative",
    "reopen": "Back for review",
}
NO_IMAGE = "There is no such image, or you may not see it."
UNDONE = ("caption", "status", "is_decorative", "decided_by")
MAX_CAPTION = 1000


@dataclass(frozen=True, slots=True)
class Decision:
    """What somebody decided. `caption` None leaves the text; `revision` is the one they saw, None when unsaid."""

    action: Action
    user_id: int
    caption: str | None = None
    revision: int | None = None
    longest: int = MAX_CAPTION


def counts(session: Session, task_id: str) -> dict[str, int]:
    """How many images stand at each status, and `total`."""
    query = select(CaptionImage.status, func.count()).where(CaptionImage.task_id == task_id)
    found = dict.fromkeys(STATUSES, 0)
    for status, number in session.execute(query.group_by(CaptionImage.status)):
        found[status] = number
    return found | {"total": sum(found.values())}


def counts_of(session: Session, task_ids: Sequence[str]) -> dict[str, dict[str, int]]:
    """The same for several tasks at once; tasks without images are left out."""
    query = select(CaptionImage.task_id, CaptionImage.status, func.count()).where(CaptionImage.task_id.in_(task_ids))
    found: dict[str, dict[str, int]] = {}
    for task_id, status, number in session.execute(query.group_by(CaptionImage.task_id, CaptionImage.status)):
        found.setdefault(task_id, dict.fromkeys(STATUSES, 0))[status] = number
    return found


def images(
    session: Session, task_id: str, status: str | None = None, after: int = -1, limit: int | None = None
) -> list[CaptionImage]:
    """Images in their order, from behind position `after` on."""
    query = select(CaptionImage).where(CaptionImage.task_id == task_id, CaptionImage.position > after)
    if status is not None:
        query = query.where(CaptionImage.status == status)
    return list(session.scalars(query.order_by(CaptionImage.position).limit(limit)))


def image(session: Session, task_id: str, image_id: int) -> CaptionImage:
    """One image of this task. Raises NotFound."""
    query = select(CaptionImage).where(CaptionImage.id == image_id, CaptionImage.task_id == task_id)
    found = session.scalar(query) if 0 < image_id < 2**31 else None
    if found is None:
        raise NotFound(NO_IMAGE)
    return found


def decide(database: Database, task_id: str, image_id: int, decision: Decision) -> CaptionImage:
    """Carry out a decision. Raises NotFound, InvalidParams for the text, Conflict when somebody was faster."""
    with database.write() as session:
        query = select(CaptionImage).where(CaptionImage.id == image_id, CaptionImage.task_id == task_id)
        row = session.scalar(query.with_for_update()) if 0 < image_id < 2**31 else None
        if row is None:
            raise NotFound(NO_IMAGE)
        if decision.revision is not None and decision.revision != row.revision:
            raise Conflict("This caption was changed since you opened it. Look at it again, then decide.")
        before = {name: getattr(row, name) for name in UNDONE}
        _apply(row, decision)
        if before != {name: getattr(row, name) for name in UNDONE}:
            row.revision += 1
            row.decided_at = utc_now()
            session.add(
                CaptionChange(
                    task_id=task_id,
                    image_id=row.id,
                    user_id=decision.user_id,
                    at=row.decided_at,
                    action=decision.action,
                    before=before,
                )
            )
        return row


def _apply(row: CaptionImage, decision: Decision) -> None:
    text = row.caption if decision.caption is None else clean(decision.caption)
    if decision.action == "decorative":
        row.status, row.is_decorative = APPROVED, True
    elif decision.action == "reject":
        row.status, row.is_decorative = REJECTED, False
    elif decision.action == "reopen":
        row.status, row.is_decorative = (TO_REVIEW if row.caption else FAILED if row.error else TO_REVIEW), False
    else:
        _check_text(text, decision.longest)
        row.caption, row.is_decorative = text, False
        row.status = APPROVED if decision.action == "approve" else TO_REVIEW
    row.decided_by = decision.user_id if row.status in (APPROVED, REJECTED) else None


def _check_text(text: str, longest: int) -> None:
    if not text:
        raise InvalidParams({"caption": "Write what the image shows, or mark it as decorative."})
    if len(text) > longest:
        raise InvalidParams({"caption": f"This is {len(text):,} characters; at most {longest:,} are wanted."})


def clean(text: str) -> str:
    """A caption as people type it: one paragraph of printable characters."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())


def undo(database: Database, task_id: str, user_id: int) -> tuple[CaptionImage, str]:
    """Take this person's newest decision about this task back; the image and what the decision was.

    Raises NotFound when there is none, Conflict when somebody else has changed the image since.
    """
    with database.write() as session:
        newest = select(CaptionChange).where(CaptionChange.task_id == task_id, CaptionChange.user_id == user_id)
        change = session.scalar(newest.order_by(CaptionChange.id.desc()).limit(1).with_for_update())
        if change is None:
            raise NotFound("There is nothing of yours to undo here.")
        row = session.get_one(CaptionImage, change.image_id, with_for_update=True)
        last = session.scalar(select(func.max(CaptionChange.id)).where(CaptionChange.image_id == row.id))
        if last != change.id:
            raise Conflict(f"{row.name} was changed by somebody else since, so your change cannot be undone.")
        session.delete(change)
        for name in UNDONE:
            setattr(row, name, change.before[name])
        row.revision += 1
        return row, change.action


def can_undo(session: Session, task_id: str, user_id: int) -> CaptionChange | None:
    """This person's newest decision about this task, if there is one."""
    newest = select(CaptionChange).where(CaptionChange.task_id == task_id, CaptionChange.user_id == user_id)
    return session.scalar(newest.order_by(CaptionChange.id.desc()).limit(1))


def defaults_of(session: Session, user_id: int) -> CaptionSettings:
    """A person's own settings; the documented ones where they kept none."""
    kept = session.get(CaptionDefaults, user_id)
    return CaptionSettings.model_validate(kept.settings) if kept else CaptionSettings.model_validate({})


def keep_defaults(database: Database, user_id: int, settings: Mapping[str, Any]) -> CaptionSettings:
    """Keep these settings as this person's defaults. They have been checked."""
    checked = CaptionSettings.model_validate(dict(settings))
    with database.write() as session:
        session.merge(CaptionDefaults(user_id=user_id, settings=checked.model_dump()))
    return checked
