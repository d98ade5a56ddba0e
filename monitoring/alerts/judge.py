"""Who judges: one scheduler at a time, by a row in SQL that it renews at every turn.

Renewing is a true write, so it tells at the same time whether the database takes writes and how long one takes.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import or_, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from database import Database, DatabaseBusy
from monitoring.alerts import words
from monitoring.alerts.models import AlertJudge

HOLD = timedelta(seconds=15)
PAUSE_S = 0.05


@dataclass(frozen=True, slots=True)
class Turn:
    """What came of asking. `refused` says why the database took no write; nobody knows then who judges."""

    is_mine: bool
    took_s: float
    refused: str | None = None


def take_turn(database: Database, holder: str, now: datetime, patience_s: float) -> Turn:
    """Become or stay the judge, if nobody else is. Never raises; waits `patience_s` for a lock that another has."""
    started_s = time.monotonic()
    while True:
        try:
            is_mine = _renew(database, holder, now)
        except DatabaseBusy:
            if time.monotonic() - started_s < patience_s:
                time.sleep(PAUSE_S)
                continue
            locked = f"The database was locked by something else for {time.monotonic() - started_s:.1f} s"
            return Turn(False, time.monotonic() - started_s, locked)
        except IntegrityError:  # another was quicker to be the first
            return Turn(False, time.monotonic() - started_s)
        except SQLAlchemyError as error:
            return Turn(False, time.monotonic() - started_s, words.reason(error))
        return Turn(is_mine, time.monotonic() - started_s)


def _renew(database: Database, holder: str, now: datetime) -> bool:
    """Also when the holder's clock was far ahead of this one's."""
    expires = AlertJudge.expires_at
    free = or_(AlertJudge.holder == holder, expires.is_(None), expires < now, expires > now + 4 * HOLD)
    with database.write(is_hasty=True) as session:
        renewed = session.execute(
            update(AlertJudge)
            .where(AlertJudge.id == 1, free)
            .values(holder=holder, expires_at=now + HOLD)
            .execution_options(synchronize_session=False)
        )
        if renewed.rowcount == 1:  # type: ignore[attr-defined]
            return True
        if session.get(AlertJudge, 1) is None:  # nobody has ever judged here
            session.add(AlertJudge(id=1, holder=holder, expires_at=now + HOLD))
            return True
        return False


def step_down(database: Database, holder: str) -> None:
    """Let another judge at once, at an orderly end. Raises what the database raises."""
    with database.write(is_hasty=True) as session:
        session.execute(update(AlertJudge).where(AlertJudge.holder == holder).values(holder=None, expires_at=None))
