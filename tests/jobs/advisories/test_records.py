"""A record is read whole or refused, whatever was written into it."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from jobs.advisories.records import Facts, RecordUnreadable, read_record, unpack
from tests.jobs.advisories.osv import affects, record, simple, spans


def raw(document: Any) -> bytes:
    return json.dumps(document).encode()


@pytest.mark.req("B11")
def test_a_record_is_split_by_ecosystem() -> None:
    said = record(
        "GHSA-aaaa-bbbb-cccc",
        affects("npm", "left-pad", spans("introduced 0", "fixed 1.3.0", kind="SEMVER")),
        affects("NuGet", "Left.Pad", spans("introduced 0", "last_affected 2.0"), versions=["1.0"]),
        affects("Debian:12", "left-pad", spans("introduced 0")),
        affects("Debian:13", "left-pad", spans("introduced 0", kind="GIT")),
        {"ranges": [spans("introduced 0", kind="GIT")]},
        aliases=["CVE-2026-1", "CVE-2026-1"],
        upstream=["CVE-2026-2"],
        database_specific={"license": "CC0-1.0"},
    )
    read = read_record(raw(said))
    assert (read.id, read.aliases, read.upstream, read.licence) == (
        "GHSA-aaaa-bbbb-cccc", ["CVE-2026-1"], ["CVE-2026-2"], "CC0-1.0",
    )  # fmt: skip
    assert set(read.parts) == {"npm", "NuGet", "Debian"}
    [(name, release, facts)] = read.parts["NuGet"].packages
    assert (name, release) == ("left.pad", "")
    assert unpack(facts) == Facts([("E", [("introduced", "0"), ("last_affected", "2.0")])], ["1.0"])
    assert [(name, release) for name, release, _ in read.parts["Debian"].packages] == [
        ("left-pad", "12"), ("left-pad", "13"),
    ]  # fmt: skip
    assert read.modified_at and read.modified_at.isoformat() == "2026-11-20T02:31:00+00:00"


@pytest.mark.req("B11")
def test_old_events_with_two_words_and_odd_times_are_understood() -> None:
    said = simple("A-1", modified="0001-01-01T00:00:00Z", published="yesterday")
    said["affected"][0]["ranges"][0]["events"] = [{"introduced": "0", "fixed": "2"}]
    read = read_record(raw(said))
    assert (read.modified_at, read.published_at) == (None, None)
    assert unpack(read.parts["npm"].packages[0][2]).ranges == [("E", [("introduced", "0"), ("fixed", "2")])]


@pytest.mark.req("B11")
def test_a_withdrawn_record_speaks_of_no_package() -> None:
    read = read_record(raw(simple("A-1", withdrawn="2026-11-01T00:00:00Z")))
    assert read.is_withdrawn
    assert read.parts["npm"].packages == []


def changed(**fields: Any) -> dict[str, Any]:
    return simple("A-1") | fields


def package(**fields: Any) -> dict[str, Any]:
    said = simple("A-1")
    said["affected"][0] |= fields
    return said


BROKEN: dict[str, Any] = {
    "no object": [1, 2],
    "no id": changed(id=None),
    "an id with a space": changed(id="A 1"),
    "an id with a line break": changed(id="A-1\n"),
    "an id that is too long": changed(id="A" * 200),
    "affected that is no list": changed(affected={"package": 1}),
    "an entry that is no object": changed(affected=["npm"]),
    "a package that is no object": changed(affected=[{"package": "left-pad"}]),
    "a package without ecosystem": changed(affected=[{"package": {"name": "left-pad"}}]),
    "a package without name": changed(affected=[{"package": {"ecosystem": "npm"}}]),
    "a name with a NUL": changed(affected=[affects("npm", "left\0pad")]),
    "a name that is too long": changed(affected=[affects("npm", "a" * 400)]),
    "a release that is too long": changed(affected=[affects("Debian:" + "1" * 90, "a")]),
    "ranges that are no list": package(ranges={"type": "SEMVER"}),
    "a range that is no object": package(ranges=["<2"]),
    "events that are no list": package(ranges=[{"type": "SEMVER", "events": "introduced"}]),
    "an event without a word": package(ranges=[{"type": "SEMVER", "events": [{"began": "1"}]}]),
    "an event that is a number": package(ranges=[{"type": "SEMVER", "events": [{"introduced": 0}]}]),
    "a version that is a number": package(versions=[1.0]),
    "aliases that are a word": changed(aliases="CVE-2026-1"),
    "too many versions": package(versions=["1.0"] * 60_000),
    "too many events": package(ranges=[spans(*["introduced 0"] * 11_000)]),
    "too many packages": changed(affected=[affects("npm", "a")] * 21_000),
    "too many aliases": changed(aliases=[f"CVE-2026-{number}" for number in range(500)]),
}


@pytest.mark.req("B11", "D11")
@pytest.mark.parametrize("what", BROKEN)
def test_a_record_with_one_wrong_part_is_refused_whole(what: str) -> None:
    with pytest.raises(RecordUnreadable):
        read_record(raw(BROKEN[what]))


@pytest.mark.req("B11", "D11")
@pytest.mark.parametrize(
    "content",
    [b"", b"\0" * 1000, b"{", b'{"id": "A-1"', b"\xff\xfe{}", b'{"id": "\xed\xa0\x80"}', b"[" * 1_000_000,
     b'{"a":' * 100_000, b'{"id": NaN}', b"9" * 1_000_000, b'"' + b"a" * 10_000_000],
)  # fmt: skip
def test_what_is_no_json_is_refused(content: bytes) -> None:
    with pytest.raises(RecordUnreadable):
        read_record(content)


STRANGE: list[Any] = [
    None, True, 1, -1.5, "", "x", "npm", [], ["x"], [1], [[]], [{}], [None], {}, {"a": 1},
    {"ecosystem": "npm", "name": "a"},
    "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59",
]  # fmt: skip


def mutated(part: Any, dice: random.Random) -> Any:
    """The same with one value somewhere in it replaced by a strange one."""
    if isinstance(part, dict) and part and dice.random() < 0.85:
        name = dice.choice(list(part))
        return {**part, name: mutated(part[name], dice)}
    if isinstance(part, list) and part and dice.random() < 0.75:
        place = dice.randrange(len(part))
        return [*part[:place], mutated(part[place], dice), *part[place + 1 :]]
    return dice.choice(STRANGE)


@pytest.mark.req("B11", "D11")
def test_whatever_stands_where_in_a_record_it_is_taken_or_refused() -> None:
    vector = {"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:H"}
    entry = affects("npm", "a", spans("introduced 0", "fixed 1", kind="SEMVER"), versions=["1"])
    entry |= {"severity": [vector], "ecosystem_specific": {"urgency": "low"}, "database_specific": {"cvss": vector}}
    details = {"severity": "HIGH", "license": "x", "cvss": [vector]}
    whole = record("A-1", entry, aliases=["b"], upstream=["c"], severity=[vector], database_specific=details)
    dice = random.Random(11)
    outcomes = set()
    for _ in range(4000):
        changed_record = whole
        for _ in range(dice.randint(1, 3)):
            changed_record = mutated(changed_record, dice)
        try:
            read_record(raw(changed_record))
            outcomes.add("taken")
        except RecordUnreadable:
            outcomes.add("refused")
    assert outcomes == {"taken", "refused"}


@pytest.mark.req("B11")
def test_a_summary_is_one_line_of_bounded_length() -> None:
    read = read_record(raw(changed(summary="", details="first\nsecond\0third\u2028fourth " + "x" * 5_000_000)))
    assert read.summary.startswith("first second third fourth x")
    assert len(read.summary) == 300
