"""The advisory update as a job: its phases in order, what it reports, and which trouble is whose."""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from database import DatabaseBusy, utc_now
from jobs.advisories import archive, fetch
from jobs.advisories.ecosystems import ECOSYSTEMS
from jobs.advisories.import_writer import ImportWriter, Superseded, Target
from jobs.advisories.models import AdvisoryEcosystem
from jobs.advisories.obtaining import Obtained, Obtaining
from jobs.advisories.params import AdvisoryUpdateParams, check_params, resource_for, title_for
from jobs.advisories.records import RecordUnreadable, digest_of, read_record
from jobs.advisories.results import TALLY, results_of
from jobs.advisories.unchanged import fingerprint, note_checked
from jobs.repository.git_address import AddressRefused
from jobs.repository.sources import SourceRefused
from tasks.context import JobContext
from tasks.errors import JobFailed, Retryable
from tasks.registry import Phase, RetryPolicy, job

PHASES = (
    Phase("check", "Look at the source", 5),
    Phase("fetch", "Fetch", 25),
    Phase("import", "Import", 65),
    Phase("switch", "Switch over", 5),
)
REPORT_EVERY = 100
LOGGED_TROUBLES = 100
UNREADABLE_AT_LEAST = 50
UNREADABLE_SHARE = 0.02
FEW = 100
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


@job(
    "advisory_update",
    title="Update advisories",
    description="Imports known vulnerabilities from OSV records, for dependency scans",
    icon="shield",
    verb="Start the update",
    admin_only=True,
    params=AdvisoryUpdateParams,
    phases=PHASES,
    timeout_s=7200,
    retry=RetryPolicy(max_attempts=3, backoff_s=10),
    title_for=title_for,
    resource_for=resource_for,
    check=check_params,
)
def advisory_update(ctx: JobContext, params: AdvisoryUpdateParams) -> dict[str, Any]:
    """Import the source and return the sums of PROTOCOL.md section 10. Raises Retryable and JobFailed."""
    try:
        return _finished(ctx, params) or _Update(ctx, params).run()
    except (SourceRefused, AddressRefused, fetch.FetchFailed, archive.SourceBroken) as error:
        raise JobFailed(str(error)) from error
    except fetch.FetchInterrupted as error:
        raise Retryable(str(error)) from error
    except Superseded as error:
        raise JobFailed("Another update of the same advisories took over. Look at that one.") from error
    except (DBAPIError, DatabaseBusy) as error:
        raise Retryable("The database did not take the advisories. The old ones stay.") from error
    except OSError as error:
        if error.errno in DISK_FULL:
            raise Retryable("The disk of this worker is full. Free some space.") from error
        raise Retryable(f"The source could not be read: {error.strerror or 'the disk did not answer'}.") from error


def _finished(ctx: JobContext, params: AdvisoryUpdateParams) -> dict[str, Any] | None:
    """The results, when an earlier attempt of this task switched over and died before it could say so."""
    with ctx.database.read() as session:
        mine = session.scalars(select(AdvisoryEcosystem).where(AdvisoryEcosystem.task_id == ctx.task_id)).all()
    return results_of(mine, params.source, ctx.task_id) if mine else None


@dataclass(slots=True)
class _Read:
    """What was seen while a piece was read."""

    obtained: Obtained
    all: set[str] = field(default_factory=set)
    taken: set[str] = field(default_factory=set)
    modified_at: datetime | None = None
    unreadable: list[str] = field(default_factory=list)


class _Update:
    """One attempt."""

    def __init__(self, ctx: JobContext, params: AdvisoryUpdateParams) -> None:
        self._ctx = ctx
        self._params = params
        self._writer = ImportWriter(ctx.database, ctx.task_id)

    def run(self) -> dict[str, Any]:
        """All phases."""
        obtained, unchanged = Obtaining(self._ctx, self._params).run()
        if unchanged:
            note_checked(self._ctx.database, unchanged)
        if not obtained:
            self._ctx.log("The source is as it was at the last import. Nothing was read.")
            return self._results(list(unchanged))
        read = self._import(obtained)
        self._switch(read)
        return self._results([*unchanged, *self._writer.targets])

    def _results(self, names: Sequence[str]) -> dict[str, Any]:
        with self._ctx.database.read() as session:
            rows = session.scalars(select(AdvisoryEcosystem).where(AdvisoryEcosystem.name.in_(names))).all()
        return results_of(rows, self._params.source, self._ctx.task_id)

    def _import(self, obtained: Sequence[Obtained]) -> list[_Read]:
        ctx = self._ctx
        ctx.phase("import", unit="records")
        with ExitStack() as stack:
            opened = [(each, stack.enter_context(archive.opened(each.path))) for each in obtained]
            ctx.set_total(sum(source.total for _, source in opened))
            for each in obtained:
                for name in sorted(each.piece.wanted or ()):
                    self._writer.target(name)
            return [self._read(each, source) for each, source in opened]

    def _read(self, obtained: Obtained, source: archive.Source) -> _Read:
        ctx, read = self._ctx, _Read(obtained)
        ctx.log(f"{obtained.piece.text}: {source.total:,} files to read")
        if source.other:
            ctx.log(f"{source.other:,} files of the source are no JSON and are left out")
        waiting, bound = 0, max(UNREADABLE_AT_LEAST, source.total * UNREADABLE_SHARE)
        for entry in source.entries:
            trouble = entry.trouble or self._take(entry, read)
            if trouble:
                read.unreadable.append(entry.stem)
                if len(read.unreadable) <= LOGGED_TROUBLES:
                    ctx.log(f"{entry.name[:200]}: not read, {trouble}", "warning")
                if len(read.unreadable) > bound:
                    raise JobFailed(_broken(len(read.unreadable), source.total))
            waiting += 1
            if waiting == REPORT_EVERY:
                ctx.advance(waiting, step=obtained.piece.text, **self._sums(read))
                waiting = 0
        self._writer.flush()
        ctx.advance(waiting, step=obtained.piece.text, **self._sums(read))
        if source.total == len(read.unreadable):
            raise JobFailed("The source holds no OSV record that can be read. The old data stay.")
        return read

    def _take(self, entry: archive.Entry, read: _Read) -> str:
        """Take what is wanted of a record; what is wrong with it otherwise."""
        assert entry.raw is not None
        try:
            record = read_record(entry.raw)
        except RecordUnreadable as error:
            return f"it {error}"
        names = ECOSYSTEMS.keys() & record.parts.keys()
        read.all |= names
        wanted = read.obtained.piece.wanted
        if record.modified_at and (read.modified_at is None or record.modified_at > read.modified_at):
            read.modified_at = record.modified_at
        digest = digest_of(entry.raw)
        for name in sorted(names if wanted is None else names & wanted):
            read.taken.add(name)
            self._writer.take(self._writer.target(name), record, record.parts[name], digest)
        return ""

    def _sums(self, read: _Read) -> dict[str, int]:
        targets = self._writer.targets.values()
        sums = {name: sum(each.tally[name] for each in targets) for name in TALLY}
        return {**sums, "unreadable": len(read.unreadable)}

    def _switch(self, read: Sequence[_Read]) -> None:
        ctx, writer = self._ctx, self._writer
        ctx.phase("switch")
        for each in read:
            for stem in each.unreadable:
                writer.keep(stem)
        for target in writer.targets.values():
            self._check(target)
        writer.end_missing(lambda _: ctx.check_cancelled())
        facts = {name: self._facts(each, writer.targets[name]) for each in read for name in each.taken}
        ctx.check_cancelled()
        # The last moment for a cancel is above: once the data are visible, the task must be told as completed.
        writer.switch(facts, sum(len(each.unreadable) for each in read))
        for name, target in sorted(writer.targets.items()):
            said = ", ".join(f"{target.tally[word]:,} {word}" for word in TALLY)
            ctx.log(f"{name}: {target.records:,} records; {said}")
            if target.tally["repeated"]:
                ctx.log(f"{name}: {target.tally['repeated']:,} records came twice; the first of each counts", "warning")
        writer.tidy()

    def _check(self, target: Target) -> None:
        """Raises JobFailed when what was read cannot stand for the whole ecosystem."""
        if not target.records:
            raise JobFailed(f"The source holds no records for {target.name}. The old data stay.")
        if target.had >= FEW and target.records * 2 < target.had and not self._params.accept_fewer:
            raise JobFailed(
                f"The source holds {target.records:,} records for {target.name}, less than half of the {target.had:,} "
                "that are there. The old data stay. If that is right, accept far fewer records and run it again."
            )

    def _facts(self, read: _Read, target: Target) -> Mapping[str, Any]:
        tags, piece = read.obtained.tags, read.obtained.piece
        said = tags.moment or read.modified_at
        return {
            "source": piece.text,
            "fingerprint": fingerprint(piece.text, read.obtained.digest, tags, read.all),
            "licence": self._params.licence or ", ".join(sorted(target.licences))[:300],
            "data_date": min(said, utc_now()) if said else None,
        }


def _broken(unreadable: int, total: int) -> str:
    return (
        f"{unreadable:,} of the first records cannot be read, of {total:,} in all: these are no whole OSV records. "
        "The old data stay."
    )
