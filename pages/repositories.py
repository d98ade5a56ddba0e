"""What can be picked as a repository: the scan roots, and the folders below them that hold one."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

MAX_FOUND = 200
MAX_LOOKED_AT = 5000
MAX_DEPTH = 3


def repositories_below(roots: Sequence[Path]) -> list[tuple[str, str]]:
    """(path, name) of each root and of each folder with a `.git` up to three levels below one.

    Bounded: looks at 5,000 folders at most and gives 200, so that a huge tree costs a page nothing. Symbolic links are
    not followed.
    """
    found: list[tuple[str, str]] = []
    budget = [MAX_LOOKED_AT]
    for root in roots:
        found.append((str(root), root.name or str(root)))
        for path in _below(root, MAX_DEPTH, budget):
            found.append((str(path), str(path.relative_to(root))))
            if len(found) >= MAX_FOUND:
                return found
    return found


def _below(folder: Path, depth: int, budget: list[int]) -> Iterator[Path]:
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError:
        return
    for name in names:
        budget[0] -= 1
        if budget[0] < 0:
            return
        if name.startswith(".") or name in ("node_modules", "__pycache__"):
            continue
        path = folder / name
        if (path / ".git").exists():
            yield path
        elif depth > 1:
            yield from _below(path, depth - 1, budget)
