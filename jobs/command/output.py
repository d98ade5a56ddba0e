"""What is kept of a command's output: lines for the log (head and tail), the bytes as printed (head and tail), counts.

One rule: whatever comes, in whatever amount, is taken at once and in bounded memory. Once the log has its share, output
is only counted and its end remembered; that costs about as much as reading it.
"""

from __future__ import annotations

import codecs
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from jobs.command.bars import Meter
from jobs.command.screen import Line, Screen

PIECE = 4 * 1024
TAIL_LINES = 500
TAIL_BYTES = 256 * 1024
NEWEST_BYTES = 4 * 1024
MAX_SHOWN_ROWS = 8
MAX_SHOWN_ROW = 300
END_SHARE = 4
"""of the kept output, one part in so many is its end"""

Tell = Callable[[str, str], None]


class Capture:
    """The output as printed, up to `limit` bytes: its beginning in a file, its end in memory."""

    def __init__(self, file: Path, limit: int) -> None:
        self._file = file.open("w+b", buffering=0)
        self._end_limit = limit // END_SHARE
        self._room = limit - self._end_limit
        self._end: deque[bytes] = deque()
        self._end_bytes = 0
        self.total = 0

    def take(self, data: bytes) -> None:
        """Keep what there is room for; where the disk is full, only the end."""
        self.total += len(data)
        if self._room:
            head, data = data[: self._room], data[self._room :]
            self._room -= len(head)
            try:
                self._file.write(head)
            except OSError:
                self._room = 0
        if data:
            self._end.append(data)
            self._end_bytes += len(data)
            while self._end_bytes - len(self._end[0]) >= self._end_limit:
                self._end_bytes -= len(self._end.popleft())

    @property
    def left_out(self) -> int:
        """How many bytes in the middle are not kept."""
        return max(0, self.total - self._file.tell() - min(self._end_bytes, self._end_limit))

    def content(self) -> bytes:
        """What is kept; a line of its own stands where something is missing."""
        end = b"".join(self._end)[-self._end_limit :]
        gap = f"\n… {self.left_out:,} bytes of output are not kept …\n".encode() if self.left_out else b""
        self._file.flush()
        self._file.seek(0)
        return self._file.read() + gap + end

    def close(self) -> None:
        """Free the file."""
        self._file.close()


class Output:
    """Everything a command prints goes through `take`. `tell(text, level)` is called for each line of the log."""

    def __init__(self, file: Path, log_lines: int, output_bytes: int, tell: Tell) -> None:
        self.capture = Capture(file, output_bytes)
        self.meter = Meter()
        self.lines = 0
        self.left_out = 0
        self.last_line = ""
        self._log_lines = log_lines
        self._tell = tell
        self._screen = Screen()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._is_flood = False
        self._lines_told = 0
        self._newest = b""
        self._ends_in_line = False

    def take(self, data: bytes) -> None:
        """The next bytes."""
        self.capture.take(data)
        at = 0
        while at < len(data) and not self._is_flood:
            piece = data[at : at + PIECE]
            at += len(piece)
            self._log(self._screen.feed(self._decoder.decode(piece), time.monotonic()))
            if self.lines >= self._log_lines:
                self._begin_to_skim()
        if at < len(data):
            self._skim(data[at:] if at else data)

    def look(self) -> None:
        """Bring what is derived from the newest output up to date; called some times a second."""
        if self._is_flood:
            self._look_at_end()
        else:
            self._log(self._screen.settle(time.monotonic()))
            self.meter.see_rows(self._screen.live_rows)

    @property
    def rows(self) -> list[str]:
        """What the command is rewriting now, or its newest line while lines come faster than they are kept."""
        rows = [self.last_line] if self._is_flood else self._screen.rows
        return [row if len(row) <= MAX_SHOWN_ROW else row[: MAX_SHOWN_ROW - 1] + "…" for row in rows[-MAX_SHOWN_ROWS:]]

    def end(self) -> None:
        """There is no more: what still stands becomes lines; after a flood, the end of it is told."""
        if not self._is_flood:
            self._log(self._screen.feed(self._decoder.decode(b"", True), time.monotonic()))
            self.meter.see_rows(self._screen.live_rows)
            self._log(self._screen.end())
            return
        self.lines += self._ends_in_line
        tail = _lines_of(self._newest, is_whole=False)[-TAIL_LINES:]
        unseen = self.lines - self._lines_told
        tail = tail[-unseen:] if unseen > 0 else []
        self.left_out = max(0, unseen - len(tail))
        if self.left_out:
            self._tell(f"{self.left_out:,} lines are left out here; output.txt has more of them.", "debug")
        for line in tail:
            self._say(line)

    def _log(self, lines: list[Line]) -> None:
        for line in lines:
            self.lines += 1
            self._say(line)
            self.meter.see_line(line.text)

    def _say(self, line: Line) -> None:
        if line.text:
            self.last_line = line.text
        text = line.text
        if line.cut:
            text = f"{text[:7_900]}… (cut, the line has {len(text) + line.cut:,} characters)"
        self._tell(text, line.level)

    def _begin_to_skim(self) -> None:
        unfinished = self._screen.unfinished
        lines = self._screen.end()
        self._log(lines[:-1] if unfinished else lines)
        self._newest, self._ends_in_line = unfinished.encode(), bool(unfinished)
        self._lines_told = self.lines
        self._is_flood = True
        self._tell(f"The log keeps the first {self.lines:,} lines, and at the end the last {TAIL_LINES:,}.", "debug")

    def _skim(self, data: bytes) -> None:
        self.lines += data.count(b"\n")
        self._ends_in_line = not data.endswith(b"\n")
        if len(data) >= TAIL_BYTES:
            self._newest = data[-TAIL_BYTES:]
        else:
            self._newest += data
            if len(self._newest) > 2 * TAIL_BYTES:
                self._newest = self._newest[-TAIL_BYTES:]

    def _look_at_end(self) -> None:
        lines = _lines_of(self._newest[-NEWEST_BYTES:], is_whole=False)
        if not lines:
            return
        self.last_line = next((line.text for line in reversed(lines) if line.text), self.last_line)
        self.meter.see_rows([lines[-1].text])
        for line in lines:
            self.meter.see_line(line.text)


def _lines_of(data: bytes, is_whole: bool) -> list[Line]:
    """The lines at the end of the output; the first, of which a part may be missing, only when it `is_whole`."""
    screen = Screen()
    text = data.decode("utf-8", "replace")
    lines = screen.feed(text, 0.0) + screen.end()
    return lines if is_whole or len(lines) < 2 else lines[1:]
