"""Lists what a trace scan reads, and sorts it: what must be read, and what is as it was at the last scan."""

from __future__ import annotations

import os
import stat
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from jobs.code_scan.reasons import PASSING
from jobs.repository.discovery import NO_READER, TOO_LARGE, Filters, Found, Listing, list_files
from jobs.repository.ignoring import exclusion
from jobs.trace_scan import layout, words
from jobs.trace_scan.examine import ARTIFACT, EVIDENCE_MAX_BYTES, max_bytes
from jobs.trace_scan.tracked import tracked_paths

# A file written this shortly before the listing may be written again within the same tick of its clock.
RACY_NS = 100_000_000
EXCLUDED = tuple(f"{name}/" for name in layout.NOT_SCANNED)


@cache
def reader_version() -> str:
    """A digest of the code that makes facts: with another one, nothing remembered counts as current."""
    digest = blake2b(digest_size=16)
    folder = Path(__file__).parent
    names = ("comments", "documents", "examine", "front_matter", "ids", "layout", "marks", "tags")
    for name in names:
        digest.update((folder / f"{name}.py").read_bytes())
    return digest.hexdigest()


@dataclass(slots=True)
class Seen:
    """A file as a scan read it. `facts` are None for one that says nothing; `reason` says why it was not read."""

    size: int
    mtime_ns: int
    language: str
    digest: str | None = None
    facts: dict[str, Any] | None = None
    reason: str | None = None
    note: str | None = None


@dataclass(slots=True)
class Plan:
    """`read` holds positions in `files`; `unchanged` what is known of the rest by path; `skipped` what nobody reads."""

    files: list[Found]
    known: dict[str, Seen]
    read: list[int] = field(default_factory=list)
    unchanged: dict[str, Seen] = field(default_factory=dict)
    skipped: list[Found] = field(default_factory=list)
    is_same_reader: bool = True


def listing(root: Path, folder: str, on_progress: Callable[[int], None]) -> Listing:
    """Every file that is there, its `language` set where a trace scan reads it. Raises TooManyFiles and OSError."""

    def language(path: str) -> str | None:
        if path.startswith(folder + "/"):
            type_ = layout.artifact_type(path, folder)
            return ARTIFACT + type_ if type_ else None
        if path == layout.SETTINGS_FILE:
            return ARTIFACT + words.SETTINGS
        return layout.language_of(path)

    filters = Filters(language, (), EXCLUDED, EVIDENCE_MAX_BYTES)
    found = list_files(root, filters, on_progress)
    tracked = tracked_paths(root)
    if tracked.submodules:
        others = tuple(f"{path}/" for path in tracked.submodules)
        found.files = [each for each in found.files if not each.path.startswith(others)]
    listed = {each.path for each in found.files}
    excluded = exclusion(EXCLUDED)
    for path in tracked.files:
        parts = path.split("/")
        if path in listed or any(excluded.verdict("/".join(parts[:n]) + "/") for n in range(1, len(parts))):
            continue
        entry = _tracked(root, path, language(path))
        if entry:
            found.files.append(entry)
    found.files.sort(key=lambda each: each.path)
    return found


def _tracked(root: Path, path: str, language: str | None) -> Found | None:
    """A file that git tracks although an ignore rule matches, if it is still there."""
    raw = os.fsencode(root / path)
    try:
        status = os.lstat(raw)
    except OSError:
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    made = Found(path, raw, language, status.st_size, status.st_mtime_ns)
    return made if language else made._replace(reason=NO_READER)


def plan(files: list[Found], known: dict[str, Seen], is_same_reader: bool) -> Plan:
    """Sort a listing by what is known: size and time tell what need not even be opened."""
    made = Plan(files, known, is_same_reader=is_same_reader)
    for position, found in enumerate(files):
        if found.language is None or found.reason == NO_READER:
            continue
        reason = found.reason or layout.generated_reason(found.path)
        if reason is None and found.size > max_bytes(found.language):
            reason = TOO_LARGE
        if reason is not None:
            made.skipped.append(found._replace(reason=reason))
            continue
        before = known.get(found.path) if is_same_reader else None
        if before and before.reason not in PASSING and _is_same(found, before):
            made.unchanged[found.path] = before
        else:
            made.read.append(position)
    return made


def _is_same(found: Found, before: Seen) -> bool:
    return (found.size, found.mtime_ns, found.language) == (before.size, before.mtime_ns, before.language)


def known_digest(found: Found, made: Plan) -> str | None:
    """The digest with which a file, once read, need not be understood again."""
    before = made.known.get(found.path)
    is_usable = before and made.is_same_reader and before.language == found.language and before.reason is None
    return before.digest if before and is_usable else None


def trusted_mtime(found: Found, listed_at_ns: int) -> int:
    """The time to remember: 0, which equals no file's, when the file was written too shortly before the listing."""
    return found.mtime_ns if found.mtime_ns < listed_at_ns - RACY_NS else 0


@cache
def _scanner_version() -> bytes:
    """A digest of all code that a result depends on."""
    digest = blake2b(digest_size=16)
    for file in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(file.read_bytes())
    return digest.digest()


def inputs_digest(seen: dict[str, Seen], made: Plan, keys: bytes) -> str:
    """A digest of everything that a result depends on: the same inputs need not be put together again."""
    digest = blake2b(_scanner_version(), digest_size=16)
    read = [[path, each.language, each.digest, each.reason] for path, each in sorted(seen.items())]
    skipped = [[each.path, each.reason] for each in made.skipped]
    digest.update(orjson.dumps([read, skipped, [each.path for each in made.files]]))
    digest.update(keys)
    return digest.hexdigest()


def packed(seen: dict[str, Seen], inputs: str) -> bytes:
    """What a source remembers of its newest scan."""
    rows = [
        [path, each.size, each.mtime_ns, each.language, each.digest, each.facts, each.reason, each.note]
        for path, each in seen.items()
    ]
    return zlib.compress(orjson.dumps([reader_version(), inputs, rows]), 1)


class Memory(NamedTuple):
    """What a source remembers: files by path, the digest of all inputs, and whether the same reader read them."""

    files: dict[str, Seen]
    inputs: str
    is_same_reader: bool


def unpacked(data: bytes | None) -> Memory:
    """What was remembered; nothing before the first scan."""
    if data is None:
        return Memory({}, "", True)
    version, inputs, rows = orjson.loads(zlib.decompress(data))
    return Memory({path: Seen(*rest) for path, *rest in rows}, inputs, version == reader_version())


def changed_paths(before: dict[str, Seen], after: dict[str, Seen]) -> dict[str, str]:
    """added, updated or removed, by path, of files whose content could be compared."""
    found = {path: "removed" for path in before if path not in after}
    for path, seen in after.items():
        if path not in before:
            found[path] = "added"
        elif (seen.digest, seen.reason) != (before[path].digest, before[path].reason):
            found[path] = "updated"
    return dict(sorted(found.items()))
