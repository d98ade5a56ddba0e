"""What admins change while the server runs (a paused queue, a threshold): one row each, every change in the audit log.

The environment's settings are `config`'s. Whoever owns a key documents it beside its default.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, String, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from accounts import audit
from accounts.audit import Actor
from database import Base, UtcDateTime, utc_now


class Setting(Base):
    """One value that an admin has set; what was never set has no row."""

    __tablename__ = "settings"

    key: Mapped[str] = mapped_column(String(100), primary_key=True)
    value: Mapped[Any] = mapped_column(JSON)
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    changed_by: Mapped[str] = mapped_column(String(64))


def setting(session: Session, key: str, default: Any = None) -> Any:
    """The value of `key`, or `default` where nobody has set it."""
    row = session.get(Setting, key)
    return default if row is None else row.value


def settings_below(session: Session, prefix: str) -> dict[str, Any]:
    """All values that were set and whose key begins with `prefix`, without it."""
    rows = session.scalars(select(Setting).where(Setting.key.startswith(prefix, autoescape=True)))
    return {row.key.removeprefix(prefix): row.value for row in rows}


def change_setting(session: Session, key: str, value: Any, actor: Actor, *, reason: str | None = None) -> bool:
    """Store `value` (anything JSON) with an audit entry, in the caller's transaction; False if it is that already."""
    row = session.get(Setting, key, with_for_update=True)
    before = None if row is None else row.value
    if row is not None and before == value:
        return False
    now = utc_now()
    if row is None:
        session.add(Setting(key=key, value=value, changed_at=now, changed_by=actor.name[:64]))
    else:
        row.value, row.changed_at, row.changed_by = value, now, actor.name[:64]
    audit.record(
        session,
        "setting.changed",
        f"setting:{key}",
        actor,
        reason=reason,
        before={"value": before},
        after={"value": value},
    )
    return True
