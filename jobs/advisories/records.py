"""One OSV record as the tables keep it, split by ecosystem.

A record is read whole or refused with a reason: half of what an advisory says would make packages look clean. What is
kept of a package are its ranges and versions exactly as the record has them; judging them is done in ranges.py.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson

from jobs.advisories.ecosystems import base_of, normalised, release_of
from jobs.advisories.severity import Rating, rating_of

FORMAT = b"1"  # A new number makes the next update read everything again.
MAX_ID = 120
MAX_NAME = 300
MAX_RELEASE = 40
MAX_ECOSYSTEM = 60
MAX_SUMMARY = 300
MAX_ALIASES = 200
MAX_UPSTREAM = 5_000
MAX_RANGES = 1_000
MAX_PACKAGES = 20_000
MAX_VERSIONS = 50_000
MAX_EVENTS = 10_000
PACK_FROM = 200
FIRST_YEAR = 1980
EVENTS = ("introduced", "fixed", "last_affected", "limit")
RANGES = {"SEMVER": "S", "ECOSYSTEM": "E", "GIT": "G"}
_ID = re.compile(r"[^\s\x00-\x1f\x7f]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]+")


class RecordUnreadable(ValueError):
    """This is no OSV record that can be taken whole. The message says why, in a few words."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a record says of a package: ranges of (kind, [(event, version), …]) and single versions.

    Kinds are S (SemVer), E (the ecosystem's own order), G (commits) and ? (none that is known).
    """

    ranges: list[tuple[str, list[tuple[str, str]]]]
    versions: list[str]


@dataclass(frozen=True, slots=True)
class Part:
    """What a record says of one ecosystem: its rating there, and (name, release, packed facts) of each package."""

    rating: Rating
    packages: list[tuple[str, str, bytes]]


@dataclass(frozen=True, slots=True)
class Record:
    """A whole record. `parts` are by ecosystem; of a withdrawn record they hold no packages."""

    id: str
    is_withdrawn: bool
    summary: str
    aliases: list[str]
    upstream: list[str]
    published_at: datetime | None
    modified_at: datetime | None
    licence: str | None
    parts: dict[str, Part] = field(default_factory=dict)


def digest_of(raw: bytes) -> bytes:
    """What tells whether a record is as it was."""
    return hashlib.blake2b(raw, digest_size=16, person=FORMAT).digest()


def read_record(raw: bytes) -> Record:
    """The record in this JSON. Raises RecordUnreadable."""
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise RecordUnreadable("is not JSON") from error
    if not isinstance(document, dict):
        raise RecordUnreadable("is not an object")
    withdrawn = document.get("withdrawn")
    record = Record(
        id=_word(document.get("id"), MAX_ID, "id"),
        is_withdrawn=bool(withdrawn),
        summary=_summary(document),
        aliases=_ids(document.get("aliases"), "aliases", MAX_ALIASES),
        upstream=_ids(document.get("upstream"), "upstream", MAX_UPSTREAM),
        published_at=_moment(document.get("published")),
        modified_at=_moment(document.get("modified")),
        licence=_licence(document),
    )
    for name, affected in _by_ecosystem(document.get("affected")).items():
        packages = [] if record.is_withdrawn else [_package(each) for each in affected]
        record.parts[name] = Part(rating_of(document, affected), packages)
    return record


def _by_ecosystem(affected: object) -> dict[str, list[dict[str, Any]]]:
    """The entries of `affected` that name a package, by ecosystem without release."""
    found: dict[str, list[dict[str, Any]]] = {}
    for entry in _list(affected, "affected", MAX_PACKAGES):
        if not isinstance(entry, dict):
            raise RecordUnreadable("has something in affected that is no object")
        package = entry.get("package")
        if package is None:
            continue  # It speaks of commits of a repository alone.
        if not isinstance(package, dict):
            raise RecordUnreadable("has a package that is no object")
        ecosystem = package.get("ecosystem")
        if not isinstance(ecosystem, str) or not ecosystem.strip() or _CONTROL.search(ecosystem):
            raise RecordUnreadable("has a package without an ecosystem")
        base = base_of(ecosystem)
        if len(base) > MAX_ECOSYSTEM:
            raise RecordUnreadable("has an ecosystem with a name that is too long")
        found.setdefault(base, []).append(entry)
    return found


def _package(entry: Mapping[str, Any]) -> tuple[str, str, bytes]:
    ecosystem, name = entry["package"]["ecosystem"], entry["package"].get("name")
    if not isinstance(name, str) or not name or len(name) > MAX_NAME or _CONTROL.search(name):
        raise RecordUnreadable("has a package without a usable name")
    release = release_of(ecosystem)
    if len(release) > MAX_RELEASE:
        raise RecordUnreadable("has a release with a name that is too long")
    ranges = [_range(each) for each in _list(entry.get("ranges"), "ranges", MAX_RANGES)]
    versions = _list(entry.get("versions"), "versions", MAX_VERSIONS)
    if not all(isinstance(each, str) for each in versions):
        raise RecordUnreadable("has a version that is no text")
    return normalised(ecosystem, name), release, pack(Facts(ranges, versions))


def _range(entry: object) -> tuple[str, list[tuple[str, str]]]:
    if not isinstance(entry, dict):
        raise RecordUnreadable("has a range that is no object")
    events: list[tuple[str, str]] = []
    for event in _list(entry.get("events"), "events", MAX_EVENTS):
        said = [(name, event[name]) for name in EVENTS if name in event] if isinstance(event, dict) else []
        if not said or not all(isinstance(version, str) for _, version in said):
            raise RecordUnreadable("has an event that cannot be read")
        events += said
    return RANGES.get(str(entry.get("type")), "?"), events


def pack(facts: Facts) -> bytes:
    """Facts as they are stored: JSON after a "j", or compressed after a "z"."""
    plain = orjson.dumps([facts.ranges, facts.versions])
    return b"j" + plain if len(plain) < PACK_FROM else b"z" + zlib.compress(plain, 1)


def unpack(packed: bytes) -> Facts:
    """What `pack` stored."""
    plain = packed[1:] if packed[:1] == b"j" else zlib.decompress(packed[1:])
    ranges, versions = orjson.loads(plain)
    return Facts([(kind, [(event, version) for event, version in events]) for kind, events in ranges], versions)


def _list(value: object, name: str, limit: int) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise RecordUnreadable(f"has no list in {name}")
    if len(value) > limit:
        raise RecordUnreadable(f"has more than {limit:,} {name}")
    return value


def _word(value: object, limit: int, name: str) -> str:
    if not isinstance(value, str) or len(value) > limit or not _ID.fullmatch(value):
        raise RecordUnreadable(f"has no usable {name}")
    return value


def _ids(value: object, name: str, limit: int) -> list[str]:
    return list(dict.fromkeys(_word(each, MAX_ID, name) for each in _list(value, name, limit)))


def _summary(document: Mapping[str, Any]) -> str:
    """The summary, or the beginning of the details, in one line."""
    said = next((text for name in ("summary", "details") if isinstance(text := document.get(name), str) and text), "")
    line = _CONTROL.sub(" ", said[: MAX_SUMMARY * 4]).strip()
    return line if len(line) <= MAX_SUMMARY else line[: MAX_SUMMARY - 1].rstrip() + "…"


def _licence(document: Mapping[str, Any]) -> str | None:
    details = document.get("database_specific")
    said = details.get("license") if isinstance(details, dict) else None
    return _CONTROL.sub(" ", said)[:60] if isinstance(said, str) and said else None


def _moment(text: object) -> datetime | None:
    """A time of a record; None where there is none that can be read, as the year 1 of who never set it."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment if moment.year >= FIRST_YEAR else None
