"""One pass over some packages, against the imports that were current when it began."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from jobs.advisories.alias_groups import AliasGroups, Candidate, grouped, is_affected, lead_first
from jobs.advisories.answers import Answer, DataSet, Finding, NotEvaluated, Package, Reason
from jobs.advisories.ecosystems import Ecosystem, base_of, ecosystem_of, release_of
from jobs.advisories.models import Advisory, AdvisoryPackage
from jobs.advisories.ranges import Verdict, first_fix, judge
from jobs.advisories.records import Facts, unpack
from jobs.advisories.severity import Rating, worst

NAMES_AT_ONCE = 300
STEPS_OF_ALIASES = 5
T = TypeVar("T")


class EcosystemRow(NamedTuple):
    """An ecosystem with data, as its table has it."""

    id: int
    name: str
    sequence: int
    source: str | None
    licence: str | None
    data_date: datetime | None
    imported_at: datetime
    checked_at: datetime
    records: int
    packages: int
    counters: dict[str, Any]

    def data_set(self) -> DataSet:
        """What people and scans want to know of it."""
        source = self.source or ""
        times = (self.data_date, self.imported_at, self.checked_at)
        unreadable = self.counters.get("unreadable", 0)
        return DataSet(self.name, self.records, self.packages, source, self.licence, *times, unreadable)


class _Said(NamedTuple):
    """One advisory about one package of one release."""

    advisory: Any
    release: str
    facts: Facts


class Question:
    """Evaluates packages; see AdvisoryIndex.findings."""

    def __init__(self, session: Session, rows: Mapping[str, EcosystemRow]) -> None:
        self._session = session
        self._rows = rows
        self._sequences = {row.id: row.sequence for row in rows.values()}
        self._findings: list[Finding] = []
        self._not_evaluated: list[NotEvaluated] = []

    def ask(self, packages: Sequence[Package], on_progress: Callable[[int], None]) -> Answer:
        """The answer about these packages, each of them once."""
        asked = list(dict.fromkeys(packages))
        by_ecosystem: dict[str, list[Package]] = defaultdict(list)
        for package in asked:
            by_ecosystem[base_of(package.ecosystem)].append(package)
        looked_at = []
        for name, some in by_ecosystem.items():
            rules, row = ecosystem_of(name), self._rows.get(name)
            if row:
                looked_at.append(row.data_set())
            left_out = [each for each in some if self._is_left_out(each, rules, row)]
            on_progress(len(left_out))
            if rules and row:
                chosen = set(some).difference(left_out)
                for part in _chunks((each for each in some if each in chosen), NAMES_AT_ONCE):
                    self._evaluate(part, rules, row)
                    on_progress(len(part))
        evaluated = len(asked) - len({each.package for each in self._not_evaluated})
        return Answer(
            self._findings, self._not_evaluated, evaluated, sorted(looked_at, key=lambda each: each.ecosystem)
        )

    def _is_left_out(self, package: Package, rules: Ecosystem | None, row: EcosystemRow | None) -> bool:
        """Whether nothing at all can be said of this package; then it is noted why."""
        ecosystem, release = base_of(package.ecosystem), release_of(package.ecosystem)
        reason: Reason | None = None
        text = ""
        if not (package.source_version or package.version):
            reason, text = "no_version", "It comes without a version."
        elif rules is None:
            reason, text = "no_rules", f"How versions of {ecosystem} are ordered is not known here."
        elif row is None:
            reason, text = "no_data", f"No advisories for {ecosystem} were imported."
        elif rules.has_releases and not release:
            reason, text = "no_data", f"Advisories for {ecosystem} are made for releases, and this one's is not known."
        elif rules.has_releases and release not in row.counters.get("releases", ()):
            reason, text = "no_data", f"The imported advisories for {ecosystem} say nothing of release {release}."
        if reason:
            self._not_evaluated.append(NotEvaluated(package, reason, text))
        return reason is not None

    def _evaluate(self, packages: Sequence[Package], rules: Ecosystem, row: EcosystemRow) -> None:
        said = self._said({rules.normalise(each.source_name or each.name) for each in packages}, row, packages)
        found = {package: self._candidates(package, said, rules) for package in packages}
        others = self._further_aliases(each for some in found.values() if len(some) > 1 for each in some)
        for package, candidates in found.items():
            self._conclude(package, grouped(candidates, others), rules)

    def _said(self, names: Iterable[str], row: EcosystemRow, packages: Sequence[Package]) -> dict[str, list[_Said]]:
        releases = {"", *(release_of(each.ecosystem) for each in packages)}
        statement = (
            select(AdvisoryPackage.name, AdvisoryPackage.release, AdvisoryPackage.facts, *_ADVISORY)
            .join(Advisory, Advisory.id == AdvisoryPackage.advisory_id)
            .where(
                AdvisoryPackage.ecosystem_id == row.id,
                AdvisoryPackage.name.in_(list(names)),
                AdvisoryPackage.release.in_(list(releases)),
                Advisory.first_import <= row.sequence,
                Advisory.removed_in > row.sequence,
                Advisory.is_withdrawn.is_(False),
            )
            .order_by(Advisory.id, AdvisoryPackage.id)
        )
        found: dict[str, list[_Said]] = defaultdict(list)
        for line in self._session.execute(statement):
            found[line.name].append(_Said(line, line.release, unpack(line.facts)))
        return found

    @staticmethod
    def _candidates(package: Package, said: Mapping[str, list[_Said]], rules: Ecosystem) -> list[Candidate]:
        release = release_of(package.ecosystem)
        of_advisory: dict[int, list[_Said]] = defaultdict(list)
        for each in said.get(rules.normalise(package.source_name or package.name), ()):
            if each.release in ("", release):
                of_advisory[each.advisory.id].append(each)
        return [_candidate(package, some, rules) for some in of_advisory.values()]

    def _further_aliases(self, candidates: Iterable[Candidate]) -> AliasGroups:
        """The names that are connected by advisories that candidates name, and by those that these name."""
        known = AliasGroups()
        looked_up: set[str] = set()
        wanted = {name for each in candidates for name in each.names}
        for _ in range(STEPS_OF_ALIASES):
            wanted -= looked_up
            if not wanted:
                break
            looked_up |= wanted
            found: set[str] = set()
            columns = (Advisory.record_id, Advisory.aliases, Advisory.ecosystem_id, Advisory.first_import)
            for part in _chunks(sorted(wanted), NAMES_AT_ONCE):
                statement = select(*columns, Advisory.removed_in).where(
                    Advisory.record_id.in_(part), Advisory.is_withdrawn.is_(False)
                )
                for record_id, aliases, ecosystem_id, first, removed in self._session.execute(statement):
                    if first <= self._sequences.get(ecosystem_id, -1) < removed:
                        known.join((record_id, *aliases))
                        found.update(aliases)
            wanted = found
        return known

    def _conclude(self, package: Package, groups: Iterable[Sequence[Candidate]], rules: Ecosystem) -> None:
        """Note a finding for each vulnerability that affects the package, and what could not be said."""
        unknown: list[Candidate] = []
        for group in groups:
            if is_affected(group):
                self._findings.append(_finding(package, group, rules))
            else:
                unknown += [each for each in group if each.verdict is not Verdict.CLEAR]
        if not unknown:
            return
        ids = tuple(dict.fromkeys(each.id for each in unknown))
        if any(each.verdict is Verdict.VERSION_UNREADABLE for each in unknown):
            text = f"{rules.name}'s rules cannot order the version {_version(package)[:80]}, which advisories ask for."
            self._not_evaluated.append(NotEvaluated(package, "version_unreadable", text, ids))
        else:
            text = "Advisories about it name no versions that can be compared."
            self._not_evaluated.append(NotEvaluated(package, "range_unreadable", text, ids))


_ADVISORY = (
    Advisory.id,
    Advisory.record_id,
    Advisory.aliases,
    Advisory.upstream,
    Advisory.severity,
    Advisory.score,
    Advisory.vector,
    Advisory.summary,
    Advisory.published_at,
    Advisory.modified_at,
)


def _version(package: Package) -> str:
    return package.source_version or package.version


def _candidate(package: Package, said: Sequence[_Said], rules: Ecosystem) -> Candidate:
    verdicts = {judge(each.facts, _version(package), rules) for each in said}
    order = (Verdict.AFFECTED, Verdict.VERSION_UNREADABLE, Verdict.RANGE_UNREADABLE, Verdict.CLEAR)
    one = said[0].advisory
    return Candidate(
        id=one.record_id,
        aliases=tuple(one.aliases),
        upstream=tuple(one.upstream),
        verdict=next(each for each in order if each in verdicts),
        facts=tuple(each.facts for each in said),
        rating=Rating(one.severity, one.score, one.vector),
        summary=one.summary,
        published_at=one.published_at,
        modified_at=one.modified_at,
    )


def _finding(package: Package, group: Sequence[Candidate], rules: Ecosystem) -> Finding:
    """The union of what the advisories of one vulnerability say."""
    names = lead_first(name for each in group for name in each.names)
    ids = (*names, *(each for each in group[0].upstream if len(group) == 1 and each not in names))
    rating = worst(each.rating for each in group)
    by_lead = sorted(group, key=lambda each: ids.index(each.id))
    return Finding(
        package=package,
        id=ids[0],
        ids=ids,
        summary=next((each.summary for each in by_lead if each.summary), ""),
        severity=rating.severity,
        score=rating.score,
        vector=rating.vector,
        fixed_in=first_fix([facts for each in group for facts in each.facts], _version(package), rules),
        published_at=min((each.published_at for each in group if each.published_at), default=None),
        modified_at=max((each.modified_at for each in group if each.modified_at), default=None),
    )


def _chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    source = iter(items)
    while chunk := list(islice(source, size)):
        yield chunk
