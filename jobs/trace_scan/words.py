"""The closed sets of a trace scan, and what they are called on pages. Shared by the scan and by whoever shows it."""

from __future__ import annotations

# Types of artifacts, in the order of lists.
SYSTEM_CONTEXT = "system_context"
REQUIREMENT = "requirement"
STORY = "user_story"
SPEC = "specification"
RISK = "risk"
ADR = "adr"
EVIDENCE = "evidence"
RECORD = "test_record"
VENDOR = "vendor_assessment"
SETTINGS = "settings"
ARTIFACT_TYPES: dict[str, str] = {
    SYSTEM_CONTEXT: "System context",
    REQUIREMENT: "Requirement",
    STORY: "User story",
    SPEC: "Specification",
    RISK: "Risk",
    ADR: "Decision",
    EVIDENCE: "Evidence",
    RECORD: "Record of testing",
    VENDOR: "Vendor assessment",
    SETTINGS: "Settings",
}
# What links come from or go to besides artifacts.
SOURCE = "source"
TEST = "test"
FILE = "file"

RISKS = ("HIGH", "MEDIUM", "LOW")
TIERS = ("IQ", "OQ", "PQ")

# States of artifacts.
OK = "ok"
INVALID = "invalid"
MALFORMED = "malformed"
DUPLICATE = "duplicate"
ANNOTATION_ONLY = "annotation_only"
ARTIFACT_STATES: dict[str, str] = {
    OK: "Sound",
    INVALID: "Fields missing or wrong",
    MALFORMED: "Not readable",
    DUPLICATE: "Id used twice",
    ANNOTATION_ONLY: "Named by annotations only",
}

# Relations of links: what the source says of the target.
PARENT = "parent"
SATISFIES = "satisfies"
IMPLEMENTS = "implements"
VERIFIES = "verifies"
TELLS = "story"
DERIVES = "derives_from"
SOURCE_FILE = "source_file"
TEST_FILE = "test_file"
CONCERNS = "concerns"
EVIDENCES = "evidence_of"
RELATIONS: dict[str, str] = {
    PARENT: "has the parent",
    SATISFIES: "satisfies",
    IMPLEMENTS: "implements",
    VERIFIES: "verifies",
    TELLS: "belongs to the story",
    DERIVES: "is derived from",
    SOURCE_FILE: "is implemented in",
    TEST_FILE: "is tested in",
    CONCERNS: "concerns",
    EVIDENCES: "is evidence of",
}

VALID = "valid"
BROKEN = "broken"
LINK_STATES = (VALID, BROKEN)
# Why a link is broken.
NOT_FOUND = "not_found"
WRONG_TYPE = "wrong_type"
DUPLICATE_TARGET = "duplicate_target"
BROKEN_REASONS: dict[str, str] = {
    NOT_FOUND: "There is no such artifact or file",
    WRONG_TYPE: "The target is of another type",
    DUPLICATE_TARGET: "Two documents have this id",
}

# States of a requirement's row: no gap, a broken link in its chain, something demanded that is not there.
LINKED = "linked"
MISSING = "missing"
ROW_STATES = (BROKEN, MISSING, LINKED)

# States of tests.
ORPHAN = "orphan"
UNANNOTATED = "unannotated"
TEST_STATES: dict[str, str] = {
    LINKED: "Linked",
    ORPHAN: "Annotated, no reference is valid",
    UNANNOTATED: "Without any annotation",
}

ERROR = "error"
WARNING = "warning"
NOTICE = "notice"
# Kinds of findings in the order of pages, with their title.
FINDING_KINDS: dict[str, str] = {
    "broken": "Broken links",
    "missing": "Missing links",
    "malformed": "Malformed artifacts and annotations",
    "field": "Fields missing or wrong",
    "duplicate": "Ids used twice",
    "cycle": "Cycles",
    "uncovered": "Requirements without a test",
    "tier": "Test tiers missing",
    "orphan_test": "Tests without a valid link",
    "unannotated_test": "Tests without annotations",
    "evidence": "Evidence",
    "skipped": "Files not read",
    "notice": "Notices",
}
