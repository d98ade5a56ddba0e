"""Where the direct way enters Engine.IO and eventlet is tested in a process of its own (seams.py).

Whoever imports eventlet has its hooks: on every fork of this process, for one.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fixtures.machine import ROOT

SEAMS = Path(__file__).with_name("seams.py")


@pytest.mark.slow
@pytest.mark.req("A16", "K2")
def test_the_libraries_are_as_the_direct_way_needs_them_and_where_not_the_stock_way_serves() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(SEAMS)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert "9 passed" in done.stdout
