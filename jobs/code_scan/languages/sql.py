"""SQL files: tables, views and procedures that they define, and what their statements read and write."""

from __future__ import annotations

from jobs.code_scan.facts import CERTAIN, DATABASE_READ, DATABASE_WRITE, FUNCTION, TABLE, FileFacts
from jobs.code_scan.languages import sql_text
from jobs.code_scan.languages.source import Source


def analyze(path: str, language: str, data: bytes) -> FileFacts:
    """The facts of one SQL file; what its dialect-blind reading does not understand is left out."""
    source = Source(path, language, data)
    starts = source._line_starts
    for use in sql_text.table_uses(data.decode("utf-8", "replace")):
        row = min(use.line, len(starts))
        start = starts[row - 1]
        end = starts[row] if row < len(starts) else len(data)
        if use.access == sql_text.CREATE:
            source.add(TABLE, use.table, start, end, target=use.table, evidence="CREATE TABLE statement")
        elif use.access == sql_text.ROUTINE:
            source.add(FUNCTION, use.table, start, end, verb=use.verb.lower(), evidence=f"CREATE {use.verb} statement")
        elif use.access == sql_text.RUN:
            if use.routine:
                source.call(use.routine, use.table, "", start)
        else:
            source.add(
                DATABASE_READ if use.access == sql_text.READ else DATABASE_WRITE,
                use.table,
                start,
                end,
                function=use.routine,
                target=use.table,
                verb=use.verb,
                confidence=CERTAIN,
                evidence=f"{use.verb} statement",
            )
    return source.facts()
