"""Cursors of lists that go from new to old: the moment and the id of the last row that was given out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, or_
from sqlalchemy.orm import InstrumentedAttribute

from database import rfc3339
from tasks.errors import InvalidPayload


def next_cursor(moment: datetime, last_id: str) -> str:
    """The cursor that continues after this row."""
    return f"{rfc3339(moment)}_{last_id}"


def after_cursor(
    cursor: str, moment: InstrumentedAttribute[datetime], row_id: InstrumentedAttribute[Any]
) -> ColumnElement[bool]:
    """The condition for the rows after this cursor, where the newest come first.

    Raises InvalidPayload for a cursor that `next_cursor` did not give out.
    """
    try:
        text, _, last_id = cursor.partition("_")
        parsed = datetime.fromisoformat(text)
        if parsed.tzinfo is None or not last_id:
            raise ValueError
        parsed = parsed.astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidPayload("This cursor is not one that a list gave out. Start again without it.") from None
    return or_(moment < parsed, and_(moment == parsed, row_id < last_id))
