"""What a command prints, as lines: a small terminal that keeps only the rows that may still be rewritten.

A row becomes a line when the output has moved on from it: at once for plain output; for rows that a command returns
to (carriage returns, the cursor going up: progress bars) once it no longer does. Colours are removed; a line that
begins in red or yellow, or with a word like "error:", gets that level. Nothing here grows with the output.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_ROW = 8_000
MAX_ROWS = 32
HELD_BARS = 4
SETTLED_S = 0.3
FORGOTTEN_S = 5.0
MAX_ESCAPE = 4_096

_TOKEN = re.compile(
    r"\x1b\[(?P<args>[0-9;:<=>?]*)[ -/]*(?P<final>[@-~])"
    r"|\x1b[\]PX^_](?:[^\x07\x1b]|\x1b(?!\\))*(?:\x07|\x1b\\)"
    r"|\x1b[ -/]*(?P<plain>[0-~])"
    r"|(?P<control>[\x00-\x1f\x7f])"
    r"|(?P<text>[^\x00-\x1f\x7f]+)"
)
_PART = re.compile(r"\x1b(?:\[[0-9;:<=>?]*[ -/]*|[ -/]*|[\]PX^_](?:[^\x07\x1b]|\x1b(?!\\))*\x1b?)$")
_SPECIAL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")
_BAR = re.compile(r"\d{1,3}(?:\.\d+)?\s?%|[━╸█▏▎▍▌▋▊▉]|\[[=#>. -]{5,}\]|\d/s\b")
_SAYS = re.compile(
    r"\s*(?:\S{1,60}[\s:]\s*){0,2}?[\[(<]?(?P<word>error|fatal|critical|panic|warning|warn)[\])>]?\s?[:!\]]",
    re.IGNORECASE,
)
_LEVELS = {"warn": "warning", "warning": "warning"}
_COLOURS = {31: "error", 91: "error", 33: "warning", 93: "warning"}


@dataclass(frozen=True, slots=True)
class Line:
    """A line that will not change any more. `cut` is how many characters of it were left out."""

    text: str
    level: str
    cut: int = 0


@dataclass(slots=True)
class _Row:
    text: str = ""
    level: str = ""
    cut: int = 0
    is_rewritten: bool = False


class Screen:
    """Takes decoded output, gives back the lines that are finished; `rows` are those that may still change."""

    def __init__(self) -> None:
        self._rows = [_Row()]
        self._y = self._x = 0
        self._saved = (0, 0)
        self._reach = 0
        self._went_up_s = 0.0
        self._fed_s = 0.0
        self._has_just_gone_up = False
        self._colour = ""
        self._pending = ""
        self._is_below = False
        self._footer = ""
        self._done: list[Line] = []

    @property
    def rows(self) -> list[str]:
        """The rows that stand and may be rewritten, without empty ones."""
        shown = [row.text.rstrip() for row in self._rows] + [self._footer.rstrip()]
        return [text for text in shown if text]

    @property
    def unfinished(self) -> str:
        """The text of the last row, which no line end has followed yet."""
        return self._rows[-1].text.rstrip()

    @property
    def live_rows(self) -> list[str]:
        """Those of the rows to which the command may well return."""
        first = 0 if self._reach else self._y
        shown = [row.text.rstrip() for row in self._rows[first:]] + [self._footer.rstrip()]
        return [text for text in shown if text]

    def feed(self, text: str, now_s: float) -> list[Line]:
        """Take a piece of output, in any cut; the lines that it has finished. `now_s` is any monotonic clock."""
        self._fed_s = now_s
        text = (self._pending + text).replace("\r\n", "\n")
        self._pending = ""
        if part := _PART.search(text, max(0, len(text) - MAX_ESCAPE)):
            self._pending, text = text[part.start() :], text[: part.start()]
        elif text.endswith("\r"):
            self._pending, text = "\r", text[:-1]
        if len(self._rows) == 1 and self._x == len(self._rows[0].text) and not _SPECIAL.search(text):
            self._feed_plain(text)
        else:
            self._feed_all(text, now_s)
        return self._take()

    def settle(self, now_s: float) -> list[Line]:
        """The lines that are finished because nothing came for a while."""
        if now_s - self._went_up_s >= FORGOTTEN_S:
            self._reach = 0
        if not self._reach and now_s - self._fed_s >= SETTLED_S:
            self._finish_above(self._y)
        return self._take()

    def end(self) -> list[Line]:
        """Everything that still stands, as lines: there is no more output."""
        if self._pending.strip("\r") and not self._pending.startswith("\x1b"):
            self._write(self._pending)
        self._finish_above(len(self._rows) - (not self._rows[-1].text))
        if self._footer.strip():
            self._done.append(Line(self._footer.rstrip(), "info"))
        self._rows = [_Row()]
        self._footer = ""
        self._y = self._x = 0
        return self._take()

    def _take(self) -> list[Line]:
        done, self._done = self._done, []
        return done

    def _feed_plain(self, text: str) -> None:
        """The common case, quickly: text and line ends behind a single row."""
        first, *rest = text.split("\n")
        self._write(first)
        if rest:
            self._newline()
            last = rest.pop()
            self._done += [_line(_Row(each[:MAX_ROW], self._colour, max(0, len(each) - MAX_ROW))) for each in rest]
            self._write(last)

    def _feed_all(self, text: str, now_s: float) -> None:
        for token in _TOKEN.finditer(text):
            if token["text"]:
                self._write(token["text"])
            elif token["control"]:
                self._control(token["control"])
            elif token["final"]:
                self._escape(token["final"], token["args"], now_s)
            elif token["plain"] == "7":
                self._saved = (self._y, self._x)
            elif token["plain"] == "8":
                self._is_below = False
                self._go(*self._saved)
            elif token["plain"] == "M":
                self._go_up(1, now_s)

    def _write(self, text: str) -> None:
        if not text:
            return
        if self._is_below:
            self._footer = (self._footer + text)[:MAX_ROW]
            return
        if self._has_just_gone_up:
            self._has_just_gone_up = False
            self._finish_above(self._y)
        row = self._rows[self._y]
        if self._x == 0 or not row.text.strip():
            row.level = self._colour
        if self._x > len(row.text):
            row.text += " " * (self._x - len(row.text))
        whole = row.text[: self._x] + text + row.text[self._x + len(text) :]
        row.text = whole[:MAX_ROW]
        row.cut += max(0, len(whole) - MAX_ROW)
        self._x = min(self._x + len(text), MAX_ROW)

    def _control(self, control: str) -> None:
        if control == "\n":
            self._newline()
        elif control == "\r":
            self._x = 0
            if self._is_below:
                self._footer = ""
            else:
                self._rows[self._y].is_rewritten = True
        elif control == "\b":
            self._x = max(0, self._x - 1)
        elif control == "\t":
            self._write(" " * (8 - self._x % 8))

    def _newline(self) -> None:
        self._is_below = False
        self._has_just_gone_up = False
        self._go(self._y + 1, 0)
        while self._y > 0 and not self._may_return_to_top():
            self._finish_above(1)

    def _may_return_to_top(self) -> bool:
        if self._y <= self._reach:
            return True
        top = self._rows[0]
        return self._y <= self._reach + HELD_BARS and top.is_rewritten and bool(_BAR.search(top.text))

    def _escape(self, final: str, args: str, now_s: float) -> None:
        numbers = [int(each) if each.isdigit() and len(each) < 6 else 0 for each in re.split("[;:]", args)]
        n = max(1, numbers[0])
        if final == "m":
            self._paint(numbers)
        elif final == "A":
            self._go_up(n, now_s)
        elif final == "F":
            self._go_up(n, now_s)
            self._x = 0
        elif final in "BE":
            self._go(self._y + n, self._x if final == "B" else 0)
        elif final == "C":
            self._x = min(self._x + n, MAX_ROW)
        elif final == "D":
            self._x = max(0, self._x - n)
        elif final in "G`":
            self._x = min(n - 1, MAX_ROW)
        elif final in "Hf":
            self._go_to(n, max(1, numbers[1]) if len(numbers) > 1 else 1, now_s)
        elif final in "KJ":
            self._erase(final, numbers[0])

    def _paint(self, numbers: list[int]) -> None:
        for number in numbers:
            if number in _COLOURS:
                self._colour = _COLOURS[number]
            elif number in (0, 39) or 30 <= number <= 37 or 90 <= number <= 97:
                self._colour = ""

    def _go(self, y: int, x: int) -> None:
        while y >= len(self._rows):
            self._rows.append(_Row())
        self._y, self._x = y, x
        if len(self._rows) > MAX_ROWS:
            self._finish_above(len(self._rows) - MAX_ROWS)

    def _go_up(self, n: int, now_s: float) -> None:
        self._reach = min(MAX_ROWS - 1, max(self._reach, len(self._rows) - 1 - (self._y - n)))
        self._went_up_s = now_s
        self._has_just_gone_up = True
        self._y = max(0, self._y - n)

    def _go_to(self, row: int, column: int, now_s: float) -> None:
        """An absolute place. The last row is a footer of its own (apt's progress); others count from the first row."""
        if row >= MAX_ROWS:
            self._is_below, self._footer = True, ""
            return
        self._is_below = False
        if row - 1 < self._y:
            self._reach, self._went_up_s = max(self._reach, self._y - row + 1), now_s
        self._go(row - 1, min(column - 1, MAX_ROW))

    def _erase(self, what: str, how: int) -> None:
        if self._is_below:
            self._footer = ""
            return
        row = self._rows[self._y]
        row.is_rewritten = True
        if what == "J" and how >= 2:
            self._rows, self._y, self._x = [_Row()], 0, 0
            return
        if how == 0:
            row.text = row.text[: self._x]
        elif how == 1:
            row.text = " " * self._x + row.text[self._x :]
        else:
            row.text = ""
        if what == "J" and how == 0:
            del self._rows[self._y + 1 :]

    def _finish_above(self, count: int) -> None:
        """The first `count` rows are lines now. What was wiped out is none."""
        for row in self._rows[:count]:
            if row.text.strip() or not row.is_rewritten:
                self._done.append(_line(row))
        del self._rows[:count]
        self._y = max(0, self._y - count)
        self._saved = (max(0, self._saved[0] - count), self._saved[1])
        if not self._rows:
            self._rows = [_Row()]


def _line(row: _Row) -> Line:
    text = row.text.rstrip()
    if row.level:
        return Line(text, row.level, row.cut)
    said = _SAYS.match(text[:200])
    level = _LEVELS.get(said["word"].lower(), "error") if said else "info"
    return Line(text, level, row.cut)
