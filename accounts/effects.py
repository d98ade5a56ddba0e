"""The two things that accounts ask of the process they run in: hash off the event loop, and tell of revoked rights.

`extensions` is imported late, because it loads the web framework (25 MB): a worker, which only reads identities, never
calls these.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

log = logging.getLogger(__name__)


def offload(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run something slow and CPU-bound so that no other connection waits for it."""
    import extensions

    return extensions.offload(function, *args, **kwargs)


def announce_revocation(user_id: int, session_id: int | None = None, token_id: int | None = None) -> None:
    """Have every web process close what this user, or only this session or token of theirs, has open.

    The rights are gone already when this is called, so it never fails: without Redis, the sweep of live sockets
    (`revoked`) closes them some seconds later.
    """
    import extensions

    try:
        extensions.announce_revocation(user_id, session_id=session_id, token_id=token_id)
    except Exception:
        log.exception("A revocation for user %d could not be announced; the sweep will find it", user_id)
