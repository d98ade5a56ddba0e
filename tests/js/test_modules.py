"""Runs the tests beside this file, each `*.test.js` in a page of a real browser, each sentence as a test of its own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

HERE = Path(__file__).parent
SENTENCE = re.compile(r'^test\("([^"]*)", "([^"]+)"', re.MULTILINE)


def sentences() -> list[Any]:
    """One parameter per test, with the requirements that the test names."""
    found = []
    for file in sorted(HERE.glob("*.test.js")):
        for requirements, sentence in SENTENCE.findall(file.read_text(encoding="utf-8")):
            marks = [pytest.mark.req(*requirements.split())] if requirements else []
            found.append(pytest.param(file.name, sentence, marks=marks, id=f"{file.name}: {sentence}"))
    return found


@pytest.mark.parametrize(("file", "sentence"), sentences())
def test_module(module_page: Page, file: str, sentence: str) -> None:
    """The sentence holds."""
    failure = module_page.evaluate(
        "async ([file, sentence]) => { await import(`/tests/js/${file}`);"
        " return (await import('/tests/js/harness.js')).run(sentence); }",
        [file, sentence],
    )
    assert failure is None, failure
