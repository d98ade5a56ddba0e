"""The rows of the traceability matrix, one for each requirement, and coverage by risk."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from jobs.trace_scan import words
from jobs.trace_scan.chains import Chain, Chains
from jobs.trace_scan.found import Artifact, Link, Test
from jobs.trace_scan.graph import Graph
from jobs.trace_scan.rules import Rules
from jobs.trace_scan.words import REQUIREMENT, SPEC, STORY

MAX_CELL = 200
MAX_LINKS = 100
COLUMNS = ("stories", "specifications", "code", "tests")


@dataclass(slots=True)
class Row:
    """One requirement with what stands on it. `gaps` are (column, state, text); `mixed` the risks that disagree."""

    made: Artifact
    chain: Chain
    risk: str | None
    gaps: list[tuple[str, str, str]] = field(default_factory=list)
    is_short: bool = False
    is_look_again: bool = False
    mixed: tuple[str, ...] = ()
    tiers: tuple[str, ...] = ()

    @property
    def state(self) -> str:
        """BROKEN, MISSING or LINKED."""
        states = {state for _, state, _ in self.gaps}
        return next((each for each in (words.BROKEN, words.MISSING) if each in states), words.LINKED)

    @property
    def absent_tiers(self) -> list[str]:
        """The demanded tiers of which no test reaches it."""
        return [tier for tier in self.tiers if tier not in self.chain.tiers]


def rows(graph: Graph, chains: Chains, rules: Rules, tick: Callable[[], None] = lambda: None) -> list[Row]:
    """A row for each requirement, in no particular order. `tick` is called at each, and may raise to stop."""
    named = _risks_named(graph)
    found = []
    for made in graph.artifacts:
        if made.type != REQUIREMENT:
            continue
        tick()
        chain = chains.below(made)
        below = [each.risk for each in (*chain.stories, *chain.specs)] + [test.risk for test in chain.tests]
        refs = [made.id, *(each.id for each in (*chain.stories, *chain.specs))]
        below += [risk for ref in refs for risk in named.get(ref, ())]
        stated = tuple(risk for risk in words.RISKS if risk in below)
        risk = made.risk or (stated[0] if stated else None)
        row = Row(made, chain, risk, tiers=rules.tiers.get(risk or "", ()))
        row.mixed = stated if len({*stated, risk}) > 1 else ()
        _find_gaps(row, chains, rules)
        found.append(row)
    return found


def _risks_named(graph: Graph) -> dict[str, list[str]]:
    """By id, the risks that source blocks state which name it."""
    found: dict[str, list[str]] = {}
    for links, risk in graph.blocks:
        for link in links if risk else ():
            if link.is_valid and link.from_type == words.SOURCE:
                found.setdefault(link.to_ref, []).append(risk or "")
    return found


def _find_gaps(row: Row, chains: Chains, rules: Rules) -> None:
    chain, made = row.chain, row.made
    for link in chain.broken:
        row.gaps.append((_column(link), words.BROKEN, _broken_text(link)))
    is_short = rules.may_be_short(row.risk)
    if not chain.stories and not chain.children:
        if is_short:
            row.is_short = chain.is_tested or bool(chain.code or chain.specs)
        else:
            row.gaps.append(("stories", words.MISSING, f"no user story names {made.id}"))
    for story in chain.stories:
        own = chains.below(story)
        if not own.specs and is_short and own.is_tested:
            row.is_short = True
        elif not own.specs:
            row.gaps.append(("specifications", words.MISSING, f"no specification names {story.id}"))
    for spec in chain.specs:
        own = chains.below(spec)
        if not own.code:
            row.gaps.append(("code", words.MISSING, f"no source names {spec.id}"))
        if not own.is_tested:
            row.gaps.append(("tests", words.MISSING, f"no test names {spec.id}"))
    if not chain.is_tested and not any(column == "tests" for column, _, _ in row.gaps):
        row.gaps.append(("tests", words.MISSING, f"no test reaches {made.id}"))


def _column(link: Link) -> str:
    if link.relation in (words.SOURCE_FILE, words.TEST_FILE):
        return "code" if link.relation == words.SOURCE_FILE else "tests"
    return {STORY: "stories", SPEC: "specifications", words.SOURCE: "code", words.TEST: "tests"}.get(
        link.from_type, "stories"
    )


def _broken_text(link: Link) -> str:
    if link.reason == words.NOT_FOUND:
        return f"{link.to_ref} is not in this repository"
    if link.reason == words.WRONG_TYPE:
        return f"{link.from_ref} names {link.to_ref}, which is of another type"
    return (
        f"{link.to_ref} is in two documents" if link.reason == words.DUPLICATE_TARGET else "its parents go in a circle"
    )


def look_again(found: list[Row], before: Collection[str], changed: Collection[str]) -> None:
    """Mark requirements whose code changed after their tests: until a test of theirs changes, too."""
    for row in found:
        code = {link.from_ref if link.from_type == words.SOURCE else link.to_ref for link in row.chain.code}
        tests = {test.path for test in row.chain.tests} | {link.to_ref for link in row.chain.test_files}
        is_due = row.made.id in before or any(path in changed for path in code)
        row.is_look_again = is_due and bool(tests) and not any(path in changed for path in tests)


def sort_key(row: Row) -> tuple[Any, ...]:
    """Gaps first, broken before missing; then to be looked at again; higher risk before lower; then the id."""
    risk = words.RISKS.index(row.risk) if row.risk in words.RISKS else len(words.RISKS)
    return (words.ROW_STATES.index(row.state), not row.is_look_again, risk, natural(row.made.id), row.made.path)


def natural(text: str) -> tuple[Any, ...]:
    """A key that puts REQ-2 before REQ-10."""
    parts = [part for chunk in text.split("-") for part in _digits(chunk)]
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts)


def _digits(chunk: str) -> list[str]:
    head = chunk.rstrip("0123456789")
    return [part for part in (head, chunk[len(head) :]) if part]


def cells(row: Row) -> dict[str, Any]:
    """The row's columns as they are stored and shown."""
    chain = row.chain
    columns: dict[str, list[dict[str, Any]]] = {
        "stories": [_artifact(each) for each in chain.stories],
        "specifications": [_artifact(each) | {"tier": each.tier} for each in chain.specs],
        "code": [_code(link) for link in chain.code],
        "tests": [_test(each) for each in chain.tests] + [_test_file(link) for link in chain.test_files],
    }
    return {
        "traced": chain.is_tested,
        **{name: values[:MAX_CELL] for name, values in columns.items()},
        "more": {name: len(values) - MAX_CELL for name, values in columns.items() if len(values) > MAX_CELL},
        "gaps": [{"column": column, "state": state, "text": text} for column, state, text in row.gaps[:MAX_CELL]],
        "tiers": {
            "demanded": list(row.tiers),
            "present": [tier for tier in words.TIERS if tier in chain.tiers],
            "absent": row.absent_tiers,
        },
    }


def chain_links(graph: Graph, row: Row) -> list[dict[str, Any]]:
    """The links of a row's chain, in the order of its columns."""
    refs = [each.id for each in (*row.chain.children, *row.chain.stories, *row.chain.specs)]
    down = [link for ref in refs for link in graph.outgoing(ref) if link.from_type in (REQUIREMENT, STORY, SPEC)]
    annotated = [link for ref in (row.made.id, *refs) for link in graph.incoming(ref)]
    annotated = [link for link in annotated if link.from_type in (words.SOURCE, words.TEST)]
    found = list({id(link): link for link in (*down, *row.chain.broken, *annotated)}.values())
    return [
        {
            "state": link.state,
            "relation": link.relation,
            "from_ref": link.from_ref,
            "to_ref": link.to_ref,
            "path": link.places[0]["path"] if link.places else None,
            "line": link.places[0]["line"] if link.places else None,
            "text": (link.hint or "")
            if not link.is_valid
            else ("inferred from its number" if link.is_inferred else ""),
        }
        for link in found[:MAX_LINKS]
    ]


def _artifact(made: Artifact) -> dict[str, Any]:
    return {"ref": made.id, "title": made.title, "path": made.path, "line": made.line, "state": made.state}


def _code(link: Link) -> dict[str, Any]:
    is_source = link.from_type == words.SOURCE
    line = link.places[0]["line"] if is_source and link.places else None
    return {"path": link.from_ref if is_source else link.to_ref, "line": line, "state": link.state}


def _test(test: Test) -> dict[str, Any]:
    names = ("path", "line", "name", "tier", "is_tier_inferred")
    return {name: getattr(test, name) for name in names} | {"state": words.VALID}


def _test_file(link: Link) -> dict[str, Any]:
    head = {"path": link.to_ref, "line": None, "name": "", "tier": None, "is_tier_inferred": False}
    return head | {"state": link.state}


def coverage(found: list[Row], rules: Rules) -> list[dict[str, Any]]:
    """The counts of `query.coverage`."""
    groups: list[tuple[str | None, list[Row]]] = [
        (risk, [row for row in found if row.risk == risk]) for risk in words.RISKS
    ]
    unknown = [row for row in found if row.risk is None]
    groups += [(None, unknown)] if unknown else []
    return [_covered(risk, group, rules) for risk, group in groups] + [_covered("ALL", found, rules)]


def _covered(risk: str | None, group: list[Row], rules: Rules) -> dict[str, Any]:
    tested = sum(row.chain.is_tested for row in group)
    counts: Mapping[str, int] = {
        "requirements": len(group),
        "with_story": sum(bool(row.chain.stories) for row in group),
        "with_specification": sum(bool(row.chain.specs) for row in group),
        "with_code": sum(bool(row.chain.code) for row in group),
        "with_tests": tested,
        "with_all_tiers": sum(row.chain.is_tested and not row.absent_tiers for row in group),
    }
    return {
        "risk": risk,
        **counts,
        "percent": round(100 * tested / len(group), 1) if group else None,
        "target_percent": rules.coverage.get(risk or ""),
        "demanded_tiers": list(rules.tiers.get(risk or "", ())),
    }
