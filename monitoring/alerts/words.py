"""How alerts say numbers: cut to what is sure, with units. What others say as well comes from `tasks.words`."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.exc import SQLAlchemyError

from tasks.words import plural as plural

SPLIT = ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s"))
MAX_REASON = 200


def duration(seconds: float) -> str:
    """ "41 s", "12 min 4 s", "2 h 30 min", "3 d 4 h"; without its zeros: "10 min"."""
    whole = max(0, int(seconds))
    for unit_s, unit, part_s, part in SPLIT:
        if whole >= unit_s:
            rest = whole % unit_s // part_s
            return f"{whole // unit_s} {unit}" + (f" {rest} {part}" if rest else "")
    return f"{whole} s"


def size(octets: float) -> str:
    """Bytes in powers of ten: "18.4 GB", "640.0 MB"."""
    for unit, factor in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if octets >= factor:
            return f"{octets / factor:.1f} {unit}"
    return f"{octets:.0f} B"


def clock(moment: datetime) -> str:
    """ "14:04:28 UTC"."""
    return f"{moment:%H:%M:%S} UTC"


def reason(error: Exception) -> str:
    """Why something failed, in one line, without statements, parameters and addresses with passwords."""
    cause: object = getattr(error, "orig", None) if isinstance(error, SQLAlchemyError) else error
    arguments = getattr(cause, "args", ())
    first = arguments[0] if arguments else ""
    said = first.get("M", "") if isinstance(first, dict) else str(first if isinstance(first, str) else cause or error)
    line = " ".join(str(said).split())[:MAX_REASON]
    return line or type(error).__name__
