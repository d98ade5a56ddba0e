"""A small repository with every kind of artifact, sound throughout, and how its parts are written."""

from __future__ import annotations

from pathlib import Path

from tests.jobs.code_scan.scanning import write

CONTEXT = """\
---
id: 3c4e7f9a-1b2d-4a5c-8e9f-0a1b2c3d4e5f
project_name: Lab results
version: 1.4.2
gxp_risk_rating: HIGH
validation_status: draft
intended_use: Shows results of samples to the people who release them.
---
"""
SOURCE = """\
/**
 * @gxp-req REQ-001 "Results are kept"
 * @gxp-spec SPEC-001-001 "The ledger"
 * @gxp-risk HIGH
 */
export class Ledger {}
"""
TESTS = """\
/**
 * @gxp-spec SPEC-001-001
 * @trace US-001-001
 * @test-type OQ
 * @gxp-risk HIGH
 */
describe("ledger", () => {
  it("keeps", () => {});
});
"""
REGISTER = """\
# Register
[2026-02-05] RISK-001 | REQ-001 | Risk: HIGH | Impact: lost results | Mitigation: ledger | Test Coverage: SPEC-001-001
[2026-02-05] RISK-INF-001 | INFRA | Risk: LOW | Impact: slow | Mitigation: none

## RISK-002: A second form
- **Risk Level:** medium
- **Component:** REQ-001
- **Status:** open
"""
DECISION = (
    "# ADR-001: One ledger\n\n## Status\n\nAccepted\n\n## Context\n\nx\n\n## Decision\n\ny\n\n## Consequences\n\nz\n"
)


def requirement(id_: str, risk: str = "HIGH", more: str = "") -> str:
    return f"---\ngxp_id: {id_}\ntitle: Results are kept\ngxp_risk_rating: {risk}\n{more}---\nText of {id_}.\n"


def story(id_: str, parent: str | None, more: str = "") -> str:
    named = "" if parent is None else f"parent_id: {parent}\n"
    return f"---\ngxp_id: {id_}\ntitle: A story\n{named}{more}---\n"


def spec(id_: str, parent: str | None, more: str = "", tier: str = "OQ") -> str:
    named = "" if parent is None else f"parent_id: {parent}\n"
    return f"---\ngxp_id: {id_}\ntitle: A specification\n{named}verification_tier: {tier}\n{more}---\n"


def sound(folder: Path) -> Path:
    """One requirement of high risk with a story, a specification, its source and tests of all tiers."""
    files = {
        ".gxp/system_context.md": CONTEXT,
        ".gxp/README.md": "# Not an artifact @gxp-spec SPEC-999",
        ".gxp/requirements/REQ-001-results.md": requirement("REQ-001"),
        ".gxp/user_stories/US-001-001-keep.md": story("US-001-001", "REQ-001"),
        ".gxp/specs/SPEC-001-001-ledger.md": spec(
            "SPEC-001-001", "US-001-001", "source_files:\n  - src/ledger.ts\ntest_files: []\n"
        ),
        ".gxp/risk_assessment.log": REGISTER,
        ".gxp/adr/ADR-001-ledger.md": DECISION,
        "src/ledger.ts": SOURCE,
        "src/plain.ts": "export const a = 1;\n",
        "tests/ledger.spec.ts": TESTS,
        "tests/iq/install.spec.ts": "// @gxp-spec SPEC-001-001\nit('installs', () => {});\n",
        "tests/release.spec.ts": "// @trace US-001-001\n// @test-type e2e\nit('releases', () => {});\n",
        "docs/readme.md": "@gxp-spec SPEC-999",
    }
    return write(folder, dict(files))
