"""What a path means: which folder makes which artifact, which files are sources, and which of those are tests."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from jobs.trace_scan import words

DEFAULT_FOLDER = ".gxp"
SETTINGS_FILE = "GxP.MD"
CONTEXT_FILE = "system_context.md"
REGISTER_FILE = "risk_assessment.log"
FOLDERS = {
    "requirements": words.REQUIREMENT,
    "user_stories": words.STORY,
    "specs": words.SPEC,
    "adr": words.ADR,
    "evidence": words.EVIDENCE,
    "vendor_assessments": words.VENDOR,
}
NOT_SCANNED = (
    "node_modules", "dist", "build", "target", "vendor", "coverage", ".venv", "venv", "virtualenv", ".tox", ".nox",
    "site-packages", "__pycache__", ".next", ".nuxt",
)  # fmt: skip
LANGUAGES: dict[str, str] = {
    **dict.fromkeys((".ts", ".mts", ".cts"), "typescript"),
    ".tsx": "tsx",
    **dict.fromkeys((".js", ".jsx", ".mjs", ".cjs"), "javascript"),
    **dict.fromkeys((".py", ".pyi"), "python"),
    ".java": "java",
    **dict.fromkeys((".kt", ".kts"), "kotlin"),
    ".go": "go",
    ".rs": "rust",
    ".swift": "swift",
    **dict.fromkeys((".c", ".h"), "c"),
    **dict.fromkeys((".cc", ".cpp", ".cxx", ".hh", ".hpp", ".hxx"), "cpp"),
    ".php": "php",
    ".cs": "csharp",
    ".rb": "ruby",
    **dict.fromkeys((".sh", ".bash", ".zsh", ".bats"), "bash"),
    **dict.fromkeys((".yaml", ".yml"), "yaml"),
    ".sql": "sql",
    ".lua": "lua",
    **dict.fromkeys((".html", ".htm"), "html"),
    ".vue": "vue",
    **dict.fromkeys((".cshtml", ".razor"), "razor"),
}
MINIFIED = re.compile(r"[.-]min\.[mc]?js$", re.IGNORECASE)
_TEST_FOLDER = re.compile(r"(?:^|/)(?:tests?|__tests__|e2e|iq|oq|pq)/")
_TEST_NAME = re.compile(r"(?:.+\.(?:test|spec)\..+|.+_(?:test|spec)\.[^.]+|test_.*\.py|.*Test\.java|.*Tests\.cs)")
_TIER_FOLDER = re.compile(r"(?:^|(?<=/))(iq|oq|pq)(?=/)")
GENERATED = "generated"


def language_of(path: str) -> str | None:
    """The language whose comments this file has, or None for one that is not read for annotations."""
    name = path.rpartition("/")[2]
    stem, dot, ending = name.rpartition(".")
    if name == "Dockerfile" or name.startswith("Dockerfile.") or name.endswith(".dockerfile"):
        return "dockerfile"
    return LANGUAGES.get(dot + ending.lower()) if stem else None


def generated_reason(path: str) -> str | None:
    """GENERATED for declaration files and minified scripts, which nobody annotates."""
    return GENERATED if path.endswith(".d.ts") or MINIFIED.search(path) else None


def is_test_file(path: str) -> bool:
    """Whether this file is a test by its folder or its name; whether it holds any test is another question."""
    return bool(_TEST_FOLDER.search(path) or _TEST_NAME.fullmatch(PurePosixPath(path).name))


def tier_of_folder(path: str) -> str | None:
    """The tier that the nearest folder called iq, oq or pq gives."""
    found = _TIER_FOLDER.findall(path)
    return found[-1].upper() if found else None


def artifact_type(path: str, folder: str) -> str | None:
    """What a file below the artifact folder is, by its folder alone. None: no artifact, or the output of a tool."""
    if not path.startswith(folder + "/"):
        return None
    relative = path[len(folder) + 1 :]
    name = PurePosixPath(path).name
    if relative == CONTEXT_FILE:
        return words.SYSTEM_CONTEXT
    if relative == REGISTER_FILE:
        return words.RISK
    top, below, _ = relative.partition("/")
    type_ = FOLDERS.get(top) if below else None
    if type_ == words.EVIDENCE:
        return words.RECORD if name.startswith("ROT-") and name.endswith(".md") else words.EVIDENCE
    if type_ is None or name.lower() == "readme.md" or not name.lower().endswith(".md"):
        return None
    return type_
