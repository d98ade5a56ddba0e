"""String literals of the languages, and the operations that SQL text in them stands for."""

from __future__ import annotations

import re

from jobs.code_scan.facts import DATABASE_READ, DATABASE_WRITE, TABLE
from jobs.code_scan.languages import sql_text
from jobs.code_scan.languages.source import Source

_CSHARP = re.compile(
    r'\s*(?:\w+\s*:\s*)?(?P<prefix>[$@]*)(?P<quotes>"{3,}|")(?P<body>.*?)(?P=quotes)(?:u8)?', re.DOTALL
)
_CSHARP_VERBATIM = re.compile(r'\s*(?:\w+\s*:\s*)?(?:@\$?|\$@)"((?:[^"]|"")*)"', re.DOTALL)
_PYTHON = re.compile(
    r"\s*(?:\w+\s*=\s*)?(?P<prefix>[rRbBfFuUtT]{0,2})(?P<quote>\"\"\"|'''|\"|')(?P<body>.*?)(?<!\\)(?P=quote)",
    re.DOTALL,
)
_SCRIPT = re.compile(r"\s*(?P<quote>[\"'`])(?P<body>.*?)(?<!\\)(?P=quote)", re.DOTALL)
_HOLE = re.compile(r"\$\{([^{}]*)\}")
_ENVIRONMENT = re.compile(r"^\{[^{}/]*(?:url|host|base|api|endpoint|origin|server|prefix)[^{}/]*\}(?=/)", re.IGNORECASE)


def csharp_literal(text: str) -> str | None:
    """The value of the C# string literal that `text` starts with (holes stay as {…}), or None."""
    match = _CSHARP_VERBATIM.match(text)
    if match:
        return match[1].replace('""', '"')
    match = _CSHARP.match(text)
    return match["body"] if match else None


def python_literal(text: str) -> str | None:
    """The value of the Python string literal that `text` starts with (holes stay as {…}), or None."""
    match = _PYTHON.match(text)
    return match["body"] if match else None


def script_literal(text: str) -> str | None:
    """The value of the JavaScript string or template that `text` starts with (holes become {…}), or None."""
    match = _SCRIPT.match(text)
    if not match:
        return None
    return (
        _HOLE.sub(lambda hole: "{" + hole[1].strip() + "}", match["body"]) if match["quote"] == "`" else match["body"]
    )


def endpoint(text: str) -> str:
    """A URL as a route would be written: no query, and a configured base address in front left away."""
    return _ENVIRONMENT.sub("", text.strip().split("?", 1)[0].split("#", 1)[0])


def add_sql(
    source: Source, text: str, start: int, end: int, function: str | None, confidence: float, evidence: str
) -> bool:
    """Record what SQL text reads, writes and creates; whether it did anything."""
    found = False
    for use in sql_text.literal_uses(text):
        if use.access == sql_text.CREATE:
            source.add(
                TABLE,
                use.table,
                start,
                end,
                target=use.table,
                confidence=confidence,
                evidence=f"CREATE TABLE in {evidence}",
            )
        elif use.access in (sql_text.READ, sql_text.WRITE):
            operation = DATABASE_READ if use.access == sql_text.READ else DATABASE_WRITE
            source.add(
                operation,
                use.table,
                start,
                end,
                function=function,
                target=use.table,
                verb=use.verb,
                confidence=confidence,
                evidence=f"{use.verb} in {evidence}",
            )
        else:
            continue
        found = True
    return found
