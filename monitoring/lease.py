"""One process at a time does a thing, whichever: a row in SQL, so that it holds while Redis is away.

Who holds it raises a counter; who wants it takes it once the counter has stood still for LEASE_S by the waiting
process's own monotonic clock. So no clock that jumps, and no two hosts that disagree, give it away.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable

from sqlalchemy import BigInteger, String
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from database import Base, Database

LEASE_S = 15.0


class LeaseRow(Base):
    """Who does it; an empty `holder` has let go of it."""

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    holder: Mapped[str] = mapped_column(String(200))
    beat: Mapped[int] = mapped_column(BigInteger)


class Lease:
    """This process's claim to one thing. To be renewed by `hold` well within LEASE_S."""

    def __init__(
        self,
        database: Database,
        name: str,
        holder: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._name = name
        self._me = holder or f"{socket.gethostname()}:{os.getpid()}"
        self._clock = clock
        self._seen: tuple[str, int] | None = None
        self._since_s = clock()

    def hold(self, *, is_hasty: bool = False) -> bool:
        """Whether this process is the one now. Raises the database's errors: then it is not known.

        For `is_hasty`, DatabaseBusy is raised at once where another holds SQLite's write lock.
        """
        try:
            with self._database.write(is_hasty) as session:
                row = session.get(LeaseRow, self._name, with_for_update=True)
                if row is None:
                    session.add(LeaseRow(name=self._name, holder=self._me, beat=1))
                    return True
                if row.holder != self._me and not self._may_take(row):
                    return False
                row.holder, row.beat = self._me, row.beat + 1
                return True
        except IntegrityError:  # another process was the first
            return False

    def release(self) -> None:
        """Let go of it, at an orderly end, so that another process goes on at once."""
        with self._database.write() as session:
            row = session.get(LeaseRow, self._name, with_for_update=True)
            if row is not None and row.holder == self._me:
                row.holder = ""

    def _may_take(self, row: LeaseRow) -> bool:
        if not row.holder:
            return True
        seen = (row.holder, row.beat)
        if seen != self._seen:
            self._seen, self._since_s = seen, self._clock()
            return False
        return self._clock() - self._since_s >= LEASE_S
