"""The dependency scan as a job: what it says of real folders with really imported advisories."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import func, select

from database import utc_now
from jobs.dependency_scan import query, retention
from jobs.dependency_scan.models import DependencyFinding, DependencyPackage, DependencyScan
from tasks.errors import Cancelled, InvalidParams, NotFound
from tests.jobs.advisories.osv import simple
from tests.jobs.code_scan.scanning import Recorder, write
from tests.jobs.dependency_scan.scanning import PINS, advisories, jinja, scan

MakeRecorder = Callable[..., Recorder]
NAMES = [
    "scan_id", "packages", "vulnerabilities", "critical", "high", "medium", "low", "unknown", "not_evaluated",
    "complete", "data_date",
]  # fmt: skip
HIGH = {"severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"}]}


def told(context: Recorder) -> str:
    """The log in one text."""
    return "\n".join(text for _, text in context.lines)


@pytest.mark.req("B10")
def test_a_scan_counts_what_the_advisories_name(any_recorder: MakeRecorder, repository: Path) -> None:
    context = any_recorder()
    advisories(context, jinja(aliases=["CVE-2024-22195"], **HIGH), simple("PYSEC-1", "flask", "2.0", "PyPI"))
    results = scan(context, repository_path=str(repository))
    assert [name for name in NAMES if name not in results] == []
    assert {name: results[name] for name in NAMES[1:10]} == {
        "packages": 3, "vulnerabilities": 1, "critical": 0, "high": 1, "medium": 0, "low": 0, "unknown": 0,
        "not_evaluated": 0, "complete": True,
    }  # fmt: skip
    assert results["data_date"] == "2026-11-20T02:31:00.000Z"
    assert results["scan_id"] == context.task_id
    with context.database.read() as session:
        [found] = query.findings(session, context.task_id, utc_now())["items"]
        packages = query.packages(session, context.task_id)["items"]
    assert (found["name"], found["version"], found["fixed_in"]) == ("jinja2", "3.1.2", "3.1.3")
    assert found["ids"] == ["CVE-2024-22195", "GHSA-h5c8-rqwp-cp95"]
    assert found["score"] == 7.5
    [place] = found["places"]
    assert (place["file"], place["line"], place["relation"], place["via"]) == (
        "requirements.txt", 2, "transitive", ["flask"],
    )  # fmt: skip
    assert [each["name"] for each in packages] == ["flask", "jinja2", "markupsafe"]
    assert context.phases[-4:] == ["discovery", "inventory", "evaluate", "persist"]
    for name in ("inventory", "evaluate", "persist"):
        assert context.done[name] == context.totals[name]


@pytest.mark.req("B10")
def test_without_advisories_nothing_is_clean(recorder: MakeRecorder, repository: Path) -> None:
    context = recorder()
    results = scan(context, repository_path=str(repository))
    assert (results["vulnerabilities"], results["not_evaluated"], results["complete"]) == (0, 3, False)
    assert results["data_date"] is None
    with context.database.read() as session:
        [gap] = query.summary(session, context.task_id, utc_now())["gaps"]
    assert (gap["reason"], gap["ecosystem"], gap["count"]) == ("no_data", "PyPI", 3)
    assert "advisory update" in gap["way_on"]
    assert "INCOMPLETE" in told(context)


@pytest.mark.req("B10")
def test_each_thing_that_was_not_evaluated_makes_the_scan_incomplete(recorder: MakeRecorder, repository: Path) -> None:
    context = recorder()
    advisories(context, jinja())
    write(
        repository,
        {
            "more/requirements.txt": "requests>=2\nlabkit @ git+https://git.example.org/labkit.git\njinja2==3.1-what-is-it\n",
            "broken/package-lock.json": "{",
            "mix.lock": "%{}",
            "link/requirements.txt": "",
        },
    )
    (repository / "link/requirements.txt").unlink()
    (repository / "link/requirements.txt").symlink_to("/etc/passwd")
    results = scan(context, repository_path=str(repository))
    assert results["complete"] is False
    assert results["vulnerabilities"] == 1
    with context.database.read() as session:
        summary = query.summary(session, context.task_id, utc_now())
        exported = query.packages(session, context.task_id, only_gaps=True)
    assert {each["reason"]: each["count"] for each in summary["gaps"]} == {
        "file": 3, "not_pinned": 1, "git": 1, "version_unreadable": 1,
    }  # fmt: skip
    assert results["not_evaluated"] == 6
    assert exported["total"] == 3
    assert {each["path"]: each["problem"] for each in summary["files"] if each["problem"]} == {
        "broken/package-lock.json": "is not valid JSON",
        "mix.lock": "is a lock file of Hex, which has no reader",
        "link/requirements.txt": "is reached through a link, which is not followed",
    }
    assert "root:" not in told(context)


@pytest.mark.req("B10")
def test_a_folder_without_lock_files_is_not_clean(recorder: MakeRecorder, tmp_path: Path) -> None:
    context = recorder()
    advisories(context, jinja())
    results = scan(context, repository_path=str(write(tmp_path / "empty", {"readme.md": "nothing"})))
    assert (results["packages"], results["not_evaluated"], results["complete"]) == (0, 0, False)
    assert "No lock file was found" in told(context)


@pytest.mark.req("B10")
def test_a_package_in_several_files_counts_once_and_names_them_all(recorder: MakeRecorder, repository: Path) -> None:
    context = recorder()
    advisories(context, jinja())
    write(repository, {"docs/requirements.txt": "Jinja2==3.1.2\n", "web/requirements.txt": "jinja2==3.1.4\n"})
    results = scan(context, repository_path=str(repository))
    assert (results["packages"], results["vulnerabilities"]) == (4, 1)
    with context.database.read() as session:
        [found] = query.findings(session, context.task_id, utc_now())["items"]
    assert [each["file"] for each in found["places"]] == ["docs/requirements.txt", "requirements.txt"]


@pytest.mark.req("B10", "D11")
def test_includes_are_followed_inside_the_folder_and_in_circles_once(recorder: MakeRecorder, repository: Path) -> None:
    context = recorder()
    advisories(context, jinja())
    write(
        repository,
        {
            "requirements.txt": "-r pins/base.txt\n-r https://example.org/a.txt\n-r ../../outside.txt\n-r gone.txt\n",
            "pins/base.txt": "jinja2==3.1.2\n-r ../requirements.txt\n-r base.txt\n",
            "../outside.txt": "secret==1.0\n",
        },
    )
    scan(context, repository_path=str(repository))
    with context.database.read() as session:
        summary = query.summary(session, context.task_id, utc_now())
        packages = query.packages(session, context.task_id)["items"]
    assert [each["name"] for each in packages] == ["jinja2"]
    assert summary["vulnerabilities"] == 1
    problems = [(each["path"], each["problem"]) for each in summary["files"] if each["problem"]]
    assert sorted(problems) == [
        ("gone.txt", "is gone"),
        ("requirements.txt", "includes ../../outside.txt, which is not below this folder"),
        ("requirements.txt", "includes https://example.org/a.txt, which is not below this folder"),
    ]


@pytest.mark.req("B10")
def test_go_is_read_from_the_file_that_says_most(recorder: MakeRecorder, tmp_path: Path) -> None:
    context = recorder()
    advisories(context, simple("GO-1", "example.org/b", "2.0.0", "Go"))
    sums = "example.org/a v1.0.0 h1:x=\nexample.org/b v1.5.0 h1:x=\n"
    folder = write(
        tmp_path / "go",
        {
            "new/go.mod": "module new\ngo 1.22\nrequire example.org/a v1.0.0\n", "new/go.sum": sums,
            "old/go.mod": "module old\ngo 1.15\nrequire example.org/a v1.0.0\n", "old/go.sum": sums,
            "bare/go.mod": "module bare\ngo 1.15\nrequire example.org/a v1.0.0\n",
        },
    )  # fmt: skip
    results = scan(context, repository_path=str(folder))
    assert (results["packages"], results["vulnerabilities"], results["not_evaluated"]) == (2, 1, 1)
    with context.database.read() as session:
        [found] = query.findings(session, context.task_id, utc_now())["items"]
    assert [each["file"] for each in found["places"]] == ["old/go.mod"]


@pytest.mark.req("B10")
def test_what_gitignore_and_the_patterns_leave_out_is_not_read(recorder: MakeRecorder, repository: Path) -> None:
    context = recorder()
    advisories(context, jinja())
    write(
        repository,
        {
            "node_modules/x/package-lock.json": '{"packages": {}}', ".gitignore": "tmp/\n",
            "tmp/requirements.txt": "a==1\n", "examples/requirements.txt": "b==1\n",
        },
    )  # fmt: skip
    patterns = ["**/node_modules/**", "**/examples/**"]
    results = scan(context, repository_path=str(repository), exclude_patterns=patterns)
    assert (results["packages"], results["files"]) == (3, 1)


@pytest.mark.req("B10")
@pytest.mark.parametrize(("days", "warned"), [("3650", False), ("1", True)])
def test_old_data_warn_and_are_never_clean(recorder: MakeRecorder, repository: Path, days: str, warned: bool) -> None:
    context = recorder(ADVISORY_MAX_AGE_DAYS=days)
    old = simple("GHSA-0", "other", "1.0", "PyPI", modified="2026-01-02T00:00:00Z")
    advisories(context, old)
    results = scan(context, repository_path=str(repository))
    assert results["complete"] is True
    with context.database.read() as session:
        warnings = query.summary(session, context.task_id, utc_now())["warnings"]
    assert [("PyPI" in each and "advisory update" in each) for each in warnings] == [True] * warned


@pytest.mark.req("B15")
def test_the_next_scan_tells_what_is_new_fixed_and_still_there(recorder: MakeRecorder, repository: Path) -> None:
    first = recorder()
    flask = simple("PYSEC-9", "flask", "3.0.1", "PyPI", **HIGH)
    advisories(first, jinja(), flask)
    scan(first, repository_path=str(repository))
    with first.database.read() as session:
        assert query.summary(session, first.task_id, utc_now())["since"] is None
    write(repository, {"requirements.txt": PINS.replace("Flask==3.0.0", "Flask==3.0.2") + "requests==2.30\n"})
    second = recorder()
    advisories(
        second,
        jinja(aliases=["CVE-2024-22195"]),  # the same vulnerability, with one name more
        flask,
        simple("PYSEC-10", "markupsafe", "2.2", "PyPI"),  # was there unseen
        simple("PYSEC-11", "requests", "2.31", "PyPI"),  # came with a new package
    )
    scan(second, repository_path=str(repository))
    with second.database.read() as session:
        summary = query.summary(session, second.task_id, utc_now())
        items = query.findings(session, second.task_id, utc_now())["items"]
    assert {each["name"]: each["change"] for each in items} == {
        "jinja2": "same", "markupsafe": "new_data", "requests": "new",
    }  # fmt: skip
    since = summary["since"]
    assert {name: since[name] for name in ("scan_id", "new", "new_data", "same", "fixed", "unsure")} == {
        "scan_id": first.task_id, "new": 2, "new_data": 1, "same": 1, "fixed": 1, "unsure": 0,
    }  # fmt: skip
    assert since["by_severity"]["high"] == -1
    [gone] = summary["fixed"]
    assert (gone["name"], gone["was"], gone["now"], gone["how"]) == ("flask", "3.0.0", ["3.0.2"], "updated")


@pytest.mark.req("B15")
def test_what_could_not_be_looked_at_again_is_not_called_fixed(recorder: MakeRecorder, repository: Path) -> None:
    first, second = recorder(), recorder()
    advisories(first, jinja())
    scan(first, repository_path=str(repository))
    write(repository, {"requirements.txt": b"\0"})
    scan(second, repository_path=str(repository))
    with second.database.read() as session:
        summary = query.summary(session, second.task_id, utc_now())
    assert (summary["since"]["fixed"], summary["since"]["unsure"], summary["complete"]) == (0, 1, False)


STATUS = """\
Package: base-files
Status: install ok installed
Version: {release}.4

Package: libssl3
Status: install ok installed
Source: openssl
Version: 3.0.11-1~deb12u1

Package: openssl
Status: install ok installed
Version: 3.0.11-1~deb12u1
"""


@pytest.mark.req("B10")
@pytest.mark.parametrize(("release", "found", "gaps"), [("12", 1, 0), ("11", 0, 0), ("10", 0, 3)])
def test_a_dpkg_status_file_is_asked_for_its_own_release(
    recorder: MakeRecorder, tmp_path: Path, release: str, found: int, gaps: int
) -> None:
    context = recorder()
    advisories(
        context,
        simple("DSA-5532-1", "openssl", "3.0.11-1~deb12u2", "Debian:12"),
        simple("DSA-1", "openssl", "1.1.1w", "Debian:11"),
    )
    write(tmp_path / "hosts", {"status": STATUS.format(release=release)})
    results = scan(context, dpkg_status="hosts/status")
    assert (results["packages"], results["vulnerabilities"], results["not_evaluated"]) == (3, found, gaps)
    assert results["complete"] is (gaps == 0)
    with context.database.read() as session:
        items = query.findings(session, context.task_id, utc_now())["items"]
    assert [(each["name"], each["installed"]) for each in items] == [("openssl", ["libssl3", "openssl"])] * found


@pytest.mark.req("B10")
def test_a_status_file_without_a_release_is_not_evaluated(recorder: MakeRecorder, tmp_path: Path) -> None:
    context = recorder()
    write(tmp_path, {"status": STATUS.format(release="12").replace("base-files", "other")})
    results = scan(context, dpkg_status=str(tmp_path / "status"))
    assert (results["not_evaluated"], results["complete"]) == (3, False)
    with context.database.read() as session:
        assert [each["reason"] for each in query.summary(session, context.task_id, utc_now())["gaps"]] == ["no_release"]


@pytest.mark.req("B10")
@pytest.mark.skipif(not Path("/var/lib/dpkg/status").is_file(), reason="this host has no dpkg")
def test_this_host_is_read_as_dpkg_itself_reads_it(recorder: MakeRecorder) -> None:
    import subprocess

    query_format = "${db:Status-Status} ${binary:Package}\n"
    dpkg = subprocess.run(["dpkg-query", "-W", "-f", query_format], capture_output=True, text=True, check=True).stdout
    installed = {line.split()[1].partition(":")[0] for line in dpkg.splitlines() if line.startswith("installed ")}
    context = recorder()
    results = scan(context, host=True)
    assert results["packages"] == len(installed)
    assert results["complete"] is False
    assert shutil.which("apt-get") is None or results["pending_updates"] is not None or "unknown" in told(context)


@pytest.mark.req("D11")
@pytest.mark.parametrize("path", ["/etc/passwd", "../status", "status/", "", "link", "pipe", "missing", "."])
def test_a_status_file_has_to_be_an_ordinary_file_below_a_root(
    recorder: MakeRecorder, tmp_path: Path, path: str
) -> None:
    (tmp_path / "link").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises((InvalidParams, ValueError)) as refused:
        scan(recorder(), dpkg_status=path)
    if isinstance(refused.value, InvalidParams):
        assert set(refused.value.problems) == {"dpkg_status"}


@pytest.mark.req("C3")
@pytest.mark.parametrize("phase", ["discovery", "inventory", "evaluate", "persist"])
def test_a_cancelled_scan_leaves_nothing_behind(recorder: MakeRecorder, repository: Path, phase: str) -> None:
    context = recorder()
    advisories(context, jinja())
    context = recorder()

    def cancel(self: Recorder) -> None:
        self.is_cancelled = phase in self.phases

    context.on_report = cancel
    with pytest.raises(Cancelled):
        scan(context, repository_path=str(repository))
    with context.database.read() as session:
        for model in (DependencyScan, DependencyPackage, DependencyFinding):
            assert session.scalar(select(func.count()).select_from(model)) == 0


@pytest.mark.req("C5")
def test_an_attempt_after_a_saved_one_returns_what_was_saved(recorder: MakeRecorder, repository: Path) -> None:
    first = recorder()
    results = scan(first, repository_path=str(repository))
    assert scan(recorder(first.task_id), repository_path=str(repository)) == results


@pytest.mark.req("H6")
def test_forgotten_scans_are_gone_with_all_their_rows(recorder: MakeRecorder, repository: Path) -> None:
    first, second = recorder(), recorder()
    advisories(first, jinja())
    scan(first, repository_path=str(repository))
    scan(second, repository_path=str(repository))
    assert retention.forget(first.database, [first.task_id, "unknown"]) == 1
    with first.database.read() as session:
        with pytest.raises(NotFound):
            query.summary(session, first.task_id, utc_now())
        assert query.summary(session, second.task_id, utc_now())["vulnerabilities"] == 1
        assert session.scalar(select(func.count()).select_from(DependencyPackage)) == 3


@pytest.mark.req("B10")
@pytest.mark.parametrize(
    "params",
    [{}, {"host": True, "dpkg_status": "a"}, {"repository_path": ".", "git_url": "https://x/y"}, {"ref": "v1"}],
)
def test_exactly_one_source_is_asked_for(recorder: MakeRecorder, params: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"Give one of|Say what|needs a git address"):
        scan(recorder(), **params)


@pytest.mark.req("D11")
@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"git_url": "https://git.example.org/acme/portal.git"}, "git_url"),
        ({"git_url": "ext::sh -c id"}, "git_url"),
        ({"git_url": "https://127.0.0.1/x.git"}, "git_url"),
        ({"repository_path": "/etc"}, "repository_path"),
        ({"repository_path": "../.."}, "repository_path"),
    ],
)
def test_a_source_that_may_not_be_read_is_refused_by_its_field(
    recorder: MakeRecorder, params: dict[str, str], field: str
) -> None:
    with pytest.raises(InvalidParams) as refused:
        scan(recorder(), **params)
    assert set(refused.value.problems) == {field}
