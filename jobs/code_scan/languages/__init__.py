"""The languages a scan understands. `analyze` is pure: bytes in, facts out, the same for the same bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import PurePosixPath

from jobs.code_scan.facts import FileFacts


@dataclass(frozen=True, slots=True)
class Language:
    """One language: what people call it, the endings of its files, and the module that reads it."""

    title: str
    extensions: tuple[str, ...]
    module: str


LANGUAGES: dict[str, Language] = {
    "csharp": Language("C#", (".cs",), "csharp"),
    "typescript": Language("TypeScript", (".ts", ".mts", ".cts"), "script"),
    "tsx": Language("TypeScript JSX", (".tsx",), "script"),
    "javascript": Language("JavaScript", (".js", ".jsx", ".mjs", ".cjs"), "script"),
    "python": Language("Python", (".py", ".pyi"), "python"),
    "html": Language("HTML", (".html", ".htm"), "markup"),
    "razor": Language("Razor", (".cshtml", ".razor"), "markup"),
    "vue": Language("Vue", (".vue",), "markup"),
    "xaml": Language("XAML", (".xaml", ".axaml"), "xaml"),
    "sql": Language("SQL", (".sql",), "sql"),
}
_BY_EXTENSION = {extension: name for name, language in LANGUAGES.items() for extension in language.extensions}


def language_of(path: str) -> str | None:
    """The language of a file by its ending, or None for one that no analyzer reads."""
    return _BY_EXTENSION.get(PurePosixPath(path).suffix.lower())


def analyze(path: str, language: str, source: bytes) -> FileFacts:
    """Everything the file says. Deterministic, without I/O; what the grammar cannot read is left out and counted.

    A hostile file may take long: call it where it can be killed. Raises KeyError for a language not in `LANGUAGES`.
    """
    return _reader(LANGUAGES[language].module)(path, language, source)


@cache
def _reader(module: str) -> Callable[[str, str, bytes], FileFacts]:
    """A language's analyzer, loaded when its first file comes: a child that sees no C# never loads its grammar."""
    read: Callable[[str, str, bytes], FileFacts] = import_module(f"{__name__}.{module}").analyze
    return read
