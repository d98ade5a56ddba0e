"""A parse child: reads files one by one and answers what they say. Killed by its parent when one takes too long.

Started as a program of its own (not forked: its parent has threads), with an empty environment, a memory limit and a
timer that ends it in the midst of a parse even when nobody is left to kill it.
Usage: parse_child.py SOCKET_FD PARENT_PID
"""

from __future__ import annotations

import gc
import resource
import signal
import sys
import types
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
MEMORY_LIMIT_BYTES = 2 * 2**30
ORPHAN_FACTOR = 3.0
RECURSION_LIMIT = 3000


def _prepare() -> None:
    """Make `jobs.code_scan` importable without the registry of jobs, whose imports would cost each child 45 MB."""
    sys.path[:] = [entry for entry in sys.path if entry != str(Path(__file__).parent)]
    sys.path.insert(0, str(ROOT))
    package = types.ModuleType("jobs")
    package.__path__ = [str(ROOT / "jobs")]
    sys.modules["jobs"] = package
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    sys.setrecursionlimit(RECURSION_LIMIT)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform.startswith("linux"):
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))


def main(descriptor: int, parent_pid: int) -> None:
    """Answer requests until the pipe ends."""
    _prepare()
    import orjson

    from jobs.repository.leash import tie_to_parent

    tie_to_parent(parent_pid)
    connection = Connection(descriptor)
    options = orjson.loads(connection.recv_bytes())
    examine = import_module(options["examiner"]).examiner(options) if "examiner" in options else _examiner(options)
    connection.send_bytes(b"ready")
    gc.freeze()
    while True:
        try:
            request = orjson.loads(connection.recv_bytes())
        except EOFError:
            return
        signal.setitimer(signal.ITIMER_REAL, options["deadline_s"] * ORPHAN_FACTOR + 1)
        answer = examine(request)
        signal.setitimer(signal.ITIMER_REAL, 0)
        try:
            connection.send_bytes(answer)
        except BrokenPipeError:
            return


def _examiner(options: dict[str, Any]) -> Any:
    """The function from a request (number, path as Latin-1, shown path, language, known digest) to an answer."""
    import orjson

    from jobs.code_scan.facts import ROUTE
    from jobs.code_scan.languages import analyze
    from jobs.code_scan.wire import encode_linkage, encode_nodes
    from jobs.repository.reading import Refused, as_utf8, read

    node_types = frozenset(options["node_types"])
    max_bytes = options["max_file_bytes"]

    def answer(head: dict[str, Any], nodes: bytes = b"", linkage: bytes = b"") -> bytes:
        return b"".join((orjson.dumps({**head, "split": len(nodes)}), b"\n", nodes, linkage))

    def examine(request: list[Any]) -> bytes:
        number, raw, path, language, known = request
        head: dict[str, Any] = {"n": number}
        try:
            content = read(raw.encode("latin-1"), max_bytes)
            head |= {"digest": content.digest, "size": content.size}
            if content.digest == known:
                return answer(head | {"status": "same"})
            source, note = as_utf8(content.data)
            facts = analyze(path, language, source)
            nodes = [node for node in facts.nodes if node.type in node_types]
            if facts.broken and note is None:
                note = f"{facts.broken} places could not be read" if facts.broken > 1 else "one place could not be read"
            head |= {"lines": facts.lines, "note": note, "nodes": len(nodes)}
            head["routes"] = sum(node.type == ROUTE for node in nodes)
            if len(nodes) != len(facts.nodes):
                facts = type(facts)(path, language, facts.lines, tuple(nodes), facts.calls, facts.imports, facts.broken)
            return answer(head | {"status": "parsed"}, encode_nodes(nodes), encode_linkage(facts))
        except Refused as refusal:
            return answer(head | {"status": "refused", "reason": refusal.reason, "note": refusal.note})
        except MemoryError:
            return answer(head | {"status": "refused", "reason": "memory", "note": None})
        except Exception as error:  # Whatever an analyzer does wrong costs one file, and is told.
            return answer(head | {"status": "refused", "reason": "analyzer", "note": type(error).__name__})

    return examine


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
