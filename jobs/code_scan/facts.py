"""What an analyzer says about one file, and what linking adds: plain values, cheap to pickle, without behaviour.

A fact is never a guess dressed up: every node carries how sure the analyzer is (`confidence`) and why (`evidence`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

DATABASE_READ = "database_read"
DATABASE_WRITE = "database_write"
API_CALL = "api_call"
FILE_READ = "file_read"
FILE_WRITE = "file_write"
MESSAGE_SEND = "message_send"
MESSAGE_RECEIVE = "message_receive"
DATA_TRANSFORM = "data_transform"
CACHE_READ = "cache_read"
CACHE_WRITE = "cache_write"

CLASS = "class"
FUNCTION = "function"
ROUTE = "route"
UI_TRIGGER = "ui_trigger"
ENTITY = "entity"
TABLE = "table"

OPERATION_TYPES = (
    DATABASE_READ,
    DATABASE_WRITE,
    API_CALL,
    FILE_READ,
    FILE_WRITE,
    MESSAGE_SEND,
    MESSAGE_RECEIVE,
    DATA_TRANSFORM,
    CACHE_READ,
    CACHE_WRITE,
)
STRUCTURE_TYPES = (CLASS, FUNCTION, ROUTE, UI_TRIGGER, ENTITY, TABLE)
NODE_TYPES = OPERATION_TYPES + STRUCTURE_TYPES

CERTAIN = 1.0
LIKELY = 0.7
GUESS = 0.4

# Labels of edges, all that `link` gives out.
CONTAINS = "contains"  # class → function
PERFORMS = "performs"  # function → operation
CALLS = "calls"  # function → function
HANDLED_BY = "handled by"  # route → function
TRIGGERS = "triggers"  # ui_trigger → function, or ui_trigger → route for a form
REQUESTS = "requests"  # api_call → route
READS = "reads"  # database_read → table or entity
WRITES = "writes"  # database_write → table or entity
STORED_IN = "stored in"  # entity → table
DELIVERS = "delivers"  # message_send → message_receive of the same topic
EDGE_LABELS = (CONTAINS, PERFORMS, CALLS, HANDLED_BY, TRIGGERS, REQUESTS, READS, WRITES, STORED_IN, DELIVERS)

SNIPPET_MAX_CHARS = 240
NAME_MAX_CHARS = 200
SELF = "self"


@dataclass(frozen=True, slots=True)
class Node:
    """One thing found in a file. Lines count from 1.

    `function` is the qualified name ("Class.method") of the enclosing function; for a route and a UI trigger it is the
    handler's name, as written there. `target` is the table or entity, endpoint, topic, cache key or file path where it
    is known; for a class it is its bases, separated by ", "; for an entity its table. `verb` is an HTTP method (upper
    case) or an event of the user interface (lower case).
    """

    type: str
    name: str
    line: int
    end_line: int
    snippet: str = ""
    function: str | None = None
    target: str | None = None
    verb: str | None = None
    confidence: float = CERTAIN
    evidence: str = ""


class Call(NamedTuple):
    """A call of a function that may be one of the project's own; each distinct one is listed once per caller.

    `receiver` is "" for a bare name, `SELF` for the caller's own class, the declared type or imported name where the
    analyzer knows it, and None where it does not.
    """

    caller: str
    callee: str
    receiver: str | None
    line: int


class Import(NamedTuple):
    """`name` is what the file calls it ("*" for all of a namespace), `member` what `module` calls it."""

    name: str
    module: str
    member: str | None = None


@dataclass(frozen=True, slots=True)
class FileFacts:
    """Everything one file says. `broken` is over 0 where its grammar could not read all; it was read around that."""

    path: str
    language: str
    lines: int
    nodes: tuple[Node, ...] = ()
    calls: tuple[Call, ...] = ()
    imports: tuple[Import, ...] = ()
    broken: int = 0


class NodeRef(NamedTuple):
    """A node across files: its file's path, and its place in that file's `nodes`."""

    path: str
    index: int  # type: ignore[assignment]  # a tuple has a method of this name, which nobody needs here


class Edge(NamedTuple):
    """A directed connection; `confidence` is on the scale of a node's."""

    source: NodeRef
    target: NodeRef
    label: str
    confidence: float


def confidence_level(confidence: float) -> str:
    """'certain', 'likely' or 'guess': the level a number belongs to."""
    if confidence >= 0.9:
        return "certain"
    return "likely" if confidence >= 0.6 else "guess"
