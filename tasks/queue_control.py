"""What admins tell the queue: paused as a whole, paused for some jobs, or in maintenance.

It is stored among the settings that admins change (`server_settings`): `queue.paused` and `queue.maintenance` hold a
Hold as JSON or null, `queue.paused_kinds` holds one for each job kind. `tasks.lifecycle.control` changes them, and says
why nothing begins once that is committed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from server_settings import settings_below

PREFIX = "queue."
PAUSED, PAUSED_KINDS, MAINTENANCE = "paused", "paused_kinds", "maintenance"
MAX_REASON = 300

Hold = dict[str, Any]
"""`{by, reason, since}`: the name of an admin, words or null, and when (RFC 3339)"""


@dataclass(frozen=True, slots=True)
class Control:
    """What holds tasks back now."""

    paused: Hold | None = None
    paused_kinds: dict[str, Hold] = field(default_factory=dict)
    maintenance: Hold | None = None

    def holds(self, kind: str) -> str | None:
        """What keeps tasks of this kind from beginning: `maintenance`, `queue` or `kind`; None when nothing does."""
        if self.maintenance:
            return "maintenance"
        if self.paused:
            return "queue"
        return "kind" if kind in self.paused_kinds else None

    @property
    def holds_all(self) -> bool:
        """Whether no task may begin, whatever its kind."""
        return bool(self.paused or self.maintenance)

    def shown(self) -> dict[str, Any]:
        """As JSON: `{paused, paused_kinds, maintenance}`."""
        return {"paused": self.paused, "paused_kinds": self.paused_kinds, "maintenance": self.maintenance}


def read(session: Session) -> Control:
    """What holds now, as this session sees it."""
    stored = settings_below(session, PREFIX)
    return Control(stored.get(PAUSED), stored.get(PAUSED_KINDS) or {}, stored.get(MAINTENANCE))
