"""From imported records to findings: one for each vulnerability, and never silence where something is not known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jobs.advisories.matching import AdvisoryIndex, Answer, Package
from tests.jobs.advisories.conftest import MakeRecorder
from tests.jobs.advisories.osv import Record, affects, archive, ask, found, record, simple, spans, update
from tests.jobs.code_scan.scanning import Recorder

V_HIGH = {"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"}
V_LOW = {"type": "CVSS_V3", "score": "CVSS:3.1/AV:L/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N"}
COMMITS = spans("introduced 0", "fixed " + "b" * 40, kind="GIT")


def known(context: Recorder, folder: Path, *records: Record) -> Recorder:
    """A context whose database has these records."""
    update(context, archive(folder / "all.zip", records))
    return context


def reasons(answer: Answer) -> dict[str, str]:
    return {each.package.name: each.reason for each in answer.not_evaluated}


@pytest.mark.req("B10", "B11")
def test_packages_are_found_under_the_name_of_their_ecosystem(any_recorder: MakeRecorder, tmp_path: Path) -> None:
    context = known(
        any_recorder(),
        tmp_path,
        simple("GHSA-1", "left-pad", "1.3.0"),
        simple("PYSEC-1", "Zope.Interface", "5.0", "PyPI"),
        simple("GHSA-2", "symfony/http-kernel", "5.4.20", "Packagist"),
        simple("GO-1", "golang.org/x/net", "0.23.0", "Go"),
    )
    answer = ask(
        context.database,
        ("npm", "left-pad", "1.2.0"),
        ("npm", "Left-Pad", "1.2.0"),
        ("PyPI", "zope_interface", "4.9"),
        ("Packagist", "Symfony/HTTP-Kernel", "v5.4.19"),
        ("Go", "golang.org/x/net", "v0.17.0"),
        ("npm", "harmless", "1.0.0"),
    )
    assert found(answer) == {"GHSA-1": "1.3.0", "PYSEC-1": "5.0", "GHSA-2": "5.4.20", "GO-1": "0.23.0"}
    assert (answer.evaluated, answer.not_evaluated) == (6, [])
    assert [each.ecosystem for each in answer.data] == ["Go", "Packagist", "PyPI", "npm"]
    assert answer.data_date and answer.data_date.isoformat() == "2026-11-20T02:31:00+00:00"
    assert {each.package.name for each in answer.findings if each.id == "GHSA-1"} == {"left-pad"}


@pytest.mark.req("B10")
def test_one_vulnerability_with_several_names_is_one_finding_with_the_union_of_facts(
    recorder: MakeRecorder, tmp_path: Path
) -> None:
    context = known(
        recorder(),
        tmp_path,
        simple("PYSEC-2026-7", "jinja2", "3.1.3", "PyPI", aliases=["CVE-2026-7"], severity=[V_LOW], summary=""),
        simple(
            "GHSA-h5c8-rqwp-cp95", "jinja2", "3.1.4", "PyPI",
            aliases=["CVE-2026-7"], severity=[V_HIGH], modified="2026-11-21T00:00:00Z",
        ),
        simple("GHSA-other", "jinja2", "3.1.4", "PyPI", aliases=["CVE-2026-8"]),
    )  # fmt: skip
    answer = ask(context.database, ("PyPI", "Jinja2", "3.1.2"))
    assert found(answer) == {"CVE-2026-7": "3.1.4", "CVE-2026-8": "3.1.4"}
    [one] = [each for each in answer.findings if each.id == "CVE-2026-7"]
    assert one.ids == ("CVE-2026-7", "GHSA-h5c8-rqwp-cp95", "PYSEC-2026-7")
    assert (one.severity, one.score, one.vector) == ("high", 7.5, V_HIGH["score"])
    assert one.summary == "What GHSA-h5c8-rqwp-cp95 is about"
    assert one.modified_at and one.modified_at.day == 21
    # 3.1.3 is fixed for one of the two only.
    assert found(ask(context.database, ("PyPI", "Jinja2", "3.1.3"))) == {"CVE-2026-7": "3.1.4", "CVE-2026-8": "3.1.4"}


@pytest.mark.req("B10")
def test_names_connect_over_any_number_of_steps(recorder: MakeRecorder, tmp_path: Path) -> None:
    context = known(
        recorder(),
        tmp_path,
        simple("PYSEC-1", "pillow", "10", "PyPI", aliases=["GHSA-b"]),
        # Neither of these speaks of the package; they only know the names.
        simple("GHSA-b", "pillow-simd", "10", "PyPI", aliases=["GHSA-c"]),
        simple("GHSA-c", "pillow.js", "10", "npm", aliases=["CVE-2026-1"]),
        simple("BIT-1", "pillow", "11", "PyPI", aliases=["CVE-2026-1"]),
        simple("PYSEC-2", "pillow", "12", "PyPI"),
    )
    answer = ask(context.database, ("PyPI", "pillow", "9.0"))
    assert found(answer) == {"CVE-2026-1": "11", "PYSEC-2": "12"}


@pytest.mark.req("B10")
def test_withdrawn_advisories_are_out_and_connect_nothing(recorder: MakeRecorder, tmp_path: Path) -> None:
    gone = {"withdrawn": "2026-11-10T00:00:00Z"}
    context = known(
        recorder(),
        tmp_path,
        simple("GHSA-1", withdrawn="2026-11-10T00:00:00Z"),
        simple("GHSA-2", aliases=["GHSA-4"]),
        simple("GHSA-3", aliases=["CVE-2026-3"]),
        simple("GHSA-4", "elsewhere", aliases=["CVE-2026-3"], **gone),
    )
    assert found(ask(context.database, ("npm", "left-pad", "1.0.0"))) == {"GHSA-2": "1.3.0", "CVE-2026-3": "1.3.0"}


@pytest.mark.req("B10")
def test_debian_is_matched_by_source_package_and_release(recorder: MakeRecorder, tmp_path: Path) -> None:
    context = known(
        recorder(),
        tmp_path,
        record(
            "DEBIAN-CVE-2026-1",
            affects("Debian:12", "openssl", spans("introduced 0", "fixed 3.0.11-1~deb12u2")),
            affects("Debian:13", "openssl", spans("introduced 0", "fixed 3.2.1-1")),
            upstream=["CVE-2026-1"],
        ),
        record(
            "DSA-1-1",
            affects("Debian:12", "openssl", spans("introduced 0", "fixed 3.0.11-1~deb12u2")),
            upstream=["CVE-2026-1", "CVE-2026-2"],
        ),
        record("DEBIAN-CVE-2026-2", affects("Debian:13", "openssl", spans("introduced 0")), upstream=["CVE-2026-2"]),
        record("DSA-2-1", affects("Debian:13", "curl", spans("introduced 0", "fixed 8-1")), upstream=["CVE-2026-5"]),
    )
    installed = Package("Debian:12", "libssl3", "3.0.11-1~deb12u1", "openssl", "3.0.11-1~deb12u1")
    answer = ask(context.database, installed)
    assert found(answer) == {"CVE-2026-1": "3.0.11-1~deb12u2", "DSA-1-1": "3.0.11-1~deb12u2"}
    assert found(ask(context.database, Package("Debian:12", "libssl3", "3.0.11-1~deb12u2", "openssl"))) == {}
    newer = ask(context.database, Package("Debian:13", "openssl", "3.0.11-1~deb12u2"))
    assert found(newer) == {"CVE-2026-1": "3.2.1-1", "CVE-2026-2": None}
    notice = ask(context.database, Package("Debian:13", "curl", "7-1")).findings[0]
    assert notice.ids == ("DSA-2-1", "CVE-2026-5")
    others = ask(context.database, ("Debian", "openssl", "3.0"), ("Debian:11", "openssl", "1.1"))
    assert [each.reason for each in others.not_evaluated] == ["no_data", "no_data"]
    assert others.evaluated == 0


@pytest.mark.req("B10")
def test_a_notice_is_no_finding_beside_those_that_it_names(recorder: MakeRecorder, tmp_path: Path) -> None:
    old = spans("introduced 0", "fixed 2-1")
    context = known(
        recorder(),
        tmp_path,
        record("DEBIAN-CVE-2026-1", affects("Debian:12", "curl", old), upstream=["CVE-2026-1"]),
        record("DEBIAN-CVE-2026-2", affects("Debian:12", "curl", old), upstream=["CVE-2026-2"]),
        record("DSA-9-1", affects("Debian:12", "curl", old), upstream=["CVE-2026-1", "CVE-2026-2"]),
    )
    answer = ask(context.database, ("Debian:12", "curl", "1-1"))
    assert [each.ids for each in answer.findings] == [
        ("CVE-2026-1", "DEBIAN-CVE-2026-1", "DSA-9-1"),
        ("CVE-2026-2", "DEBIAN-CVE-2026-2", "DSA-9-1"),
    ]


@pytest.mark.req("B10")
def test_what_could_not_be_evaluated_is_told_with_its_reason(recorder: MakeRecorder, tmp_path: Path) -> None:
    context = known(
        recorder(),
        tmp_path,
        simple("PYSEC-1", "reportlab", "3.6.13", "PyPI"),
        record("GHSA-1", affects("PyPI", "only-commits", COMMITS)),
        record("GHSA-2", affects("PyPI", "odd-range", spans("introduced 0", "fixed soon"))),
        record("GHSA-3", affects("PyPI", "both", COMMITS)),
        simple("GHSA-4", "both", "2.0", "PyPI"),
        record("GHSA-5", affects("PyPI", "twin", COMMITS), aliases=["CVE-2026-5"]),
        simple("PYSEC-5", "twin", "2.0", "PyPI", aliases=["CVE-2026-5"]),
    )
    asked: list[Any] = [
        ("PyPI", "reportlab", "3.6-acme-final"), ("PyPI", "from-git", ""), ("Hex", "phoenix_html", "3.0.0"),
        ("Unheard of", "a", "1"), ("PyPI", "only-commits", "1.0"), ("PyPI", "odd-range", "1.0"),
        ("PyPI", "both", "1.0"), ("PyPI", "twin", "1.0"), ("PyPI", "nobody-speaks-of-it", "3.6-acme-final"),
    ]  # fmt: skip
    answer = ask(context.database, *asked)
    assert reasons(answer) == {
        "reportlab": "version_unreadable",
        "from-git": "no_version",
        "phoenix_html": "no_data",
        "a": "no_rules",
        "only-commits": "range_unreadable",
        "odd-range": "range_unreadable",
        "both": "range_unreadable",
    }
    assert found(answer) == {"GHSA-4": "2.0", "CVE-2026-5": None}
    assert answer.evaluated == 2
    assert all(each.text.endswith(".") for each in answer.not_evaluated)
    assert {each.package.name: each.ids for each in answer.not_evaluated}["both"] == ("GHSA-3",)


@pytest.mark.req("B10")
def test_without_any_data_nothing_is_clean(recorder: MakeRecorder) -> None:
    answer = ask(recorder().database, ("npm", "left-pad", "1.0.0"), ("PyPI", "a", "1"))
    assert (answer.evaluated, answer.data, answer.data_date) == (0, [], None)
    assert reasons(answer) == {"left-pad": "no_data", "a": "no_data"}


@pytest.mark.req("B10")
def test_thousands_of_packages_are_told_as_they_are_done(recorder: MakeRecorder, tmp_path: Path) -> None:
    context = known(recorder(), tmp_path, *(simple(f"GHSA-{number}", f"p{number}") for number in range(700)))
    packages = [Package("npm", f"p{number}", "1.0.0") for number in range(1500)]
    told: list[int] = []
    with context.database.read() as session:
        index = AdvisoryIndex(session)
        answer = index.findings([*packages, *packages], told.append)
        [data] = index.data_sets()
    assert (len(answer.findings), answer.evaluated, sum(told)) == (700, 1500, 1500)
    assert (data.records, data.packages, data.licence) == (700, 700, "CC-BY-4.0")
