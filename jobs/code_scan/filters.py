"""Which nodes a list shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Boolean, func, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import aliased
from sqlalchemy.sql.functions import FunctionElement

from jobs.code_scan.facts import DATABASE_READ, DATABASE_WRITE, ENTITY, NODE_TYPES, TABLE
from jobs.code_scan.languages import LANGUAGES
from jobs.code_scan.models import CodeNode
from tasks.errors import InvalidPayload

DATA_TYPES = (DATABASE_READ, DATABASE_WRITE, ENTITY, TABLE)
SURENESS = {"certain": (0.9, 2.0), "likely": (0.6, 0.9), "guess": (0.0, 0.6)}
MAX_TEXT = 200
MAX_VALUES = 50


class Contains(FunctionElement[bool]):
    """Whether the first text holds the second, byte for byte: several times faster than LIKE on SQLite."""

    name = "contains"
    type = Boolean()
    inherit_cache = True


@compiles(Contains)
def _contains(element: Contains, compiler: Any, **options: Any) -> str:
    function = "instr" if compiler.dialect.name == "sqlite" else "strpos"
    return f"{function}({compiler.process(element.clauses, **options)}) > 0"


@dataclass(frozen=True, slots=True)
class NodeFilter:
    """All that are given must hold; an empty one holds always. `text` is found anywhere in name, target, function or
    path, whatever its case; each of its words must be.
    """

    types: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    confidence: str | None = None
    text: str = ""
    path: str = ""

    @classmethod
    def from_args(cls, args: Mapping[str, str | Sequence[str]]) -> NodeFilter:
        """From a query string: `type`, `language`, `table`, `sureness`, `q`, `path`; several values are repeated
        or use commas.

        Raises InvalidPayload for a value that does not exist.
        """
        types, languages, tables = (_values(args, name) for name in ("type", "language", "table"))
        _check("type", types, NODE_TYPES)
        _check("language", languages, tuple(LANGUAGES))
        sureness = _text(args, "sureness")
        if sureness:
            _check("sureness", (sureness,), tuple(SURENESS))
        return cls(types, languages, tables, sureness or None, _text(args, "q"), _text(args, "path"))

    def without(self, name: str) -> NodeFilter:
        """The same without one of its conditions."""
        return replace(self, **{name: ()})  # type: ignore[arg-type]

    def conditions(self, index_id: int) -> list[Any]:
        """The conditions on CodeNode, for nodes of this index."""
        found: list[Any] = []
        if self.types:
            found.append(CodeNode.type.in_(self.types))
        if self.languages:
            found.append(CodeNode.language.in_(self.languages))
        if self.tables:
            found.append(CodeNode.id.in_(self._of_tables(index_id)))
        if self.confidence:
            low, high = SURENESS[self.confidence]
            found += [CodeNode.confidence >= low, CodeNode.confidence < high]
        if self.path:
            found.append(CodeNode.path.startswith(self.path, autoescape=True))
        return found + [Contains(CodeNode.search, word) for word in self.text.lower().split()]

    def _of_tables(self, index_id: int) -> Any:
        """The ids of what concerns these tables, found in the index by type, which holds the targets."""
        node = aliased(CodeNode)
        wanted = [table.lower() for table in self.tables]
        about = (node.index_id == index_id, node.type.in_(DATA_TYPES), func.lower(node.target).in_(wanted))
        return select(node.id).where(*about)


def _values(args: Mapping[str, str | Sequence[str]], name: str) -> tuple[str, ...]:
    given = args.get(name, ())
    parts = [given] if isinstance(given, str) else list(given)
    return tuple(dict.fromkeys(each.strip() for part in parts for each in part.split(",") if each.strip()))[:MAX_VALUES]


def _text(args: Mapping[str, str | Sequence[str]], name: str) -> str:
    given = args.get(name, "")
    text = given if isinstance(given, str) else (given[0] if given else "")
    return text.replace("\0", "").strip()[:MAX_TEXT]


def _check(name: str, values: Sequence[str], known: Sequence[str]) -> None:
    for value in values:
        if value not in known:
            raise InvalidPayload(f"{name}: there is no {value[:50]!r}. Known are: {', '.join(known)}.")
