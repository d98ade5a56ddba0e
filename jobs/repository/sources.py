"""Where code comes from on this machine: folders below the scan roots, and nothing else.

A path is judged after every link in it has been resolved, at submission and again by the worker.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

MAX_LISTED = 500
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_REFERENCE = re.compile(r"ref: (refs/[A-Za-z0-9._/+@-]+)")


class SourceRefused(ValueError):
    """This path may not be scanned. The message says what to do instead."""


def resolve_local(text: str, roots: Sequence[Path]) -> Path:
    """The folder that `text` (absolute, or relative to a scan root) names, with every link resolved, below a root.

    Raises SourceRefused for anything that leaves the roots, does not exist, or is not a folder that can be read.
    """
    if not text or "\0" in text or any(ord(character) < 32 for character in text):
        raise SourceRefused("This path holds characters that no folder's name has. Give the path of a folder.")
    given = Path(text)
    tried = [given] if given.is_absolute() else [root / given for root in roots]
    outside = False
    for candidate in tried:
        try:
            resolved = Path(os.path.realpath(candidate, strict=True))
        except (OSError, ValueError):
            outside = outside or not _is_below(Path(os.path.realpath(candidate)), roots)
            continue
        if not _is_below(resolved, roots):
            outside = True
            continue
        return _readable_folder(resolved, text)
    if outside:
        names = ", ".join(str(root) for root in roots)
        raise SourceRefused(f"{text} is outside the folders that may be scanned ({names}). Choose one below them.")
    raise SourceRefused(f"There is no folder {text} below the scan roots. Check the spelling.")


def _is_below(path: Path, roots: Sequence[Path]) -> bool:
    return any(path == root or root in path.parents for root in (Path(os.path.realpath(each)) for each in roots))


def _readable_folder(path: Path, text: str) -> Path:
    try:
        is_folder = stat.S_ISDIR(path.stat().st_mode)
    except OSError as error:
        raise SourceRefused(f"{text} cannot be read ({error.strerror}). Check its permissions.") from error
    if not is_folder:
        raise SourceRefused(f"{text} is not a folder. Give the folder that holds the code.")
    if not os.access(path, os.R_OK | os.X_OK):
        raise SourceRefused(f"{text} cannot be read by this server. Check its permissions.")
    return path


def local_repositories(roots: Sequence[Path]) -> list[dict[str, Any]]:
    """The scan roots and the folders right below them, each with its name, its paths and whether git is there."""
    found: list[dict[str, Any]] = []
    for root in roots:
        found.append(_repository(root, root))
        try:
            with os.scandir(root) as entries:
                names = sorted(
                    entry.name
                    for entry in entries
                    if entry.is_dir(follow_symlinks=False) and not entry.name.startswith(".")
                )
        except OSError:
            continue
        found += [_repository(root / name, root) for name in names[:MAX_LISTED]]
    return found


def _repository(path: Path, root: Path) -> dict[str, Any]:
    return {
        "name": path.name or str(path),
        "path": str(path),
        "relative_path": str(path.relative_to(root)),
        "is_git": (path / ".git").exists(),
        "root": str(root),
    }


def head_commit(folder: Path) -> str | None:
    """The commit that is checked out, read from git's files without running git; None where it is not plain to see."""
    git = folder / ".git"
    if git.is_symlink() or not git.is_dir():
        return None
    head = _small_text(git / "HEAD")
    if _COMMIT.fullmatch(head):
        return head
    reference = _REFERENCE.fullmatch(head)
    if reference is None or ".." in reference[1]:
        return None
    value = _small_text(git / reference[1])
    if _COMMIT.fullmatch(value):
        return value
    for line in _small_text(git / "packed-refs", 4_000_000).splitlines():
        commit, _, name = line.partition(" ")
        if name == reference[1] and _COMMIT.fullmatch(commit):
            return commit
    return None


def _small_text(path: Path, limit: int = 1000) -> str:
    """The text of a regular file, or "" for anything else."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return ""
            return file.read(limit).decode("utf-8", "replace").strip()
    except OSError:
        return ""
