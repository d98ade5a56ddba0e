"""Share links: who makes them, for how long they hold, and what ends them.

A link holds until it expires or is revoked, and only while whoever made it may still share the task. Its token has 256
random bits and the server's signature. Stored is its sha256 alone: a copy of the database opens nothing.
"""

from __future__ import annotations

import base64
import hmac
import logging
import secrets
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    ForeignKey,
    Index,
    String,
    bindparam,
    func,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Mapped, Session, mapped_column

from accounts import Actor, Identity, User
from accounts.audit import record
from accounts.tokens import token_digest
from config import Config
from database import Base, Database, DatabaseBusy, UtcDateTime, rfc3339, utc_now
from tasks import store
from tasks.errors import Conflict, NotFound
from tasks.models import Task
from tasks.sharing.tries import Tries
from tasks.sharing.veil import Veil

log = logging.getLogger("taskroom.sharing")

SHORTEST_S = 60
DEFAULT_S = 7 * 86_400
LONGEST_S = 30 * 86_400
MOST_LINKS = 20
MAX_TOKEN_LENGTH = 100
NO_LINK = "This link has ended, or never was one. Ask whoever sent it for a new one."


class ShareLink(Base):
    """One link to one task. `uses` counts how often its page was opened."""

    __tablename__ = "share_links"
    __table_args__ = (Index("ix_share_links_task", "task_id", "id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(primary_key=True)
    task_id: Mapped[str] = mapped_column(ForeignKey("tasks.id", ondelete="CASCADE"))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_by: Mapped[int] = mapped_column(ForeignKey("users.id"))
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    uses: Mapped[int] = mapped_column(default=0)


@dataclass(frozen=True, slots=True)
class OpenLink:
    """A link that holds, as whoever came by it may know it."""

    link_id: int
    task_id: str
    expires_at: datetime


class Sharing:
    """The links of one installation. Its SECRET_KEY signs them: with another one all of them end."""

    def __init__(self, database: Database, config: Config) -> None:
        self.veil = Veil((config.data_dir, *config.scan_roots))
        self._database = database
        self._key = config.secret_key.encode()
        self._tries = Tries()

    def make(self, identity: Identity, task_id: str, lasts_s: float, actor: Actor) -> tuple[dict[str, Any], str]:
        """A new link as `listed` shows it, and its token, which nobody can ever read again.

        Raises NotFound, Forbidden, and Conflict where MOST_LINKS hold already. `lasts_s` is SHORTEST_S to LONGEST_S.
        """
        if not SHORTEST_S <= lasts_s <= LONGEST_S:
            raise ValueError(f"a link lasts from {SHORTEST_S} to {LONGEST_S} seconds, not {lasts_s:g}")
        random, moment = secrets.token_urlsafe(32), utc_now()
        token = f"{random}.{self._signature(random)}"
        with self._database.write() as session:
            task, _ = store.find_changeable_task(session, task_id, identity)
            if _count_living(session, task.id, moment) >= MOST_LINKS:
                raise Conflict(f"{MOST_LINKS} links show this task already. Revoke one first.")
            link = ShareLink(
                task_id=task.id,
                token_hash=token_digest(token),
                created_at=moment,
                created_by=identity.user_id,
                expires_at=moment + timedelta(seconds=lasts_s),
                uses=0,
            )
            session.add(link)
            session.flush()
            after = {"link": link.id, "expires_at": rfc3339(link.expires_at)}
            record(session, "share.created", f"task:{task.id}", actor, after=after)
        return _shown(link, identity.username, moment), token

    def listed(self, session: Session, identity: Identity, task_id: str) -> list[dict[str, Any]]:
        """Every link to this task, newest first, with those that have ended. Raises NotFound, Forbidden."""
        store.find_changeable_task(session, task_id, identity)
        moment = utc_now()
        query = (
            select(ShareLink, User.username)
            .join(User, User.id == ShareLink.created_by)
            .where(ShareLink.task_id == task_id)
            .order_by(ShareLink.id.desc())
        )
        return [_shown(link, username, moment) for link, username in session.execute(query)]

    def revoke(self, identity: Identity, task_id: str, link_id: int, actor: Actor) -> dict[str, Any]:
        """End a link now; doing it twice is harmless. Raises NotFound, Forbidden."""
        with self._database.write() as session:
            store.find_changeable_task(session, task_id, identity)
            link = session.get(ShareLink, link_id)
            if link is None or link.task_id != task_id:
                raise NotFound("This task has no such link.")
            if link.revoked_at is None:
                link.revoked_at = utc_now()
                record(session, "share.revoked", f"task:{task_id}", actor, before={"link": link.id})
            username = session.get_one(User, link.created_by).username
        return _shown(link, username, utc_now())

    def open(self, token: object, address: str) -> OpenLink:
        """The link of this token, while it holds.

        Raises NotFound for every other token, whatever is wrong with it; RateLimited for an address that tries many.
        """
        self._tries.check(address)
        link = self._find(token) if isinstance(token, str) and len(token) <= MAX_TOKEN_LENGTH else None
        if link is None:
            self._tries.count(address)
            raise NotFound(NO_LINK)
        return link

    def _find(self, token: str) -> OpenLink | None:
        random, _, signature = token.partition(".")
        if not hmac.compare_digest(signature.encode("utf-8", "replace"), self._signature(random).encode()):
            return None
        row = self._database.first(_BY_TOKEN, digest=token_digest(token), moment=utc_now())
        return None if row is None else OpenLink(*row)

    def note_use(self, link: OpenLink) -> None:
        """Count that the page was opened. It never holds the page up: while the database is busy it is not counted."""
        with suppress(DatabaseBusy, SQLAlchemyError), self._database.write(is_hasty=True) as session:
            counted = {"uses": ShareLink.uses + 1, "last_used_at": utc_now()}
            session.execute(update(ShareLink).where(ShareLink.id == link.link_id).values(counted))

    def ended(self, link_ids: Collection[int]) -> set[int]:
        """Those of these links that hold no more. One query, however many there are."""
        query = select(ShareLink.id).join_from(ShareLink, Task).join(User, User.id == ShareLink.created_by)
        with self._database.read() as session:
            holding = session.scalars(query.where(ShareLink.id.in_(link_ids), *_holds(utc_now())))
            return set(link_ids).difference(holding)

    def _signature(self, random: str) -> str:
        signed = hmac.digest(self._key, f"taskroom share link {random}".encode("utf-8", "replace"), "sha256")
        return base64.urlsafe_b64encode(signed[:15]).decode()


def _holds(moment: datetime | BindParameter[datetime]) -> tuple[ColumnElement[bool], ...]:
    """It has not ended, and whoever made it may still share the task."""
    return (
        ShareLink.revoked_at.is_(None),
        ShareLink.expires_at > moment,
        User.is_active.is_(true()),
        or_(User.role == "admin", User.id == Task.owner_id),
    )


_BY_TOKEN = (
    select(ShareLink.id, ShareLink.task_id, ShareLink.expires_at)
    .join_from(ShareLink, Task)
    .join(User, User.id == ShareLink.created_by)
    .where(ShareLink.token_hash == bindparam("digest"), *_holds(bindparam("moment", type_=UtcDateTime())))
)


def _count_living(session: Session, task_id: str, moment: datetime) -> int:
    living = (ShareLink.task_id == task_id, ShareLink.revoked_at.is_(None), ShareLink.expires_at > moment)
    return session.scalar(select(func.count()).select_from(ShareLink).where(*living)) or 0


def _shown(link: ShareLink, username: str, moment: datetime) -> dict[str, Any]:
    return {
        "id": link.id,
        "task_id": link.task_id,
        "created_at": rfc3339(link.created_at),
        "created_by": {"id": link.created_by, "username": username},
        "expires_at": rfc3339(link.expires_at),
        "revoked_at": rfc3339(link.revoked_at),
        "last_used_at": rfc3339(link.last_used_at),
        "uses": link.uses,
        "active": link.revoked_at is None and link.expires_at > moment,
    }
