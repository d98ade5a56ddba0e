"""Reads which tables a piece of SQL touches, from its tokens: time and depth are linear, whatever the text is.

sqlglot's tokenizer knows strings, comments and every quoting style; its parser is not used, because it gives up on
procedures and takes long for hostile text. What is not understood is left out, never guessed.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import SqlglotError
from sqlglot.tokens import Token, TokenType  # type: ignore[attr-defined]

MAX_CHARS = 400_000
READ, WRITE, CREATE, ROUTINE, RUN = "read", "write", "create", "routine", "run"

_STARTS = re.compile(
    r"\s*(?:--[^\n]*\n\s*|/\*.{0,2000}?\*/\s*)*(?P<verb>SELECT|WITH|INSERT|UPDATE|DELETE|MERGE|REPLACE|TRUNCATE|CREATE)\s",
    re.IGNORECASE | re.DOTALL,
)
_SHAPE = re.compile(
    r"\bSELECT\b.+\bFROM\s+[\w\[\"`{(:@#$%]"
    r"|\bINSERT\s+(?:OR\s+\w+\s+)?INTO\s+[\w\[\"`{:$%]|\bREPLACE\s+INTO\s"
    r"|\bUPDATE\s+\S+(?:\s+(?:AS\s+)?\w+)?\s+SET\b|\bDELETE\s+(?:\S+\s+)?FROM\s|\bMERGE\s+(?:INTO\s+)?\S+|"
    r"\bTRUNCATE\s+TABLE\s|\bCREATE\s+(?:TEMP\w*\s+)?TABLE\s",
    re.IGNORECASE | re.DOTALL,
)
_WORDS = (b"FROM", b"INTO", b"UPDATE", b"TABLE", b"MERGE")  # no statement that is read does without one of them
_NAME = re.compile(r"[A-Za-z_#][\w$#]*\Z")
_GO = re.compile(r"^[ \t]*GO[ \t;]*\r?$", re.IGNORECASE | re.MULTILINE)
_TEMPLATED = re.compile(r"\{[^{}]*\}|\$\{[^{}]*\}|%\(\w+\)s|%s|:\w+")
_NOT_TABLES = frozenset(
    "select where set values on as left right inner outer full cross join order group by having limit union "
    "only lateral unnest inserted deleted excluded dual if not exists table "
    "into from and or null default output using when then".split()
)
_CATALOGS = frozenset(("sys", "information_schema", "pg_catalog"))
_SPEECH = frozenset("the a an this that these those your our their its all any each another existing".split())


class TableUse(NamedTuple):
    """`access` is one of READ, WRITE, CREATE, ROUTINE (a procedure or view is defined) and RUN (one is called)."""

    table: str
    access: str
    verb: str
    line: int
    routine: str | None = None


def mentions_sql(data: bytes) -> bool:
    """Whether a file may hold SQL in capitals at all; cheap, so that the strings of most files are left alone."""
    return any(word in data for word in _WORDS)


def looks_like_sql(text: str, strict: bool = True) -> bool:
    """Whether a string literal is SQL. `strict` is for one whose use says nothing: its keywords must be in capitals."""
    start = _STARTS.match(text)
    if start is None or not _SHAPE.search(text[:MAX_CHARS]):
        return False
    if not strict:
        return True
    verb = start["verb"]
    return verb.isupper() and _capital_shape(text)


def _capital_shape(text: str) -> bool:
    return any(word in text for word in ("FROM", "INTO", " SET", "TABLE", "MERGE"))


def table_uses(text: str, line: int = 1) -> list[TableUse]:
    """The tables this SQL creates, reads and writes, in order, each once per access and routine."""
    found: dict[tuple[str, str, str, str | None], TableUse] = {}
    offset = line - 1
    for batch, batch_line in _batches(text[:MAX_CHARS]):
        reader = _Reader(_tokens(batch), offset + batch_line)
        for use in reader.read():
            found.setdefault((use.table.lower(), use.access, use.verb, use.routine), use)
    return list(found.values())


def literal_uses(text: str) -> list[TableUse]:
    """`table_uses` for a string in a program, whose placeholders and interpolations are made harmless first."""
    return table_uses(_TEMPLATED.sub(" @p ", text) if "{" in text or "%" in text or ":" in text else text)


def _batches(text: str) -> list[tuple[str, int]]:
    batches, at, line = [], 0, 0
    for match in _GO.finditer(text):
        batches.append((text[at : match.start()], line))
        line += text.count("\n", at, match.end())
        at = match.end()
    batches.append((text[at:], line))
    return batches


def _tokens(text: str) -> list[Token]:
    for dialect in ("sqlite", "mysql") if "`" in text else ("tsql", "mysql"):
        try:
            return Dialect.get_or_raise(dialect).tokenize(text)
        except SqlglotError:
            continue
    return []


class _Reader:
    """One pass over the tokens of one batch."""

    def __init__(self, tokens: list[Token], line: int) -> None:
        self.tokens = tokens
        self.line = line
        self.uses: list[TableUse] = []
        self.aliases: dict[str, str] = {}
        self.ctes: set[str] = set()
        self.routine: str | None = None
        self.levels: list[bool] = [False]

    def read(self) -> list[TableUse]:
        index = 0
        while index < len(self.tokens):
            index = max(self._step(index), index + 1)
        return self._resolved()

    def _step(self, index: int) -> int:
        token = self.tokens[index]
        kind, word = token.token_type, token.text.upper()
        if kind is TokenType.L_PAREN:
            self.levels.append(False)
        elif kind is TokenType.R_PAREN:
            if len(self.levels) > 1:
                self.levels.pop()
        elif kind is TokenType.SEMICOLON:
            self.levels = [False]
        elif kind in (TokenType.STRING, TokenType.IDENTIFIER):
            return self._cte(index)
        elif word == "SELECT":
            self.levels[-1] = True
        elif word == "CREATE":
            return self._create(index + 1)
        elif word in ("FROM", "JOIN", "USING", "INTO", "UPDATE", "INSERT", "DELETE", "MERGE", "TRUNCATE", "REPLACE"):
            return self._clause(word, index)
        elif word in ("EXEC", "EXECUTE", "CALL"):
            self._run(index)
        else:
            return self._cte(index)
        return index + 1

    def _clause(self, word: str, index: int) -> int:
        after = index + 1
        if word == "FROM":
            before = self._word(index - 1)
            if before == "DISTINCT" and self._word(index - 2) in ("IS", "NOT"):
                return after
            return self._tables(after, READ, "SELECT") if self.levels[-1] else after
        if word in ("JOIN", "USING"):
            return after if word == "USING" and self._word(after) == "(" else self._tables(after, READ, "SELECT")
        if word == "UPDATE":
            self.levels[-1] = True
            if self._word(index - 1) in ("FOR", "ON", "DO", "AFTER", "BEFORE", ",", "OR", "KEY", "THEN"):
                return after
            return self._tables(after, WRITE, "UPDATE")
        if word == "DELETE":
            self.levels[-1] = True
            if self._word(index - 1) in ("ON", "AFTER", "BEFORE", ",", "OR", "THEN"):
                return after
            return self._tables(after + (self._word(after) == "FROM"), WRITE, "DELETE")
        if word == "INTO":
            return self._tables(after, WRITE, "MERGE" if self._word(index - 1) == "MERGE" else "INSERT")
        if word in ("INSERT", "REPLACE", "MERGE"):
            if self._word(index - 1) in ("AFTER", "BEFORE", ",", "OR", "THEN", "ON") or self._word(after) == "(":
                return after
            return after if self._word(after) in ("INTO", "OR", "IGNORE") else self._tables(after, WRITE, word)
        return self._tables(after + (self._word(after) == "TABLE"), WRITE, "TRUNCATE")

    def _tables(self, index: int, access: str, verb: str) -> int:
        while True:
            name, after = self._name(index)
            if name is None:
                return index
            is_function = access == READ and self._word(after) == "("
            if not is_function:
                self._use(name, access, verb, index)
            index = after
            alias = index + (self._word(index) == "AS")
            if alias < len(self.tokens) and _NAME.match(self.tokens[alias].text) and self._is_alias(alias):
                self.aliases.setdefault(self.tokens[alias].text.lower(), name)
                index = alias + 1
            if access != READ or self._word(index) != ",":
                return index
            index += 1

    def _is_alias(self, index: int) -> bool:
        token = self.tokens[index]
        return token.token_type in (TokenType.VAR, TokenType.IDENTIFIER) and token.text.lower() not in _NOT_TABLES

    def _name(self, index: int) -> tuple[str | None, int]:
        parts: list[str] = []
        while index < len(self.tokens):
            token = self.tokens[index]
            quoted = token.token_type is TokenType.IDENTIFIER
            if not (quoted or _NAME.match(token.text)) or token.token_type is TokenType.STRING:
                break
            if not quoted and not parts and token.text.lower() in _NOT_TABLES:
                return None, index
            parts.append(token.text)
            index += 1
            if self._word(index) != ".":
                break
            index += 1
        if not parts or parts[-1].startswith("#") or (len(parts) > 1 and parts[-2].lower() in _CATALOGS):
            return None, index
        return parts[-1], index

    def _create(self, index: int) -> int:
        while self._word(index) in ("OR", "ALTER", "REPLACE", "TEMP", "TEMPORARY", "UNLOGGED", "GLOBAL", "EXTERNAL"):
            index += 1
        what = self._word(index)
        if what not in ("TABLE", "VIEW", "PROCEDURE", "PROC", "FUNCTION", "TRIGGER", "MATERIALIZED"):
            return index
        index += 1 + (what == "MATERIALIZED")
        while self._word(index) in ("IF", "NOT", "EXISTS"):
            index += 1
        name, after = self._name(index)
        if name is None:
            return index
        if what != "TABLE":
            self.routine = name
        self._use(name, CREATE if what == "TABLE" else ROUTINE, what, index)
        return after

    def _run(self, index: int) -> None:
        rest = self.tokens[index + 1] if index + 1 < len(self.tokens) else None
        if rest is None:
            return
        if rest.token_type is TokenType.STRING:  # the tokenizer hands over the rest of a command as one string
            match = re.match(r"\s*(?:@\w+\s*=\s*)?(?:[\[\"`]?\w+[\]\"`]?\.)*[\[\"`]?(\w+)", rest.text)
            name = match[1] if match else None
        else:
            name, _ = self._name(index + 1)
        if name:
            self._use(name, RUN, "EXEC", index)

    def _cte(self, index: int) -> int:
        if self._word(index + 1) == "AS" and self._word(index + 2) == "(":
            self.ctes.add(self.tokens[index].text.lower())
        return index + 1

    def _word(self, index: int) -> str:
        return self.tokens[index].text.upper() if 0 <= index < len(self.tokens) else ""

    def _use(self, name: str, access: str, verb: str, index: int) -> None:
        routine = self.routine
        self.uses.append(TableUse(name, access, verb, self.line + self.tokens[index].line, routine))

    def _resolved(self) -> list[TableUse]:
        resolved = []
        for use in self.uses:
            table = self.aliases.get(use.table.lower(), use.table) if use.access == WRITE else use.table
            is_alias = use.access == READ and self.aliases.get(use.table.lower(), use.table) != use.table
            if table.lower() not in self.ctes and not is_alias:
                resolved.append(use._replace(table=table))
        return resolved


def is_speech(text: str) -> bool:
    """Whether what follows FROM, INTO or UPDATE is English rather than a table."""
    match = re.search(r"\b(?:from|into|update)\s+(\w+)", text, re.IGNORECASE)
    return bool(match and match[1].lower() in _SPEECH)
