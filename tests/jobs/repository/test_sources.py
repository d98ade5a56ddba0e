"""Which folders may be scanned."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from jobs.repository.sources import SourceRefused, head_commit, local_repositories, resolve_local
from tests.jobs.code_scan.scanning import write


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path / "outside", {"a.py": ""})
    root = write(tmp_path / "root", {"app/a.py": "", "file.py": ""})
    (root / "out").symlink_to(tmp_path / "outside")
    (root / "inner").symlink_to(root / "app")
    os.mkfifo(root / "pipe")
    return root


@pytest.mark.req("B8")
@pytest.mark.parametrize("text", ["app", "./app", "app/../app", "inner", "{root}/app", "{root}/../root/app"])
def test_a_folder_below_a_root_is_taken_however_it_is_written(root: Path, text: str) -> None:
    assert resolve_local(text.format(root=root), [root]) == root / "app"


@pytest.mark.req("D11")
@pytest.mark.parametrize(
    "text",
    ["..", "../outside", "app/../../outside", "out", "/", "/etc", "/proc/self/root", "/proc", "pipe", "file.py",
     "missing", "app\0", "app\n", "", "-app", "~", "{root}-other", "{root}/../outside", "/dev/fd/0"],
)  # fmt: skip
def test_anything_else_is_refused_with_a_sentence(root: Path, text: str) -> None:
    with pytest.raises(SourceRefused) as refused:
        resolve_local(text.format(root=root), [root])
    assert str(refused.value).endswith(".")


@pytest.mark.req("B14")
def test_repositories_are_the_roots_and_the_folders_right_below(root: Path) -> None:
    (root / "app" / ".git").mkdir()
    found = {each["relative_path"]: each for each in local_repositories([root])}
    assert set(found) == {".", "app"}
    assert found["app"]["is_git"]
    assert not found["."]["is_git"]


def test_the_commit_is_read_without_running_git(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": ""})
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for command in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *command], check=True)
    commit = subprocess.check_output([*git, "rev-parse", "HEAD"], text=True).strip()
    (tmp_path / ".git" / "config").write_text("[core]\nfsmonitor = touch ran\n")
    assert head_commit(tmp_path) == commit
    subprocess.run(["git", "-C", str(tmp_path), "-c", "core.fsmonitor=", "pack-refs", "--all"], check=True)
    assert head_commit(tmp_path) == commit
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("head", ["ref: ../../secret", "ref: refs/../../x", "nonsense", ""])
def test_a_strange_head_is_unknown(tmp_path: Path, head: str) -> None:
    write(tmp_path, {".git/HEAD": head})
    assert head_commit(tmp_path) is None
