"""How late the event loop is: the time that somebody with nothing to do had to wait for others.

A green thread asks to be woken every INTERVAL_S and measures by how much later it is. When it is overdue, a native
thread beside the loop notes what the loop is doing, so that the log names who held it.
"""

from __future__ import annotations

import logging
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable
from itertools import islice

log = logging.getLogger("taskroom.loop")

INTERVAL_S = 0.1
TOLD_FROM_S = 0.2
KEPT = 600  # the last minute
FRAMES_TOLD = 6
HUBS = {"epolls.py", "kqueue.py", "poll.py", "selects.py"}  # where the loop waits when it has nothing to do


class LoopWatch:
    """Measures one loop. `sleep` is that of the loop, `native_sleep` that of a thread outside."""

    def __init__(
        self, loop_thread_id: int, sleep: Callable[[float], object], native_sleep: Callable[[float], object]
    ) -> None:
        self._thread_id = loop_thread_id
        self._sleep = sleep
        self._native_sleep = native_sleep
        self._late: deque[float] = deque(maxlen=KEPT)
        self._due_s = time.monotonic() + INTERVAL_S
        self._seen = ""

    def measure(self) -> None:
        """Run for ever on the loop."""
        while True:
            self._due_s = time.monotonic() + INTERVAL_S
            self._sleep(INTERVAL_S)
            late_s = max(0.0, time.monotonic() - self._due_s)
            self._late.append(late_s)
            if late_s > TOLD_FROM_S:
                log.warning("the loop was held for %d ms by %s", late_s * 1000, self._seen or "something unseen")
            self._seen = ""

    def look(self) -> None:
        """Run for ever in a native thread: note what the loop does while it is overdue."""
        while True:
            self._native_sleep(INTERVAL_S / 2)
            if not self._seen and time.monotonic() - self._due_s > TOLD_FROM_S / 2:
                frame = sys._current_frames().get(self._thread_id)
                if frame is not None:
                    stack = [
                        f"{each.f_code.co_filename.rpartition('/')[2]}:{line}"
                        for each, line in islice(traceback.walk_stack(frame), FRAMES_TOLD)
                    ]
                    is_waiting = stack[0].partition(":")[0] in HUBS
                    self._seen = "nobody: the processor was elsewhere" if is_waiting else " < ".join(stack)

    def figures(self) -> dict[str, float | None]:
        """`loop_delay_ms`, which 99 of 100 waits of the last minute kept below, and the longest of them."""
        late = sorted(self._late)
        if not late:
            return {"loop_delay_ms": None, "loop_delay_max_ms": None}
        p99 = late[min(len(late) - 1, int(len(late) * 0.99))]
        return {"loop_delay_ms": round(p99 * 1000, 1), "loop_delay_max_ms": round(late[-1] * 1000, 1)}
