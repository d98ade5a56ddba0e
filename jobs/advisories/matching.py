"""Which imported advisories speak of which packages: one finding for each vulnerability, whatever its names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sqlalchemy import select

from jobs.advisories.answers import Answer, DataSet, Finding, NotEvaluated, Package, Reason
from jobs.advisories.models import AdvisoryEcosystem
from jobs.advisories.question import EcosystemRow, Question
from jobs.advisories.severity import SEVERITIES, Severity

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

__all__ = [
    "SEVERITIES", "AdvisoryIndex", "Answer", "DataSet", "Finding", "NotEvaluated", "Package", "Reason", "Severity",
]  # fmt: skip


class AdvisoryIndex:
    """The imported advisories. Each question sees one whole import of every ecosystem that it needs."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def data_sets(self) -> list[DataSet]:
        """Every ecosystem with data, by name."""
        return [row.data_set() for _, row in sorted(self._rows().items())]

    def findings(self, packages: Sequence[Package], on_progress: Callable[[int], None] | None = None) -> Answer:
        """Evaluate these packages, each once. `on_progress` hears how many more are done, and may raise to stop it.

        When an import is switched over meanwhile, the question is asked again of the new one.
        """
        tell = on_progress or (lambda _: None)
        while True:
            rows = self._rows()
            answer = Question(self._session, rows).ask(packages, tell)
            if self._rows() == rows:
                return answer
            tell = _nobody(tell)

    def _rows(self) -> dict[str, EcosystemRow]:
        columns = [getattr(AdvisoryEcosystem, name) for name in EcosystemRow._fields]
        found = self._session.execute(select(*columns).where(AdvisoryEcosystem.sequence > 0))
        return {row.name: EcosystemRow(*row) for row in found}


def _nobody(tell: Callable[[int], None]) -> Callable[[int], None]:
    """Whoever hears of progress has heard of each package; further rounds only let them stop it."""
    return lambda _: tell(0)
