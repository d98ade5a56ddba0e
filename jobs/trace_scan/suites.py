"""The tests of a file: their tier, and what they take from the suite or the file around them."""

from __future__ import annotations

from typing import Any

from jobs.trace_scan import layout, words
from jobs.trace_scan.found import Link, Test


class Suites:
    """The blocks of one test file. A block of the file itself comes first and governs nothing, or a suite."""

    def __init__(self, path: str, blocks: list[dict[str, Any]]) -> None:
        self._path = path
        self._suites = [each for each in blocks if each["is_suite"] and each["tier"]]
        top = blocks[0] if blocks else None
        self._top = top if top and top["tier"] and (not top["name"] or top["is_suite"]) else None
        self._folder = layout.tier_of_folder(path)

    def test(self, block: dict[str, Any], links: list[Link]) -> Test:
        """The test that a block with these links is."""
        tier, is_inferred = self._tier(block)
        state = words.LINKED if any(link.is_valid for link in links) else words.ORPHAN
        refs = list(dict.fromkeys(link.to_ref for link in links))
        return Test(self._path, block["line"], block["name"], state, tier, is_inferred, block["risk"], refs, links)

    def _tier(self, block: dict[str, Any]) -> tuple[str | None, bool]:
        """The block's own tier, else that of the nearest suite before it that is indented less, else the file's, else
        the folder's; and whether only the folder says so.
        """
        if block["tier"]:
            return str(block["tier"]), False
        for each in reversed(self._suites):
            if each["line"] < block["line"] and each["column"] < block["column"]:
                return str(each["tier"]), False
        if self._top is not None:
            return str(self._top["tier"]), False
        return self._folder, self._folder is not None
