"""What a name in JavaScript or TypeScript stands for: imports, declared types, construction, constant strings."""

from __future__ import annotations

import re

from jobs.code_scan.languages import known_script as known
from jobs.code_scan.languages.call_site import CallSite
from jobs.code_scan.languages.literals import script_literal
from jobs.code_scan.languages.scopes import ScopeStack, Variable
from jobs.code_scan.languages.source import Source

ROOT = re.compile(r"(?:\(?await\s+|\()*((?:this\.)?#?[A-Za-z_$][\w$]*)((?:[?!]?\.[\w$]+)*)")
_SQL_MODULES = (
    "pg",
    "mysql",
    "mysql2",
    "better-sqlite3",
    "sqlite3",
    "typeorm",
    "sequelize",
    "knex",
    "@prisma/client",
    "@vercel/postgres",
    "kysely",
    "drizzle-orm",
    "postgres",
    "slonik",
    "mssql",
)


class Receivers:
    """What one file says of the names in it; everything found is recorded through it."""

    def __init__(self, source: Source, scopes: ScopeStack) -> None:
        self.source = source
        self.data = source.data
        self.scopes = scopes
        self.names: dict[str, tuple[str, str | None]] = {}
        self.modules: set[str] = set()
        self.models: set[str] = set()

    def bring_in(self, name: str, module: str, member: str | None) -> None:
        module = module.removeprefix("node:")
        module = known.MODULES.get(module, module)
        self.names[name] = (module, member)
        self.modules.add(module)

    def has_import(self, *libraries: str) -> bool:
        return any(module == name or module.startswith(name + "/") for module in self.modules for name in libraries)

    def sql_library(self) -> str | None:
        return next((name for name in _SQL_MODULES if self.has_import(name)), None)

    def full_name(self, name: str) -> str:
        """`module.member` of an imported name, the bare module of a default import, or the name itself."""
        imported = self.names.get(name)
        if imported is None:
            return name
        module, member = imported
        return f"{module}.{member}" if member and member != "default" else module

    def variable(self, name: str) -> Variable | None:
        if name.startswith("this."):
            holder = self.scopes.class_scope()
            return holder.variables.get(name[5:]) if holder else None
        return self.scopes.variable(name)

    def full_type(self, receiver: str, depth: int = 0) -> str | None:
        """The full name of what a receiver is, or was made by."""
        match = ROOT.match(receiver)
        if match is None or depth > 3:
            return None
        root, members = match[1], match[2].replace("?", "").replace("!", "")
        variable = self.variable(root)
        if variable is not None:
            if variable.type:
                bare = variable.type.partition("<")[0].partition("|")[0].strip()
                found = self.full_name(bare.partition(".")[0]) + (bare[len(bare.partition(".")[0]) :])
            else:
                made = self.full_type(variable.made_from, depth + 1) if variable.made_from else None
                if made is None:
                    return None
                found = made
        elif root in self.names or root in known.GLOBALS or root == "PrismaClient":
            found = self.full_name(root)
        elif root.startswith("this."):
            return None
        else:
            return None
        for member in filter(None, members.split(".")):
            if (
                found in known.TYPES
                and f"{found}.{member}" not in known.TYPES
                and (found.partition(".")[0], member) not in known.GIVES
            ):
                break
            found = known.GIVES.get((found.partition(".")[0], member), f"{found}.{member}")
        return "fs" if found in ("fs.promises", "fs.default") else found

    def _text(self, argument: str) -> str | None:
        literal = script_literal(argument)
        if literal is not None:
            joined = re.match(r"\s*[\"'][^\"']*[\"']\s*\+\s*([\w.$]+)(?:\s*\+\s*([\"'][^\"']*[\"']))?", argument)
            return (
                literal + "{" + joined[1] + "}" + (script_literal(joined[2]) or "" if joined[2] else "")
                if joined
                else literal
            )
        prefixed = re.match(r"\s*([\w.$]+)\s*\+\s*([\"'`].*)", argument, re.DOTALL)
        if prefixed:
            rest = self._text(prefixed[2])
            return "{" + prefixed[1] + "}" + rest if rest is not None else None
        variable = self.variable(argument.strip()) if re.fullmatch(r"(?:this\.)?[\w$]+", argument.strip()) else None
        return script_literal(variable.made_from) if variable is not None and variable.made_from else None

    def _add(
        self,
        operation: str,
        name: str,
        target: str | None,
        verb: str | None,
        site: CallSite,
        confidence: float,
        evidence: str,
    ) -> bool:
        self.source.add(
            operation,
            name,
            site.start,
            site.end,
            function=self.scopes.function(),
            target=target,
            verb=verb,
            confidence=confidence,
            evidence=evidence,
        )
        return True
