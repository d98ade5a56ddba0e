"""How the results of a job are shown: a template per kind, and a plain view for jobs without one.

A job `code_scan` has a page of its own as soon as `templates/results/code_scan.html` exists; it is included in the tab
Overview with the variables `task` (pages.view.TaskView), `results` (the job's own dict) and what its context adds.
Heavier parts are tabs with an address of their own, `/tasks/<id>/<tab>`, from `templates/results/<kind>_<tab>.html`:

    register_results("code_scan", tabs=(Tab("nodes", "Nodes", count="nodes_found"),), context=nodes_context)

`context(task, tab, args)` gets the snapshot, the name of the tab ("overview" for the first) and the query string. It
gives further variables, and may read the database through `pages.reading.database()`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pages import format as words
from pages.progress import LABELS, Snapshot, plain_value

Context = Callable[[Snapshot, str, Mapping[str, str]], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Tab:
    """A part of a kind's results with an address of its own. `count` names the result shown beside its title.

    `needs` names a result without which there is nothing to show, and no tab.
    """

    name: str
    title: str
    count: str = ""
    needs: str = ""


@dataclass(frozen=True, slots=True)
class ResultsPage:
    """What a kind adds to the page of its tasks."""

    tabs: tuple[Tab, ...] = ()
    context: Context | None = None
    styles: tuple[str, ...] = ()
    scripts: tuple[str, ...] = ()
    always: bool = False


_pages: dict[str, ResultsPage] = {}
RESERVED = frozenset({"overview", "log", "details", "cancel", "retry", "share"})


def register_results(
    kind: str,
    tabs: Sequence[Tab] = (),
    context: Context | None = None,
    styles: Sequence[str] = (),
    scripts: Sequence[str] = (),
    always: bool = False,
) -> None:
    """Give tasks of this kind further tabs, and their templates further variables.

    `styles` and `scripts` name files below static/css and static/js that each page of such a task brings along, without
    their endings.

    With `always`, `context` is asked for a task without results, too. Such a task may have templates of its own:
    `<kind>_bars.html` (in the progress), `<kind>_now.html` (under the log), `<kind>_side.html` (beside it) while it
    runs, and `<kind>_ended.html` once it has failed or was cancelled.

    Raises ValueError for a tab whose name the page itself needs.
    """
    for tab in tabs:
        if tab.name in RESERVED:
            raise ValueError(f"the tab {tab.name!r} belongs to every task")
    _pages[kind] = ResultsPage(tuple(tabs), context, tuple(styles), tuple(scripts), always)


def results_page(kind: str) -> ResultsPage:
    """What this kind registered, or nothing further."""
    return _pages.get(kind, ResultsPage())


def tab_items(task: Snapshot, current: str) -> list[dict[str, Any]]:
    """The tabs of a finished task, each a link that works without JavaScript."""
    base = f"/tasks/{task['task_id']}"
    results = task.get("results") or {}
    own = results_page(task["kind"]).tabs if results else ()
    items = [("overview", "Overview" if results else "Outcome", base, "")]
    shown = [tab for tab in own if not tab.needs or results.get(tab.needs)]
    items += [(tab.name, tab.title, f"{base}/{tab.name}", _count(results.get(tab.count))) for tab in shown]
    items += [
        ("log", "Log", f"{base}/log", _count(task.get("log_total"))),
        ("details", "Details", f"{base}/details", ""),
    ]
    return [
        {"title": title, "href": href, "count": count, "current": name == current} for name, title, href, count in items
    ]


def result_templates(kind: str, tab: str) -> list[str]:
    """The templates to try for this tab, the generic one last."""
    own = f"results/{kind}.html" if tab == "overview" else f"results/{kind}_{tab}.html"
    return [own, "results/any.html"]


def plain_results(results: Mapping[str, Any], shown: Sequence[tuple[str, str, str]] = ()) -> dict[str, Any]:
    """Any job's results for the generic view: numbers to lead with, other values, and tables of nested counts.

    Numbers that the header of the page shows already are not said twice.
    """
    said = {key for key, _, _ in shown}
    numbers, facts, tables = [], [], []
    for key, value in results.items():
        if key in said:
            continue
        label = LABELS.get(key) or words.humanise(key)
        if isinstance(value, dict):
            tables.append(
                (
                    label,
                    [(name, plain_value(each)) for name, each in value.items() if not isinstance(each, dict | list)],
                )
            )
        elif isinstance(value, list):
            facts.append(
                (
                    label,
                    ", ".join(plain_value(each) for each in value[:50] if not isinstance(each, dict | list))
                    or words.UNKNOWN,
                )
            )
        elif key.endswith("_ms") or key == "durationMs":
            facts.append((label, words.measured(value)))
        elif words.is_known(value):
            numbers.append((key, label, plain_value(value)))
        else:
            facts.append((label, plain_value(value)))
    return {"numbers": numbers, "facts": facts, "tables": [each for each in tables if each[1]]}


def _count(value: object) -> str:
    return words.count(value) if isinstance(value, int | float) and words.is_known(value) else ""
