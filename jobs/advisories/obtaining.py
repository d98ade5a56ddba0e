"""The first two phases of an update: what of its source has to be read at all, and fetching that."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from jobs.advisories import archive, fetch
from jobs.advisories.params import AdvisoryUpdateParams, Piece, pieces_of
from jobs.advisories.unchanged import LastImports
from tasks.context import JobContext


@dataclass(slots=True)
class Obtained:
    """A piece that has to be read, in a file or folder of this machine, and what tells it from others."""

    piece: Piece
    path: Path
    digest: str
    tags: fetch.Tags


class Obtaining:
    """Looks at every piece of a source, and fetches those that have an address."""

    def __init__(self, ctx: JobContext, params: AdvisoryUpdateParams) -> None:
        self._ctx = ctx
        self._params = params
        self._last = LastImports(ctx.database)
        self._unchanged: dict[str, fetch.Tags | None] = {}

    def run(self) -> tuple[list[Obtained], dict[str, fetch.Tags | None]]:
        """The pieces that have to be read, and the ecosystems that are as they were, with the tags to remember."""
        ctx = self._ctx
        pieces = pieces_of(self._params, ctx.config)
        obtained: list[Obtained] = []
        ctx.phase("check", total=len(pieces), unit="sources")
        for piece in pieces:
            if piece.path:
                digest = archive.digest_of(piece.path, ctx.check_cancelled)
                if not self._is_covered(digest, piece, None):
                    obtained.append(Obtained(piece, piece.path, digest, fetch.Tags()))
            ctx.advance(step=piece.text)
        remote = [each for each in pieces if each.address]
        ctx.phase("fetch", total=None if remote else 1, unit="bytes" if remote else "folder")
        for number, piece in enumerate(remote):
            found = self._fetch(piece, ctx.work_dir / f"source-{number}.zip")
            if found and not self._is_covered(found.digest, piece, found.tags):
                obtained.append(found)
        if not remote:
            ctx.advance()
            ctx.phase_note("nothing to fetch")
        return obtained, self._unchanged

    def _is_covered(self, digest: str, piece: Piece, tags: fetch.Tags | None) -> bool:
        names = self._last.covered(digest, piece.wanted)
        self._unchanged |= dict.fromkeys(names, tags)
        if names:
            self._ctx.log(f"{piece.text}: unchanged")
        return bool(names)

    def _fetch(self, piece: Piece, file: Path) -> Obtained | None:
        ctx = self._ctx
        assert piece.address
        known, names = self._last.tags(piece.text, piece.wanted)

        def tell(done: int, total: int | None) -> None:
            if total:
                ctx.set_total(total)
            ctx.update(done=done, step=piece.text)

        found = fetch.fetch(piece.address, file, tell, known)
        if found is None:
            ctx.log(f"{piece.text}: unchanged, says the server")
            self._unchanged |= dict.fromkeys(names)
            return None
        ctx.log(f"Fetched {piece.text}, {file.stat().st_size / 1e6:,.1f} MB")
        return Obtained(piece, file, found.digest, found.tags)
