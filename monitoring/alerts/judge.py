"""Who judges: one scheduler at a time, by a lease in SQL that it renews at every turn.

Renewing is a true write, so it tells at the same time whether the database takes writes and how long one takes.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

from database import DatabaseBusy
from monitoring.alerts import words
from monitoring.lease import Lease

PAUSE_S = 0.05


@dataclass(frozen=True, slots=True)
class Turn:
    """What came of asking. `refused` says in a sentence why the database took no write; who judges is unknown then."""

    is_mine: bool
    took_s: float
    refused: str | None = None


def take_turn(lease: Lease, patience_s: float) -> Turn:
    """Become or stay the judge, if nobody else is. Never raises; waits `patience_s` for a lock that another has."""
    started_s = time.monotonic()
    while True:
        try:
            is_mine = lease.hold(is_hasty=True)
        except DatabaseBusy:
            waited_s = time.monotonic() - started_s
            if waited_s >= patience_s:
                return Turn(False, waited_s, f"Something else holds its write lock: {waited_s:.1f} s were not enough.")
            time.sleep(PAUSE_S)
        except SQLAlchemyError as error:
            return Turn(False, time.monotonic() - started_s, f"It said: {words.reason(error)}.")
        else:
            return Turn(is_mine, time.monotonic() - started_s)
