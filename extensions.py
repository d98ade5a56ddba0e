"""Flask's extensions, not yet bound to an app, and the two hooks that the async mode or the socket edge fill in.

This module sits at the bottom: it imports nothing of Taskroom, so that every layer may use it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from flask import current_app
from flask_login import LoginManager
from flask_socketio import SocketIO
from flask_wtf import CSRFProtect

P = ParamSpec("P")
R = TypeVar("R")

login_manager = LoginManager()
csrf = CSRFProtect()
socketio = SocketIO()

_run_in_thread: Callable[..., Any] | None = None
_revocation_listeners: list[Callable[..., None]] = []


def use_threads_of(run: Callable[..., Any] | None) -> None:
    """Name the function that runs a call in a native thread and waits for it without holding the event loop."""
    global _run_in_thread
    _run_in_thread = run


def offload(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run something slow and CPU-bound (a password hash) so that no other connection waits for it."""
    if _run_in_thread is None:
        return function(*args, **kwargs)
    result: R = _run_in_thread(function, *args, **kwargs)
    return result


_long_reads = threading.Lock()


def offload_read(read: Callable[[], R]) -> R:
    """Run a longer database read so that no other connection waits for it.

    One at a time, on a Database that nothing else uses: locks are green here, and no native thread may wait for one.
    """
    with _long_reads:
        return offload(read)


def on_revocation(listener: Callable[..., None]) -> None:
    """Have `listener(user_id=…, session_id=…, token_id=…)` called whenever rights were taken away in this process."""
    _revocation_listeners.append(listener)


def announce_revocation(user_id: int, session_id: int | None = None, token_id: int | None = None) -> None:
    """Tell every web process to close what this user, or only this session or token of theirs, has open."""
    for listener in _revocation_listeners:
        listener(user_id=user_id, session_id=session_id, token_id=token_id)


def current() -> Any:
    """The parts of the app that answers this request: `.config`, `.database`, `.redis`, `.tasks` and `.rooms`."""
    return current_app.extensions["taskroom"]
