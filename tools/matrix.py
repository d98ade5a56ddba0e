"""Writes docs/requirements.md: every requirement with the tests that carry it, and the open ones in plain sight.

    python tools/matrix.py           write the page
    python tools/matrix.py --check   fail when the page is not what would be written

A test carries a requirement by `@pytest.mark.req("A8", "C2")` on itself or its class, or by `pytestmark` in its module.
The tests are read, not run, so the page says what is claimed; whether they pass is what `make test` says.
"""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "docs" / "requirements.toml"
PAGE = ROOT / "docs" / "requirements.md"
TESTS = ROOT / "tests"


@dataclass(frozen=True)
class Claim:
    """A test that says it carries a requirement."""

    number: str
    file: str
    test: str


def requirements() -> dict[str, tuple[str, dict[str, str]]]:
    """Letter → (title, {"A1": sentence})."""
    chapters = tomllib.loads(SOURCE.read_text(encoding="utf-8"))
    return {
        letter: (chapter["title"], {f"{letter}{key}": text for key, text in chapter.items() if key != "title"})
        for letter, chapter in chapters.items()
    }


def known_numbers() -> set[str]:
    """Every requirement's number."""
    return {number for _, chapter in requirements().values() for number in chapter}


def claims(folder: Path = TESTS) -> list[Claim]:
    """What the marks in all test files claim, in the order of files and lines."""
    found: list[Claim] = []
    for path in sorted(folder.rglob("test_*.py")):
        found += _claims_in(path, path.relative_to(folder.parent).as_posix())
    return found


def _claims_in(path: Path, name: str) -> Iterator[Claim]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    everywhere = [
        number
        for node in tree.body
        if isinstance(node, ast.Assign) and _names(node) == ["pytestmark"]
        for number in _numbers(node.value)
    ]
    for node in tree.body:
        yield from _claims_of(node, everywhere, name, "")


def _claims_of(node: ast.stmt, inherited: list[str], file: str, prefix: str) -> Iterator[Claim]:
    if isinstance(node, ast.ClassDef):
        own = [number for decorator in node.decorator_list for number in _numbers(decorator)]
        for child in node.body:
            yield from _claims_of(child, inherited + own, file, f"{prefix}{node.name}::")
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test"):
        own = [number for decorator in node.decorator_list for number in _numbers(decorator)]
        for number in dict.fromkeys(inherited + own):
            yield Claim(number, file, prefix + node.name)


def _numbers(node: ast.expr) -> list[str]:
    """The numbers in every `….req("A1", …)` below this expression."""
    return [
        argument.value
        for call in ast.walk(node)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "req"
        for argument in call.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    ]


def _names(node: ast.Assign) -> list[str]:
    return [target.id for target in node.targets if isinstance(target, ast.Name)]


def page() -> str:
    """The whole of docs/requirements.md."""
    by_number: dict[str, list[Claim]] = {}
    for claim in claims():
        by_number.setdefault(claim.number, []).append(claim)
    chapters = requirements()
    every = [number for _, chapter in chapters.values() for number in chapter]
    carried = [number for number in every if number in by_number]
    lines = [
        "# Requirements and the tests that carry them",
        "",
        "<!-- Written by `make matrix` from docs/requirements.toml and the marks in tests/. Do not edit. -->",
        "",
        f"{len(carried)} of {len(every)} requirements are carried by at least one test; the others are **open**.",
        "",
    ]
    for letter, (title, chapter) in chapters.items():
        lines += [f"## {letter}. {title}", "", "| | requirement | tests |", "|---|---|---|"]
        lines += [
            f"| {number} | {_cell(text)} | {_tests(by_number.get(number, []))} |" for number, text in chapter.items()
        ]
        lines.append("")
    return "\n".join(lines)


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
