"""Runs a reader on one file in a process of its own, which cannot outlast its time or outgrow its memory.

Whatever a file does to a parser (endless work, gigabytes, a crash), the scan gets an answer and goes on.
"""

from __future__ import annotations

import os
import resource
import select
import signal
import time
import warnings
from collections.abc import Callable

import orjson

from jobs.dependency_scan.packages import Reading, Unreadable
from jobs.dependency_scan.readers import READERS
from jobs.repository.leash import tie_to_parent
from jobs.repository.reading import Refused, as_utf8, read

MAX_FILE_BYTES = 64_000_000
MEMORY_BYTES = 3 * 2**30
DEADLINE_S = 60.0
POLL_S = 0.1
_CHUNK = 1 << 20

TOO_SLOW = "took longer than {:.0f} s to read"
TOO_LARGE = f"is larger than {MAX_FILE_BYTES // 1_000_000} MB"
BROKE = "broke its reader; it may need too much memory"
_REFUSED = {
    "binary": "is not text",
    "unreadable": "cannot be read; check its permissions",
    "vanished": "is gone",
    "special": "is not an ordinary file",
    "symlink": "is reached through a link, which is not followed",
    "too_large": TOO_LARGE,
    "encoding": "is not text in an encoding that can be told",
}


def read_confined(
    raw_path: bytes, reader: str, on_wait: Callable[[], None] = lambda: None, deadline_s: float = DEADLINE_S
) -> Reading:
    """What the reader of that name finds in the file. Raises Unreadable with a clause for people.

    `on_wait` is called several times a second and may raise to stop; the child is gone before this returns or raises.
    """
    parent = os.getpid()
    READERS[reader].load()  # once here, and not in each child
    get, put = os.pipe()
    with warnings.catch_warnings():
        # Python 3.12 warns of forks beside threads. This child waits for no lock of theirs: it reads, writes and exits.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        os.close(get)
        _work(parent, put, raw_path, reader, deadline_s)
    os.close(put)
    try:
        answer = _answer(get, on_wait, time.monotonic() + deadline_s)
    finally:
        os.close(get)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    if answer is None:
        raise Unreadable(TOO_SLOW.format(deadline_s))
    try:
        plain = orjson.loads(answer)
    except orjson.JSONDecodeError:
        raise Unreadable(BROKE) from None
    if "problem" in plain:
        raise Unreadable(plain["problem"])
    return Reading.from_plain(plain)


def _answer(get: int, on_wait: Callable[[], None], ends_at: float) -> bytes | None:
    """All that the child wrote until it closed the pipe; None when its time ran out first."""
    parts: list[bytes] = []
    while time.monotonic() < ends_at:
        on_wait()
        if not select.select([get], [], [], POLL_S)[0]:
            continue
        part = os.read(get, _CHUNK)
        if not part:
            return b"".join(parts)
        parts.append(part)
    return None


def _work(parent: int, put: int, raw_path: bytes, reader: str, deadline_s: float) -> None:
    """The child: it never returns."""
    status = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        tie_to_parent(parent)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CPU, (int(deadline_s) + 1, int(deadline_s) + 2))
        with os.fdopen(put, "wb") as out:
            out.write(orjson.dumps(_plain(raw_path, reader)))
        status = 0
    finally:
        os._exit(status)


def _plain(raw_path: bytes, reader: str) -> dict[str, object]:
    try:
        text, note = as_utf8(read(raw_path, MAX_FILE_BYTES).data)
        reading = READERS[reader].load()(text.decode())
    except Refused as refused:
        return {"problem": _REFUSED.get(refused.reason, "cannot be read")}
    except Unreadable as error:
        return {"problem": str(error)}
    except MemoryError:
        return {"problem": BROKE}
    except Exception as error:
        return {"problem": f"is not in a form that its reader knows ({type(error).__name__})"}
    if note:
        reading.notes.append(note)
    return reading.as_plain()
