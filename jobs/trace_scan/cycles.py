"""Finds parents that lead in a circle: Tarjan's strongly connected components, without recursion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jobs.trace_scan.found import Link


def circles(parents: Mapping[str, Sequence[Link]]) -> list[list[str]]:
    """The ids of each circle, once each; `parents` are the links from each id to its parents."""
    return [each for each in _components(parents) if len(each) > 1 or _points_at_itself(each[0], parents)]


def _points_at_itself(ref: str, parents: Mapping[str, Sequence[Link]]) -> bool:
    return any(link.to_ref == ref for link in parents.get(ref, ()))


def _components(parents: Mapping[str, Sequence[Link]]) -> list[list[str]]:
    """The strongly connected components, those of a single id included."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    on_stack: set[str] = set()
    stack: list[str] = []
    found: list[list[str]] = []
    for root in sorted(parents):
        if root in index:
            continue
        work = [(root, iter(parents[root]))]
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        while work:
            node, links = work[-1]
            following = next(links, None)
            if following is not None:
                to = following.to_ref
                if to not in index:
                    index[to] = low[to] = len(index)
                    stack.append(to)
                    on_stack.add(to)
                    work.append((to, iter(parents.get(to, ()))))
                elif to in on_stack:
                    low[node] = min(low[node], index[to])
                continue
            work.pop()
            if work:
                low[work[-1][0]] = min(low[work[-1][0]], low[node])
            if low[node] == index[node]:
                component: list[str] = []
                while not component or component[-1] != node:
                    component.append(stack.pop())
                on_stack.difference_update(component)
                found.append(component[::-1])
    return found
