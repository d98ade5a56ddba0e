"""What git would leave out: .gitignore files at every depth and the repository's exclude file; and the scan's patterns.

A spec of two hundred patterns costs too much for each of ten thousand files. So most files are cleared by one combined
expression, and only what that matches is judged pattern by pattern.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pathspec import GitIgnoreSpec

MAX_PATTERN_FILE_BYTES = 200_000
MAX_PATTERNS = 5_000


class IgnoreFile:
    """The patterns of one file, true below the folder `base` ("" for the top, else "a/b/")."""

    __slots__ = ("_base", "_maybe", "_spec")

    def __init__(self, base: str, lines: Sequence[str]) -> None:
        self._base = base
        self._spec = GitIgnoreSpec.from_lines(_sound(lines))
        sources = [pattern.regex.pattern for pattern in self._spec.patterns if pattern.regex is not None]
        # Named groups would clash in one expression; none of these names is ever asked for.
        self._maybe = re.compile("|".join(re.sub(r"\(\?P<\w+>", "(?:", each) for each in sources)) if sources else None

    def verdict(self, path: str) -> bool | None:
        """True: left out. False: a later "!" pattern keeps it. None: these patterns do not speak of it.

        `path` is relative to the top, with "/" at the end of a folder's.
        """
        relative = path[len(self._base) :]
        if self._maybe is None or self._maybe.match(relative) is None:
            return None
        return self._spec.check_file(relative).include


def is_ignored(files: Sequence[IgnoreFile], path: str) -> bool:
    """Whether the nearest ignore file that speaks of `path` leaves it out. `files` are ordered from the top down."""
    for file in reversed(files):
        verdict = file.verdict(path)
        if verdict is not None:
            return verdict
    return False


def exclusion(patterns: Sequence[str]) -> IgnoreFile:
    """The scan's own patterns. `a/**` also prunes the folder itself, which spares a walk through all of it."""
    lines = [*patterns, *(pattern[:-2] for pattern in patterns if pattern.endswith("/**") and pattern[0] != "!")]
    return IgnoreFile("", lines)


def _sound(lines: Sequence[str]) -> list[str]:
    """The lines that are patterns; one that git itself would not understand is left out, as git does."""
    sound: list[str] = []
    for line in lines[:MAX_PATTERNS]:
        try:
            GitIgnoreSpec.from_lines([line])
        except ValueError:
            continue
        sound.append(line)
    return sound
