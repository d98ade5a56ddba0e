"""Drops scans whose tasks are gone, and the rows that no remaining scan shows."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, func, select

from database import Database
from jobs.code_scan.index_writer import CHUNK, ID_CHUNK, VERSIONED, chunks
from jobs.code_scan.models import CodeIndex, CodeScan


def forget(database: Database, task_ids: Sequence[str]) -> int:
    """Delete these tasks' scans, in short transactions. Returns how many there were.

    The newest scan of an index keeps its rows, which the next scan compares with, also when it is forgotten itself.
    """
    forgotten = 0
    for part in chunks(task_ids, ID_CHUNK):
        with database.write() as session:
            found = session.execute(select(CodeScan.id, CodeScan.index_id).where(CodeScan.task_id.in_(part))).all()
            session.execute(delete(CodeScan).where(CodeScan.id.in_([row.id for row in found])))
        forgotten += len(found)
        for index_id in sorted({row.index_id for row in found}):
            _drop_unseen(database, index_id)
    return forgotten


def _drop_unseen(database: Database, index_id: int) -> None:
    """Delete rows that ended before the oldest scan that is left; all ended rows when none is left.

    What a running attempt has ended stays: should it break off, the next one takes that back.
    """
    with database.read() as session:
        oldest = session.scalar(select(func.min(CodeScan.sequence)).where(CodeScan.index_id == index_id))
        finished = session.scalar(select(CodeIndex.sequence).where(CodeIndex.id == index_id))
    until = (finished or 0) if oldest is None else oldest
    for model in VERSIONED:
        ended = select(model.id).where(model.index_id == index_id, model.removed_in <= until).limit(CHUNK)
        while True:
            with database.write() as session:
                ids = session.scalars(ended).all()
                for part in chunks(ids, ID_CHUNK):
                    session.execute(delete(model).where(model.id.in_(part)))
            if len(ids) < CHUNK:
                break
