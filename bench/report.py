"""What was measured, as a table, as the README's section and as a picture.

`python -m bench.report` writes README.md's section and docs/images/bench.svg from bench/results/reference.json;
`python -m bench.report --keep` first makes the newest results that reference.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import goals, picture
from bench.goals import GOALS, Checked, Goal

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results"
REFERENCE = RESULTS / "reference.json"
BEGIN, END = "<!-- bench: begin (written by `python -m bench.report`) -->", "<!-- bench: end -->"
SERVERS = {"taskroom": "Taskroom", "stock": "stock Flask-SocketIO", "node": "Node socket.io"}
SHORT = {"stock": "stock", "node": "Node", "tqdm": "tqdm"}
ALSO = (
    ("tqdm", "update_us", "`tqdm.update(1)`"),
    ("tqdm", "iterate_us", "an item of `tqdm(iterable)`"),
    ("rq", "save_meta_us", "RQ's `save_meta`"),
    ("stock", "emit_us", "an emit of stock Flask-SocketIO"),
)


def cells(rows: Mapping[str, Any]) -> list[list[str]]:
    """The table's lines: what, Taskroom, stock, Node, goals with what was found, and whether they are met."""
    lines = []
    for goal in GOALS:
        figures = [_figure(goals.value(rows, goal.row, server, goal.metric), goal) for server in SERVERS]
        if figures[0] == "":
            continue
        limits = goals.checked(rows, goal)
        lines.append([goal.words, *figures, ", ".join(_limit(each, goal) for each in limits), _verdict(limits)])
    return lines


def _figure(value: float | None, goal: Goal) -> str:
    if value is None:
        return ""
    if value == 0 and goal.metric.startswith("within"):
        return "none"
    unit = {"/s": "/s", "×": ""}.get(goal.unit, f" {goal.unit}" if goal.unit else "")
    return f"{value:,.{goal.digits}f}{unit}"


def _limit(each: Checked, goal: Goal) -> str:
    limit = each.limit
    sign = "≤" if limit.is_most else "≥"
    found = "not measured" if each.value is None else f"{each.value:.2f}" if each.value < 10 else f"{each.value:,.0f}"
    if limit.beside is None:
        return f"{sign} {limit.number:,.6g} {goal.unit}".rstrip()
    return f"{sign} {limit.number:g} × {SHORT[limit.beside[0]]}: {found}"


def _verdict(limits: Sequence[Checked]) -> str:
    states = [each.is_met for each in limits]
    if not states or None in states:
        return ""
    return "yes" if all(states) else "**no**"


HEADINGS = ["", *SERVERS.values(), "goal, and the ratio found", "met"]


def text(found: Mapping[str, Any]) -> str:
    """The table for a terminal, and what has to be said about it."""
    lines = [HEADINGS, *([word.replace("**", "") for word in line] for line in cells(found["rows"]))]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    table = "\n".join(
        "  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
    return "\n".join([table, "", *_notes(found)])


def section(found: Mapping[str, Any]) -> str:
    """The README's section, between its markers."""
    table = [HEADINGS, ["---", *(["---:"] * len(SERVERS)), "---", "---"], *cells(found["rows"])]
    lines = [
        BEGIN,
        "",
        "![Deliveries a second to one room, by its members](docs/images/bench.svg)",
        "",
        *("| " + " | ".join(line) + " |" for line in table),
        "",
        " ".join(_notes(found)),
        "",
        END,
    ]
    return "\n".join(lines)


def _notes(found: Mapping[str, Any]) -> list[str]:
    meta = found["meta"]
    rounds = max(
        (len(each) for row in found["rows"].values() for server in row.values() for each in server.values()), default=0
    )
    pinned = "the server on one, everything else on the other" if meta["pinned"] else "nothing pinned"
    where = f"{meta['at']} on {meta['cores']} cores ({pinned}), Python {meta['python']}"
    waited = meta.get("server_waited_percent", 0)
    words = [
        f"Measured {where}: medians of {rounds} interleaved rounds.",
        f"Of the time in which a server had something to do, its core was taken by other programs for {waited:.0f} %.",
    ]
    beside = [
        f"{words_for} {amount:,.3g} µs"
        for server, metric, words_for in ALSO
        if (amount := goals.value(found["rows"], "reporter", server, metric)) is not None
    ]
    if beside:
        words.append(f"Beside the reporter's calls: {', '.join(beside)}.")
    return words + [f"Note: {flag}." for flag in found["flags"]]


def put_into(page: str, written: str) -> str:
    """The page with what is between the markers replaced. Raises ValueError for a page without them."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no {BEGIN} … {END}")
    return before + written + after


def main() -> None:
    """Write the README's section and the picture."""
    parser = argparse.ArgumentParser(prog="python -m bench.report", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="make bench/results/latest.json the reference first")
    if parser.parse_args().keep:
        shutil.copyfile(RESULTS / "latest.json", REFERENCE)
    found = json.loads(REFERENCE.read_text(encoding="utf-8"))
    readme = ROOT / "README.md"
    readme.write_text(put_into(readme.read_text(encoding="utf-8"), section(found)), encoding="utf-8")
    (ROOT / "docs" / "images" / "bench.svg").write_text(picture.svg(found["rows"]), encoding="utf-8")


if __name__ == "__main__":
    main()
