"""OSV's algorithm on every kind of range, and the orders of the ecosystems on versions that are easy to get wrong."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.advisories.ecosystems import ECOSYSTEMS, VersionUnreadable, base_of, normalised, release_of
from jobs.advisories.ranges import Verdict, first_fix, judge
from jobs.advisories.records import Facts, pack, unpack

NPM = ECOSYSTEMS["npm"]
AFFECTED, CLEAR = Verdict.AFFECTED, Verdict.CLEAR


def facts(*events: str, kind: str = "S", versions: tuple[str, ...] = ()) -> Facts:
    said = [each.split(" ", 1) for each in events]
    ranges = [(kind, [(name, version) for name, version in said])] if said else []
    return Facts(ranges, list(versions))


@pytest.mark.req("B10")
@pytest.mark.parametrize(
    ("events", "affected", "clear"),
    [
        (("introduced 0", "fixed 1.2.0"), "0.0.1 1.1.9 1.2.0-rc.1", "1.2.0 1.2.0+build 1.10.0"),
        (("introduced 0",), "0.0.0 99.0.0 1.0.0-alpha", ""),
        (("introduced 1.0.0",), "1.0.0 7.0.0", "0.9.9 1.0.0-rc.1"),
        (("introduced 0", "last_affected 1.2.0"), "1.2.0 1.2.0+build 0.1.0", "1.2.1 2.0.0"),
        (("introduced 1.2.0", "last_affected 1.2.0"), "1.2.0", "1.1.9 1.2.1"),
        (("last_affected 1.2.0", "introduced 1.2.0"), "1.2.0", "1.1.9 1.2.1"),
        (("introduced 0", "fixed 1.1.0", "introduced 2.0.0", "fixed 2.1.0"), "1.0.0 2.0.5", "1.1.0 1.9.9 2.1.0"),
        (("fixed 2.1.0", "introduced 2.0.0", "fixed 1.1.0", "introduced 0"), "1.0.0 2.0.5", "1.1.0 1.9.9 2.1.0"),
        (("introduced 1.0.0", "fixed 1.5.0", "introduced 1.5.0", "fixed 2.0.0"), "1.5.0 1.9.0", "2.0.0"),
        (("introduced 0", "fixed 0"), "", "0.0.0 1.0.0"),
        (("introduced 0", "limit 2.0.0"), "1.0.0 1.9.9", "2.0.0 3.0.0"),
        (("introduced 0", "limit *"), "1.0.0 9.9.9", ""),
        (("introduced 0", "fixed 5.0.0", "limit 1.0.0", "limit 3.0.0"), "0.5.0 2.0.0", "3.0.0 4.0.0"),
    ],
)
def test_a_range_says_what_osv_means(events: tuple[str, ...], affected: str, clear: str) -> None:
    said = facts(*events)
    assert {each: judge(said, each, NPM) for each in affected.split()} == dict.fromkeys(affected.split(), AFFECTED)
    assert {each: judge(said, each, NPM) for each in clear.split()} == dict.fromkeys(clear.split(), CLEAR)


@pytest.mark.req("B10")
def test_ranges_and_versions_are_united() -> None:
    said = facts("introduced 0", "fixed 1.0.0", versions=("3.1.4",))
    assert [judge(said, each, NPM) for each in ("0.5.0", "3.1.4", "v3.1.4", "3.1.5")] == [
        AFFECTED, AFFECTED, AFFECTED, CLEAR,
    ]  # fmt: skip
    pypi = ECOSYSTEMS["PyPI"]
    assert judge(facts(versions=("1.0rc1", "2.0")), "1.0.0-RC.1", pypi) is AFFECTED
    assert judge(facts(versions=("1.0rc1", "2.0")), "2.0.0", pypi) is AFFECTED
    assert judge(facts(versions=("1.0rc1", "2.0")), "1.0", pypi) is CLEAR


@pytest.mark.req("B10")
def test_commits_are_skipped_and_nothing_but_commits_is_unknown() -> None:
    commits = ("G", [("introduced", "0"), ("fixed", "a" * 40)])
    assert judge(Facts([commits], []), "1.0.0", NPM) is Verdict.RANGE_UNREADABLE
    assert judge(Facts([commits], ["1.0.0"]), "1.0.0", NPM) is AFFECTED
    assert judge(Facts([commits], ["1.0.0"]), "1.0.1", NPM) is CLEAR
    both = Facts([commits, ("S", [("introduced", "0"), ("fixed", "2.0.0")])], [])
    assert (judge(both, "1.0.0", NPM), judge(both, "2.0.0", NPM)) == (AFFECTED, CLEAR)


@pytest.mark.req("B10")
def test_what_cannot_be_ordered_is_unknown_and_never_clean() -> None:
    said = facts("introduced 0", "fixed 1.2.0")
    assert judge(said, "latest", NPM) is Verdict.VERSION_UNREADABLE
    assert judge(said, "1.2.3.4", NPM) is Verdict.VERSION_UNREADABLE
    assert judge(facts("introduced 0", "fixed soon"), "1.0.0", NPM) is Verdict.RANGE_UNREADABLE
    assert judge(facts("fixed 1.2.0"), "1.0.0", NPM) is Verdict.RANGE_UNREADABLE
    assert judge(facts("introduced 0", kind="?"), "1.0.0", NPM) is Verdict.RANGE_UNREADABLE
    assert judge(facts(), "1.0.0", NPM) is Verdict.RANGE_UNREADABLE
    # Every version, and a version that is listed, need no order.
    assert judge(facts("introduced 0"), "latest", NPM) is AFFECTED
    assert judge(facts("introduced 0", "fixed 1.2.0", versions=("latest",)), "latest", NPM) is AFFECTED
    broken = Facts([*said.ranges, ("S", [("introduced", "0"), ("fixed", "?")])], [])
    assert judge(broken, "1.0.0", NPM) is AFFECTED
    assert judge(broken, "1.3.0", NPM) is Verdict.RANGE_UNREADABLE


@pytest.mark.req("B10")
def test_the_version_to_go_to_is_one_that_no_advisory_speaks_of() -> None:
    github = facts("introduced 0", "fixed 1.2.0", "introduced 2.0.0", "fixed 2.3.0")
    python = facts("introduced 0", "fixed 1.2.1")
    assert first_fix([github], "1.0.0", NPM) == "1.2.0"
    assert first_fix([github], "2.1.0", NPM) == "2.3.0"
    assert first_fix([github, python], "1.0.0", NPM) == "1.2.1"
    assert first_fix([github, facts("introduced 0")], "1.0.0", NPM) is None
    assert first_fix([facts("introduced 0", "last_affected 1.4.0")], "1.0.0", NPM) is None
    assert first_fix([github], "latest", NPM) is None
    assert first_fix([facts("introduced 0", "fixed soon", "fixed 1.10.0", "fixed 1.9.0")], "1.0.0", NPM) is None


# Each row rises from left to right; "=" joins what is equal.
ORDERS = {
    "PyPI": "1.0.dev1 < 1.0a1 < 1.0b2 < 1.0rc1 < 1.0=1.0.0=v1.0 < 1.0+local < 1.0.post1 < 1.0.1 < 1!0.1",
    "npm": "0.0.1 < 1.0.0-alpha < 1.0.0-alpha.1 < 1.0.0-alpha.beta < 1.0.0-rc.2 < 1.0.0-rc.10 < 1.0.0=1=v1.0 < 1.0.1",
    "crates.io": "0.9.9 < 0.10.0-pre < 0.10.0=0.10.0+meta < 0.10.1",
    "Go": "v0.0.0-20190101000000-aaaaaaaaaaaa < v0.0.0-20200101000000-bbbbbbbbbbbb < 0.1.0 < v2.0.0+incompatible=2.0.0",
    "Packagist": "1.0-dev < 1.0-alpha1 < 1.0.0-beta2 < 1.0.0-beta10 < 1.0-RC1 < 1.0=1.0.0.0=v1.0.0 < 1.0-p1 < 1.0.0.1",
    "RubyGems": "1.0.a < 1.0.a.2 < 1.0.b1 < 1.0.pre < 1.0=1.0.0 < 1.0.1 < 1.0.9 < 1.0.10 < 1.1.a",
    "Maven": "1-alpha < 1-beta < 1-milestone < 1-rc=1-cr < 1-SNAPSHOT < 1=1.0=1-ga < 1-sp < 1-whatever < 1-1 < 1.1",
    "NuGet": "1.0.0-alpha < 1.0.0-BETA < 1.0.0=1.0=1.0.0.0 < 1.0.0.1 < 1.0.1",
    "Debian": "1.0~~ < 1.0~rc1 < 1.0=0:1.0=1.0-0 < 1.0-1~deb12u1 < 1.0-1 < 1.0-1+b1 < 1.0+dfsg < 1.0.1 < 1:0.1",
}


@pytest.mark.req("B10")
@pytest.mark.parametrize("name", ORDERS)
def test_versions_are_ordered_by_the_rules_of_their_ecosystem(name: str) -> None:
    key = ECOSYSTEMS[name].key
    steps: list[list[Any]] = [[key(each) for each in step.split("=")] for step in ORDERS[name].split(" < ")]
    for step in steps:
        assert not any(one < other for one in step for other in step)
    for number, lower in enumerate(steps):
        for higher in steps[number + 1 :]:
            assert all(one < other and not other < one for one in lower for other in higher)


@pytest.mark.req("B10")
@pytest.mark.parametrize(
    ("name", "text"),
    [("PyPI", "3.6-acme-final"), ("PyPI", "latest"), ("npm", "git+https://git.example.org/a.git"), ("npm", "1.x"),
     ("npm", "file:../a"), ("Packagist", "dev-main"), ("Packagist", "2.x-dev"), ("RubyGems", "1.0-ü"), ("NuGet", "a.b"),
     ("Debian", "not a version"), ("Go", "master"), ("npm", "1" * 5000), ("npm", "1.2." + "3" * 300), ("Maven", ""),
     ("PyPI", "1.0" + ".0" * 4000), ("RubyGems", "1" + ".a1" * 3000), ("Maven", "1-" * 2000),
     ("Packagist", "1-beta" + "1" * 200 + "!"), ("Packagist", "2010-01-" * 30)],
)  # fmt: skip
def test_a_text_that_is_no_version_is_refused_at_once(name: str, text: str) -> None:
    with pytest.raises(VersionUnreadable):
        ECOSYSTEMS[name].key(text)


@pytest.mark.req("B10")
def test_names_are_written_in_one_way() -> None:
    assert normalised("PyPI", "Zope.Interface_x") == "zope-interface-x"
    assert normalised("Packagist", "Symfony/HTTP-Kernel") == "symfony/http-kernel"
    assert normalised("NuGet", "Newtonsoft.Json") == "newtonsoft.json"
    assert normalised("npm", "JSONStream") == "JSONStream"
    assert normalised("Debian:12", "libc++") == "libc++"
    assert normalised("Unheard of", "A") == "A"
    names = ("npm", "Debian:12", "Ubuntu:22.04:LTS", "Ubuntu:Pro:22.04:LTS")
    assert [(base_of(name), release_of(name)) for name in names] == [
        ("npm", ""), ("Debian", "12"), ("Ubuntu", "22.04"), ("Ubuntu", "Pro:22.04"),
    ]  # fmt: skip


def test_facts_come_back_as_they_were_packed() -> None:
    for said in (facts("introduced 0", versions=("1",)), facts("introduced 0", versions=tuple(map(str, range(999))))):
        assert unpack(pack(said)) == said
    assert len(pack(facts(versions=("1.0.0",) * 5000))) < 500
