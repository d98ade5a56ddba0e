"""What a repository demands of its requirements: tiers and coverage by risk, and whether chains may be short.

The defaults are those of the standard; the front matter of GxP.MD changes them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from jobs.trace_scan import layout, schemas, words
from jobs.trace_scan.found import Artifact, Problem

DEFAULT_TIERS = {"HIGH": ("IQ", "OQ", "PQ"), "MEDIUM": ("OQ", "PQ"), "LOW": ("OQ",)}
DEFAULT_COVERAGE = {"HIGH": 95.0, "MEDIUM": 80.0, "LOW": 60.0}


@dataclass(slots=True)
class Rules:
    """`is_formal`: stories and specifications are demanded of every requirement but those of low risk."""

    folder: str = layout.DEFAULT_FOLDER
    tiers: dict[str, tuple[str, ...]] = field(default_factory=lambda: dict(DEFAULT_TIERS))
    coverage: dict[str, float] = field(default_factory=lambda: dict(DEFAULT_COVERAGE))
    is_formal: bool = True

    def may_be_short(self, risk: str | None) -> bool:
        """Whether a requirement of this risk may be tested without story and specification."""
        return risk == "LOW" or not self.is_formal


def read(facts: dict[str, Any] | None) -> tuple[Rules, Artifact | None]:
    """The rules and, where there is a GxP.MD, its artifact. What is wrong in it keeps its default and is told."""
    rules = Rules()
    if facts is None:
        return rules, None
    made = Artifact(words.SETTINGS, layout.SETTINGS_FILE, layout.SETTINGS_FILE, "Settings")
    if facts.get("trouble"):
        made.state = words.MALFORMED
        made.problems.append(Problem(words.ERROR, "", facts["trouble"][1], facts["trouble"][0], "malformed"))
        return rules, made
    made.fields, made.body = facts["fields"], facts.get("body", "")
    made.problems = list(schemas.problems(words.SETTINGS, facts["fields"], facts["lines"]))
    made.state = words.INVALID if made.problems else words.OK
    wrong = {each.field for each in made.problems}
    artifacts = _map(facts["fields"], "artifacts")
    folder = artifacts.get("directory")
    if isinstance(folder, str) and "artifacts/directory" not in wrong and _is_inside(folder.strip("/")):
        rules.folder = folder.strip("/")
    if artifacts.get("formal_artifacts") in ("optional", "none"):
        rules.is_formal = False
    matrix = _map(_map(facts["fields"], "risk"), "matrix")
    for risk in words.RISKS:
        row = _map(matrix, risk)
        if row and not any(each.startswith(f"risk/matrix/{risk}") for each in wrong):
            if "required_tiers" in row:
                rules.tiers[risk] = tuple(tier for tier in words.TIERS if tier in row["required_tiers"])
            if "coverage_threshold" in row:
                rules.coverage[risk] = float(row["coverage_threshold"])
    return rules, made


def _map(fields: dict[str, Any], name: str) -> dict[str, Any]:
    value = fields.get(name)
    return value if isinstance(value, dict) else {}


def _is_inside(folder: str) -> bool:
    return bool(folder) and all(part not in ("", ".", "..") for part in folder.split("/")) and len(folder) < 200
