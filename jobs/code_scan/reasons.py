"""Why a file has no nodes, in words. Skipped: nobody tried to understand it. Failed: somebody tried."""

from __future__ import annotations

SKIPPED = "skipped"
FAILED = "failed"
PARSED = "parsed"

TEXTS: dict[str, tuple[str, str]] = {
    "no_reader": (SKIPPED, "There is no reader for this type of file."),
    "too_large": (SKIPPED, "Larger than the limit for one file."),
    "binary": (SKIPPED, "Not text: it holds NUL bytes."),
    "symlink": (SKIPPED, "A link. Links are not followed."),
    "special": (SKIPPED, "Not an ordinary file."),
    "long_path": (SKIPPED, "Its path is longer than 1,000 bytes."),
    "unreadable": (FAILED, "It cannot be read. Check its permissions."),
    "vanished": (FAILED, "It was gone when its turn came."),
    "encoding": (FAILED, "Its text cannot be decoded."),
    "deadline": (FAILED, "It took too long to parse."),
    "crashed": (FAILED, "It crashed the parser."),
    "memory": (FAILED, "It needs more memory than one file may have."),
    "analyzer": (FAILED, "Its analyzer failed."),
}
# What may be different next time although the file is the same.
PASSING = frozenset({"unreadable", "vanished", "memory"})


def status_of(reason: str) -> str:
    """SKIPPED or FAILED."""
    return TEXTS[reason][0]


def text_of(reason: str | None, note: str | None) -> str:
    """The sentence for a reason, with what is known beyond it."""
    text = TEXTS[reason][1] if reason in TEXTS else (reason or "")
    return f"{text} {note[:1].upper()}{note[1:].rstrip('.')}." if note else text
