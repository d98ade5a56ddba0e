"""Keeps a child process from outliving its parent, as far as the system can promise it."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def tie_to_parent(parent_pid: int) -> None:
    """Have the kernel kill this process when its parent dies (Linux); end it at once when that has happened already.

    Where there is no such call, the child ends at the end of its pipe, and a timer of its own bounds what it works on.
    """
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent_pid:
        os._exit(1)


if __name__ == "__main__":  # leash.py PARENT_PID PROGRAM ARGUMENT…: become PROGRAM, tied to the parent.
    tie_to_parent(int(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])
