"""Listing files: filters, ignore files, links and everything that is no ordinary file."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from jobs.code_scan.languages import language_of
from jobs.repository.discovery import Filters, Found, list_files
from tests.jobs.code_scan.scanning import write


def listed(folder: Path, **filters: object) -> dict[str, Found]:
    return {found.path: found for found in list_files(folder, Filters(language_of, **filters)).files}  # type: ignore[arg-type]


@pytest.mark.req("B3")
def test_ignore_files_count_at_their_depth_and_nearer_ones_win(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            ".gitignore": "*.gen.py\nbuild/\n/only_top.py\n",
            "a.py": "", "b.gen.py": "", "only_top.py": "", "build/x.py": "",
            "sub/.gitignore": "!keep.gen.py\nlocal.py\n",
            "sub/keep.gen.py": "", "sub/other.gen.py": "", "sub/local.py": "", "sub/only_top.py": "",
            ".git/info/exclude": "secret.py\n", ".git/config": "", "secret.py": "",
        },
    )  # fmt: skip
    names = {name for name in listed(tmp_path) if name.endswith(".py")}
    assert names == {"a.py", "sub/keep.gen.py", "sub/only_top.py"}


@pytest.mark.req("B3")
def test_a_folder_that_is_left_out_cannot_be_brought_back_from_inside(tmp_path: Path) -> None:
    write(tmp_path, {".gitignore": "out/\n!out/kept.py\n", "out/kept.py": "", "in.py": ""})
    assert "out/kept.py" not in listed(tmp_path)


@pytest.mark.req("B3")
@pytest.mark.parametrize("pattern", ["node_modules", "node_modules/", "**/node_modules/**", "web/node_modules"])
def test_exclude_patterns_work_as_people_write_them(tmp_path: Path, pattern: str) -> None:
    write(tmp_path, {"web/node_modules/a/b.js": "", "web/app.js": ""})
    assert set(listed(tmp_path, exclude_patterns=[pattern])) == {"web/app.js"}


@pytest.mark.req("B3")
def test_only_the_asked_types_are_listed_whatever_their_case(tmp_path: Path) -> None:
    write(tmp_path, {"a.CS": "", "b.ts": "", "c.md": "", "d.cs": ""})
    assert set(listed(tmp_path, file_types=[".cs"])) == {"a.CS", "d.cs"}


@pytest.mark.req("B4", "D11")
def test_what_is_no_ordinary_file_is_listed_with_its_reason_and_never_opened(tmp_path: Path) -> None:
    outside = write(tmp_path / "outside", {"secret.py": "password = 1", "folder/x.py": ""})
    root = write(tmp_path / "root", {"a.py": "", "big.py": "x" * 50, "notes.txt": ""})
    os.mkfifo(root / "pipe.py")
    (root / "link.py").symlink_to(outside / "secret.py")
    (root / "linked").symlink_to(outside / "folder")
    (root / "loop").symlink_to(root)
    found = listed(root, max_file_bytes=40)
    assert {name: each.reason for name, each in found.items()} == {
        "a.py": None, "big.py": "too_large", "notes.txt": "no_reader", "pipe.py": "special", "link.py": "symlink",
        "linked": "symlink", "loop": "symlink",
    }  # fmt: skip


@pytest.mark.req("B4")
def test_names_that_are_no_text_are_shown_as_escapes(tmp_path: Path) -> None:
    raw = os.fsencode(tmp_path) + b"/caf\xe9.py"
    os.close(os.open(raw, os.O_CREAT | os.O_WRONLY))
    (tmp_path / "two\nlines.py").touch()
    found = listed(tmp_path)
    assert set(found) == {"caf\\xe9.py", "two\\nlines.py"}
    assert found["caf\\xe9.py"].raw == raw


def test_an_ignore_file_that_is_no_file_is_passed_over(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".gitignore")
    write(tmp_path, {"a.py": "", "sub/.gitignore": b"\xff\xfe[broken\n*.tmp\n", "sub/b.py": ""})
    assert {"a.py", "sub/b.py"} <= set(listed(tmp_path))


@pytest.mark.req("B6")
def test_eight_thousand_files_are_listed_in_well_under_a_second(tmp_path: Path) -> None:
    for number in range(80):
        folder = tmp_path / f"part{number}"
        folder.mkdir()
        for each in range(100):
            (folder / f"file{each}.cs").touch()
    (tmp_path / ".gitignore").write_text("".join(f"[Gg]en{n}/\n*.tmp{n}\nname{n}.cs\n" for n in range(100)))
    begun = time.perf_counter()
    assert len(listed(tmp_path)) == 8_001
    assert time.perf_counter() - begun < 2.0  # 0.3 s on a quiet machine
