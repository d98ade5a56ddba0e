"""Writes docs/requirements.md: every requirement with the tests that carry it, and the open ones in plain sight.

    python tools/matrix.py           write the page
    python tools/matrix.py --check   fail when the page is not what would be written

The requirements are the artifacts below .gxp/, and a test carries one by `@pytest.mark.req("A8")` on itself or its
class, or by `pytestmark` in its module. A trace scan reads both with the same functions, so that a scan of this
repository shows the same. The tests are read, not run: the page says what is claimed; whether they pass is what
`make test` says.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

from jobs.trace_scan import front_matter  # noqa: E402
from jobs.trace_scan.marks import read_python  # noqa: E402
from jobs.trace_scan.tags import SATISFIES, Findings  # noqa: E402

ARTIFACTS = ROOT / ".gxp"
PAGE = ROOT / "docs" / "requirements.md"
TESTS = ROOT / "tests"


@dataclass(frozen=True)
class Requirement:
    """One artifact below .gxp/requirements, by its number: that of REQ-A8 is A8."""

    number: str
    title: str
    risk: str
    text: str


@dataclass(frozen=True)
class Claim:
    """A test that says it carries a requirement."""

    number: str
    file: str
    test: str


def requirements() -> dict[str, Requirement]:
    """Every requirement by its number, in the order of the page: A1, A2 … A10, B1."""
    found = [
        Requirement(
            str(fields["gxp_id"]).removeprefix("REQ-"),
            str(fields["title"]),
            str(fields["risk_level"]),
            " ".join(fields["acceptance_criteria"]),
        )
        for fields in map(_fields, (ARTIFACTS / "requirements").glob("*.md"))
    ]
    return {each.number: each for each in sorted(found, key=lambda each: _order(each.number))}


def chapters() -> dict[str, tuple[str, list[str]]]:
    """Letter → (title, the numbers of its requirements), as the system context names them."""
    titles = _fields(ARTIFACTS / "system_context.md")["chapters"]
    every = requirements()
    return {letter: (title, [each for each in every if each[0] == letter]) for letter, title in titles.items()}


def _fields(path: Path) -> dict[str, Any]:
    return front_matter.read(path.read_text(encoding="utf-8")).fields


def _order(number: str) -> tuple[str, int]:
    letter, digits = re.fullmatch(r"([A-Z]+)(\d+)", number).groups()  # type: ignore[union-attr]
    return letter, int(digits)


def claims(folder: Path = TESTS) -> list[Claim]:
    """What the marks in all test files claim, in the order of files and lines."""
    found: list[Claim] = []
    for path in sorted(folder.rglob("test_*.py")):
        said = Findings()
        read_python(path.read_text(encoding="utf-8"), said)
        name = path.relative_to(folder.parent).as_posix()
        for block in said.blocks:
            ids = dict.fromkeys(target for meaning, target, *_ in block["refs"] if meaning == SATISFIES)
            found += [Claim(each.removeprefix("REQ-"), name, block["name"]) for each in ids]
    return found


def page() -> str:
    """The whole of docs/requirements.md."""
    by_number: dict[str, list[Claim]] = {}
    for claim in claims():
        by_number.setdefault(claim.number, []).append(claim)
    every = requirements()
    carried = [number for number in every if number in by_number]
    lines = [
        "# Requirements and the tests that carry them",
        "",
        "<!-- Written by `make matrix` from .gxp/ and the marks in tests/. Do not edit. -->",
        "",
        f"{len(carried)} of {len(every)} requirements are carried by at least one test; the others are **open**.",
        "",
    ]
    for letter, (title, numbers) in chapters().items():
        lines += [f"## {letter}. {title}", "", "| | requirement | risk | tests |", "|---|---|---|---|"]
        lines += [_row(every[number], by_number.get(number, [])) for number in numbers]
        lines.append("")
    return "\n".join(lines)


def _row(each: Requirement, found: list[Claim]) -> str:
    return f"| {each.number} | {_cell(each.text)} | {each.risk.lower()} | {_tests(found)} |"


def _tests(found: list[Claim]) -> str:
    if not found:
        return "**open**"
    files: dict[str, list[str]] = {}
    for claim in found:
        files.setdefault(claim.file, []).append(claim.test.rpartition("::")[2].removeprefix("test_").replace("_", " "))
    return "<br>".join(
        f"[{file.removeprefix('tests/')}](../{file}): {_cell('; '.join(tests))}" for file, tests in files.items()
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def main(arguments: list[str]) -> int:
    """Write or check the page; the exit status."""
    wanted = page()
    if "--check" not in arguments:
        PAGE.write_text(wanted, encoding="utf-8")
        print(wanted.splitlines()[4])
        return 0
    if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != wanted:
        print("docs/requirements.md is not up to date: run `make matrix` and commit the page", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
