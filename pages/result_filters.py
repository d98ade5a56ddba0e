"""The filters of a list in a task's results: everything that is set is in the address, and can be taken away again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from pages import format as words

Option = tuple[str, str, int | None]


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address of one tab asks for: the filters that are set, by name."""

    base: str
    values: Mapping[str, str]

    @classmethod
    def from_args(cls, base: str, args: Mapping[str, str], names: Sequence[str]) -> Asked:
        """Only these names count; an empty one is not set."""
        return cls(base, {name: args[name] for name in names if args.get(name)})

    def href(self, **changes: Any) -> str:
        """The address with these filters changed; None and "" take one away."""
        wanted = {name: value for name, value in {**self.values, **changes}.items() if value not in (None, "")}
        return f"{self.base}?{urlencode(wanted)}" if wanted else self.base

    def without(self, *names: str) -> list[tuple[str, str]]:
        """(name, value) of what is set besides these, for the hidden fields of a search."""
        return [(name, value) for name, value in self.values.items() if name not in names]

    @property
    def query(self) -> str:
        """What an export is asked for, so that it holds what is listed."""
        return urlencode(self.values)

    def chip(self, name: str, title: str, options: Sequence[Option]) -> dict[str, Any]:
        """The filter of this name: set, with the way to clear it; else with (value, word, count) to choose from."""
        if name in self.values:
            known = {value: word for value, word, _ in options}
            said = " or ".join(known.get(value, value) for value in self.values[name].split(","))
            return {"title": title, "set": True, "value": said, "clear_href": self.href(**{name: ""})}
        choices = [
            {
                "title": word,
                "count": words.count(count) if count is not None else "",
                "href": self.href(**{name: value}),
            }
            for value, word, count in options
        ]
        return {"title": title, "set": False, "options": choices}
