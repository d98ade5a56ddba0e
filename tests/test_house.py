"""What stands around the code: the launcher, `make`, and CI that runs what people run."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def run(*command: str | Path, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    # Without what a surrounding `make test` tells its children: it would change what an inner make prints.
    outer = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    return subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=outer | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def bare_checkout(tmp_path: Path) -> Path:
    """A folder with a space in its name that holds the launcher and nothing that setup makes."""
    folder = tmp_path / "a checkout"
    folder.mkdir()
    shutil.copy(ROOT / "taskroom", folder)
    return folder


def test_the_launcher_says_what_to_do_before_setup(bare_checkout: Path) -> None:
    done = run(bare_checkout / "taskroom", "serve")
    assert done.returncode == 1
    assert f"make -C '{bare_checkout}' setup" in done.stderr


def test_the_launcher_finds_its_own_folder_through_links_and_passes_arguments_on(
    bare_checkout: Path, tmp_path: Path
) -> None:
    (bare_checkout / ".venv" / "bin").mkdir(parents=True)
    (bare_checkout / ".venv" / "bin" / "python").write_text('#!/bin/sh\nprintf "%s|" "$@"\nexit 7\n')
    (bare_checkout / ".venv" / "bin" / "python").chmod(0o755)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "tr").symlink_to(Path("..") / "a checkout" / "taskroom")
    (tmp_path / "again").symlink_to(tmp_path / "bin" / "tr")
    done = run(tmp_path / "again", "run", "two words", "-p", "x=", cwd=Path("/"))
    assert done.stdout == f"{bare_checkout.resolve()}/cli.py|run|two words|-p|x=|"
    assert done.returncode == 7


@pytest.mark.req("K1")
def test_a_second_setup_has_nothing_to_do() -> None:
    done = run("make", "--dry-run", "setup-dev")
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if line.strip() != ":"] == []


@pytest.mark.req("K1")
def test_ci_is_make_check_and_make_check_is_lint_tests_and_matrix() -> None:
    runs = (ROOT / ".ci" / "run").read_text()
    assert "\nmake --keep-going lint matrix-check </dev/null\n" in runs
    assert "\nif ! make test </dev/null | tee" in runs
    planned = run("make", "--dry-run", "check").stdout
    assert all(command in planned for command in ("ruff check", "-m mypy", "tools/matrix.py --check", "-m pytest"))
    assert planned.rindex("-m pytest") > planned.rindex("-m mypy"), "the tests' summary has to come last"


def test_an_unusable_python_is_refused_in_a_sentence(tmp_path: Path) -> None:
    for name in ("python3", "python3.11", "python3.12", "python3.13", "python3.14"):
        (tmp_path / name).write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.2\nexit 1\n')
        (tmp_path / name).chmod(0o755)
    done = run("/bin/sh", ROOT / "tools" / "find_python.sh", PATH=f"{tmp_path}:/usr/bin:/bin", PYTHON="")
    assert done.returncode == 1
    assert "needs Python 3.11 or newer" in done.stderr
    assert "Python 3.9.2" in done.stderr


def test_locked_requirements_have_hashes_and_agree() -> None:
    def pins(name: str) -> dict[str, str]:
        words = [
            line.split(" ")[0] for line in (ROOT / name).read_text().splitlines() if "==" in line and line[0].isalnum()
        ]
        return dict(word.split("==", 1) for word in words)

    for name in ("requirements.txt", "requirements-dev.txt", "requirements-node.txt"):
        text = (ROOT / name).read_text()
        assert text.count("--hash=sha256:") >= len(pins(name)) > 0
        assert "://" not in text
    runtime, dev = pins("requirements.txt"), pins("requirements-dev.txt")
    assert runtime.items() <= dev.items()


def test_what_setup_makes_is_not_tracked() -> None:
    tracked = run("git", "ls-files").stdout.splitlines()
    assert [
        path for path in tracked if path.startswith((".venv/", "node_modules/", "static/vendor/", ".tools/", "data/"))
    ] == []
