"""What the parse children said, on disk until it is saved: memory must not grow with the repository."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self


class Place(NamedTuple):
    """Where one file's facts lie."""

    offset: int
    nodes: int
    linkage: int


class Spool:
    """Append, then read back by place. The file goes with the task's scratch folder."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w+b")
        self._end = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._file.close()

    def add(self, nodes: bytes, linkage: bytes) -> Place:
        """Keep the encoded nodes and linkage of a file."""
        self._file.seek(self._end)
        self._file.write(nodes)
        self._file.write(linkage)
        place = Place(self._end, len(nodes), len(linkage))
        self._end += len(nodes) + len(linkage)
        return place

    def nodes(self, place: Place) -> bytes:
        """The encoded nodes again."""
        self._file.seek(place.offset)
        return self._file.read(place.nodes)

    def linkage(self, place: Place) -> bytes:
        """The compressed linkage again."""
        self._file.seek(place.offset + place.nodes)
        return self._file.read(place.linkage)
