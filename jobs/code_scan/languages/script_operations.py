"""What a JavaScript or TypeScript call does, and the evidence for it."""

from __future__ import annotations

import re

from tree_sitter import Node

from jobs.code_scan.facts import (
    API_CALL,
    CERTAIN,
    DATA_TRANSFORM,
    DATABASE_READ,
    DATABASE_WRITE,
    LIKELY,
    MESSAGE_RECEIVE,
    MESSAGE_SEND,
    SELF,
)
from jobs.code_scan.languages import known_script as known
from jobs.code_scan.languages import sql_text
from jobs.code_scan.languages.call_site import CallSite
from jobs.code_scan.languages.literals import add_sql, endpoint, script_literal
from jobs.code_scan.languages.script_data import DataOperations
from jobs.code_scan.languages.script_receivers import ROOT
from jobs.code_scan.languages.source import RECEIVER_MAX_BYTES, clean

_COLLECTION = re.compile(r"\.collection(?:<[^()]*>)?\(\s*[\"'`](\w+)[\"'`]\s*\)\Z")
_KNEX = re.compile(r"\.(insert|update|del|delete|upsert|truncate|increment|decrement)\(")
_FUNCTION_ARGUMENT = re.compile(
    r"\s*(?:async\s*)?(?:\([^()]*\)|\w+)\s*(?::\s*[\w<>\[\]]+\s*)?=>|\s*(?:async\s+)?function\b|\s*\(\s*\{"
)
_JSX = re.compile(r"<\w+[\s/>.]|</")
_LIST = re.compile(
    r"(?:Object\.(?:entries|keys|values)|Array\.from)\(|\.(?:filter|sort|slice|split|map|flatMap|concat|flat)\(|\A\["
)


def is_inline_function(argument: str) -> bool:
    """Whether an argument is a function written there."""
    return _FUNCTION_ARGUMENT.match(argument) is not None


class Operations(DataOperations):
    """Judges the calls of one file against what is known of their receivers."""

    def call(self, start: int, end: int, node: Node) -> None:
        data = self.data
        dot = data.rfind(b".", start, end) if node.type == "member_expression" else -1
        name = data[dot + 1 if dot >= 0 else start : end].decode("utf-8", "replace").strip()
        receiver = (
            data[start : min(dot, start + RECEIVER_MAX_BYTES)].decode("utf-8", "replace").strip().rstrip("?!")
            if dot >= 0
            else ""
        )
        if (name in known.METHODS or name in self.names) and self._judge(
            name, receiver, CallSite(self.source, node, start)
        ):
            return
        if name in known.NOISE or len(receiver) > 80 or "(" in receiver:
            return
        caller = self.scopes.function()
        if caller is None or not re.fullmatch(r"#?[\w$]+", name):
            return
        self.source.call(caller, name, self._receiver(receiver), start)

    def _receiver(self, receiver: str) -> str | None:
        if not receiver:
            return ""
        if receiver in ("this", "super"):
            return SELF
        if receiver in self.names:
            return receiver
        variable = self.variable(receiver)
        if variable is not None and variable.type:
            return variable.type.partition("<")[0].rpartition(".")[2]
        return receiver if receiver[:1].isupper() and receiver.isidentifier() else None

    def _judge(self, name: str, receiver: str, site: CallSite) -> bool:
        if not receiver:
            return self._function(name, site)
        if name in ("map", "reduce", "flatMap"):
            return self._array(name, receiver, site)
        type_ = self.full_type(receiver)
        rules = known.TYPES.get(type_) if type_ else None
        if rules is not None and name in rules:
            return self._apply(rules[name], name, type_ or "", receiver, site)
        collection = _COLLECTION.search(receiver)
        if collection and (name in known.MONGO_READS or name in known.MONGO_WRITES):
            imported = self.has_import("mongodb", "mongoose")
            operation = DATABASE_READ if name in known.MONGO_READS else DATABASE_WRITE
            return self._add(
                operation,
                collection[1],
                collection[1],
                None,
                site,
                CERTAIN if imported else LIKELY,
                f"{name} on collection({collection[1]!r})" + (", mongodb imported" if imported else ""),
            )
        if (name in known.MODEL_READS or name in known.MODEL_WRITES) and self._model(name, receiver, site):
            return True
        prisma = re.fullmatch(r"(?:this\.)?(?:\w+\.)?_?(?:prisma|prismaService|prismaClient|tx)\.(\w+)", receiver)
        if (
            prisma
            and name in known.TYPES["PrismaClient"]
            and (self.has_import("@prisma/client") or "prisma" in " ".join(self.modules).lower())
        ):
            return self._apply(
                known.TYPES["PrismaClient"][name],
                name,
                "named prisma, and a prisma module imported",
                receiver,
                site,
                LIKELY,
            )
        if name in known.HTTP:
            return self._api_by_name(name, receiver, site)
        if name in ("emit", "on", "once") and self.has_import("socket.io", "socket.io-client", "@nestjs/websockets"):
            last = receiver.rpartition(".")[2].lower()
            root = ROOT.match(receiver)
            if last in ("socket", "io", "server", "client") or (
                root and root[1].lower() in ("socket", "io", "this.server", "client")
            ):
                arguments = site.arguments
                topic = script_literal(arguments[0]) if arguments else None
                if topic and topic not in ("connection", "disconnect", "error", "connect", "disconnecting"):
                    return self._add(
                        MESSAGE_SEND if name == "emit" else MESSAGE_RECEIVE,
                        topic,
                        topic,
                        None,
                        site,
                        LIKELY,
                        f"{receiver}.{name}: named like a socket, Socket.IO imported",
                    )
        return False

    def _function(self, name: str, site: CallSite) -> bool:
        full = self.full_name(name)
        if name == "fetch" and full == "fetch" and self.variable("fetch") is None:
            return self._request("the global fetch", CERTAIN, site)
        if full in known.FUNCTIONS and name in self.names:
            return self._request(f"{full}, imported", CERTAIN, site)
        module, _, member = full.rpartition(".")
        rules = known.TYPES.get(module)
        if rules is not None and member in rules and name in self.names and module != "typeorm.Repository":
            return self._apply(rules[member], member, f"{module}", "", site)
        type_ = self.full_type(name)
        if type_ in ("knex", "knex.knex", "knex.default") or (name in ("knex", "db") and self.has_import("knex")):
            arguments = site.arguments
            table = script_literal(arguments[0]) if arguments else None
            if table:
                write = _KNEX.search(self._statement(site.node))
                return self._add(
                    DATABASE_WRITE if write else DATABASE_READ,
                    table,
                    table,
                    write[1].upper() if write else "SELECT",
                    site,
                    CERTAIN if type_ else LIKELY,
                    f'{name}("{table}"), knex imported',
                )
        if type_ in ("axios.create", "axios") and self.variable(name) is not None:
            return self._request(f"{name}, made by axios", CERTAIN, site)
        return False

    def _array(self, name: str, receiver: str, site: CallSite) -> bool:
        type_ = self.full_type(receiver)
        if type_ == "lodash":
            return self._add(DATA_TRANSFORM, f"lodash {name}", None, None, site, CERTAIN, "lodash imported")
        arguments = site.arguments
        if not arguments or not _FUNCTION_ARGUMENT.match(arguments[0]) or _JSX.search(arguments[0]):
            return False
        variable = self.variable(receiver)
        declared = (
            variable is not None
            and variable.type is not None
            and ("[]" in variable.type or variable.type.startswith(("Array<", "ReadonlyArray<")))
        )
        if declared:
            why = f"{receiver} is declared an array"
        elif _LIST.search(receiver):
            why = "what it is called on is a list by construction"
        else:
            return False
        return self._add(
            DATA_TRANSFORM,
            name,
            None,
            None,
            site,
            CERTAIN if declared else LIKELY,
            f"{name} with a function; {why}",
        )

    def _apply(
        self,
        rule: known.Rule,
        name: str,
        type_: str,
        receiver: str,
        site: CallSite,
        confidence: float = CERTAIN,
    ) -> bool:
        operation, verb, where = rule
        arguments = site.arguments
        evidence = f"{type_}.{name}" if type_ != receiver else f"{receiver}.{name}"
        if receiver and type_ != receiver:
            evidence += f" ({clean(receiver)[:40]})"
        if where == "sql":
            text = script_literal(arguments[0]) if arguments else None
            if text and sql_text.looks_like_sql(text, strict=False):
                add_sql(
                    self.source,
                    text,
                    site.start,
                    site.end,
                    self.scopes.function(),
                    confidence,
                    f"SQL text given to {evidence}",
                )
                return True
            return False
        if where == "name":
            return self._add(
                operation,
                f"{receiver}.{name}" if receiver and len(receiver) < 40 else name,
                None,
                None,
                site,
                confidence,
                evidence,
            )
        if where in ("request", "xhr") or operation == API_CALL:
            return self._http(verb, where, arguments, evidence, confidence, site)
        if where == "model":
            table = self._model_name(receiver, arguments)
            return self._add(operation, table or "(table not in sight)", table, None, site, confidence, evidence)
        if where == "member":
            member = receiver.rpartition(".")[2]
            if "." not in receiver or not member.isidentifier():
                return False
            return self._add(operation, member, member, None, site, confidence, evidence)
        if where == "made":
            made = re.match(r"new\s+(\w+)", arguments[0]) if arguments else None
            shown = made[1] if made else (clean(arguments[0])[:60] if arguments else name)
            return self._add(operation, shown, made[1] if made else None, None, site, confidence, evidence)
        if where.startswith("key:"):
            found = re.search(rf"\b{where[4:]}\s*:\s*(.{{1,120}})", arguments[0], re.DOTALL) if arguments else None
            target = script_literal(found[1]) if found else None
            return self._add(operation, target or name, target, None, site, confidence, evidence)
        index = int(where) if where.isdigit() else -1
        value = arguments[index] if 0 <= index < len(arguments) else None
        target = self._text(value) if value else None
        if operation in (MESSAGE_SEND, MESSAGE_RECEIVE) and target in ("connection", "disconnect", "error", "connect"):
            return True
        return self._add(
            operation, target or (clean(value)[:80] if value else name), target, None, site, confidence, evidence
        )

    def construct(self, type_: str, arguments: str, start: int, end: int) -> None:
        name = type_.partition("<")[0]
        full = self.full_name(name)
        if full in ("bullmq.Worker", "bull.Worker"):
            topic = script_literal(arguments)
            self.source.add(
                MESSAGE_RECEIVE,
                topic or "Worker",
                start,
                end,
                function=self.scopes.function(),
                target=topic,
                evidence=f"new {name}, {full.partition('.')[0]} imported",
            )
        elif full == "EventSource" and self.variable("EventSource") is None:
            url = script_literal(arguments)
            self.source.add(
                API_CALL,
                f"GET {endpoint(url) if url else 'EventSource'}",
                start,
                end,
                function=self.scopes.function(),
                target=endpoint(url) if url else None,
                verb="GET",
                evidence="new EventSource",
            )
        elif "." not in full and name[:1].isupper() and (caller := self.scopes.function()):
            self.source.call(caller, "constructor", name, start)
