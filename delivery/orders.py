"""Orders between web processes about single sockets: say who is connected to you, end one. Nothing else passes."""

from __future__ import annotations

import re
from typing import Any

REPLY = re.compile(r"[A-Za-z0-9_-]{16,64}", re.ASCII)
MAX_TEXT = 200
MAX_ROWS = 500


def roll_call(reply: str, text: str, rows: int) -> dict[str, Any]:
    """Each process is to tell who is connected to it: those that match `text`, at most `rows` of them."""
    return {"roll_call": {"reply": reply, "text": text, "rows": rows}}


def end_socket(sid: str) -> dict[str, Any]:
    """Whoever has this socket is to end it."""
    return {"end_socket": {"sid": sid}}


def is_about_sockets(order: Any) -> bool:
    """Whether it is one of these two, and nothing else."""
    if not isinstance(order, dict) or len(order) != 1:
        return False
    asked = order.get("roll_call")
    if isinstance(asked, dict):
        reply, text, rows = asked.get("reply"), asked.get("text"), asked.get("rows")
        is_bounded = isinstance(rows, int) and 0 < rows <= MAX_ROWS and isinstance(text, str) and len(text) <= MAX_TEXT
        return is_bounded and isinstance(reply, str) and REPLY.fullmatch(reply) is not None
    ended = order.get("end_socket")
    return isinstance(ended, dict) and isinstance(ended.get("sid"), str) and 0 < len(ended["sid"]) <= MAX_TEXT
