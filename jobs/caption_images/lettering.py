"""Text in an image, read by tesseract where that program is installed: in a process of its own, with a deadline."""

from __future__ import annotations

import functools
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

WITHIN_S = 15.0
TICK_S = 0.1
SURE_FROM = 65.0
MIN_LETTERS = 4
MAX_OUTPUT_BYTES = 2**20


@functools.cache
def program() -> str | None:
    """Where tesseract is, or None."""
    return shutil.which("tesseract")


def read_text(picture: Path, check: Callable[[], None], within_s: float = WITHIN_S) -> str:
    """The words that tesseract is sure of, in one line; "" without it, without text, or when it takes too long."""
    found = program()
    if found is None:
        return ""
    with picture.open("rb") as source:
        process = subprocess.Popen(
            [
                "/usr/bin/env",
                "-i",
                "LC_ALL=C.UTF-8",
                "OMP_THREAD_LIMIT=1",
                found,
                "stdin",
                "stdout",
                "--psm",
                "11",
                "tsv",
            ],
            stdin=source,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    deadline_s = time.monotonic() + within_s
    try:
        while True:
            check()
            try:
                output, _ = process.communicate(timeout=TICK_S)
                return _sure_words(output[:MAX_OUTPUT_BYTES].decode("utf-8", "replace"))
            except subprocess.TimeoutExpired:
                if time.monotonic() > deadline_s:
                    return ""
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _sure_words(table: str) -> str:
    """The last two columns of tesseract's table are how sure it is (0 to 100) and the word."""
    words = []
    for line in table.splitlines()[1:]:
        cells = line.split("\t")
        if len(cells) < 12 or cells[0] != "5":
            continue
        word = "".join(each for each in cells[11].strip() if each.isprintable())
        try:
            is_sure = float(cells[10]) >= SURE_FROM
        except ValueError:
            continue
        if is_sure and sum(each.isalnum() for each in word) >= 2:
            words.append(word)
    text = " ".join(words)
    return text if sum(each.isalpha() for each in text) >= MIN_LETTERS else ""
