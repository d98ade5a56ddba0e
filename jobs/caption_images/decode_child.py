"""A child that reads images one by one: it alone decodes what strangers made, and ends when one takes too long.

Started as a program of its own with an empty environment, limits on memory and files, and two timers that end it in
the midst of an image: one counts the time it computes, which a busy machine does not change, one all time.
Usage: decode_child.py SOCKET_FD PARENT_PID
"""

from __future__ import annotations

import resource
import signal
import sys
import types
from multiprocessing.connection import Connection
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MEMORY_LIMIT_BYTES = 2 * 2**30
LARGEST_FILE_BYTES = 64 * 2**20
PATIENCE = 3.0


def _prepare() -> None:
    """Make `jobs.caption_images` importable without the registry of jobs."""
    sys.path[:] = [entry for entry in sys.path if entry != str(Path(__file__).parent)]
    sys.path.insert(0, str(ROOT))
    package = types.ModuleType("jobs")
    package.__path__ = [str(ROOT / "jobs")]
    sys.modules["jobs"] = package
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    for number in (signal.SIGALRM, signal.SIGPROF):
        signal.signal(number, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE_BYTES, LARGEST_FILE_BYTES))
    if sys.platform.startswith("linux"):
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))


def main(descriptor: int, parent_pid: int) -> None:
    """Answer requests until the pipe ends."""
    _prepare()
    import orjson

    from jobs.caption_images.pixels import examine, prepare
    from jobs.repository.leash import tie_to_parent

    tie_to_parent(parent_pid)
    connection = Connection(descriptor)
    prepare()
    connection.send_bytes(b"ready")
    while True:
        try:
            request = orjson.loads(connection.recv_bytes())
        except EOFError:
            return
        signal.setitimer(signal.ITIMER_PROF, request["within_s"])
        signal.setitimer(signal.ITIMER_REAL, request["within_s"] * PATIENCE + 1)
        answer = orjson.dumps(examine(request))
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        try:
            connection.send_bytes(answer)
        except BrokenPipeError:
            return


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
