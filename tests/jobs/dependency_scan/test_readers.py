"""What all readers of lock files share: known by name, whole, and clear about what they cannot read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jobs.dependency_scan.packages import Tree, Unreadable
from jobs.dependency_scan.readers import READERS, WITHOUT_READER, reader_of

pytestmark = pytest.mark.req("B10")


def test_a_file_is_known_by_its_name() -> None:
    known = {
        "requirements.txt": "requirements.txt", "api/requirements-dev.txt": "requirements.txt",
        "requirements/base.txt": "requirements.txt", "test_requirements.txt": "requirements.txt",
        "web/package-lock.json": "package-lock.json", "pylock.dev.toml": "pylock.toml", "mix.lock": "mix.lock",
        "notes.txt": None, "requirements.md": None, "dpkg": None, "package.json": None,
    }  # fmt: skip
    assert {path: reader_of(path) for path in known} == known
    assert not set(READERS) & set(WITHOUT_READER)


def test_a_tree_with_a_cycle_gives_each_package_its_shortest_way() -> None:
    needs = {0: [1, 3], 1: [2], 2: [1, 3], 3: [2], 9: [9]}
    tree = Tree(needs, {number: str(number) for number in range(10)}, roots=[0])
    assert tree.place(1) == ("direct", (), 1)
    assert tree.place(2) == ("transitive", ("1",), 1)
    assert tree.place(9).relation is None


def test_the_projects_own_lock_files_are_read_whole() -> None:
    root = Path(__file__).resolve().parents[3]
    pins = (root / "requirements.txt").read_text()
    found = READERS["requirements.txt"].load()(pins).packages
    assert len(found) == sum(1 for line in pins.splitlines() if line[:1].isalnum())
    assert not any(each.reason for each in found)
    assert all(each.relation for each in found)
    node = READERS["package-lock.json"].load()((root / "package-lock.json").read_text()).packages
    wanted = json.loads((root / "package.json").read_text())
    assert {each.name for each in node if each.relation == "direct"} == {
        *wanted.get("dependencies", ()),
        *wanted.get("devDependencies", ()),
    }


@pytest.mark.parametrize("name", [each for each in READERS if each not in ("requirements.txt", "go.sum")])
def test_what_is_no_lock_file_is_refused_in_words(name: str) -> None:
    with pytest.raises(Unreadable) as refused:
        READERS[name].load()("\x01 this ] is { nothing: of the kind\n")
    assert str(refused.value)
