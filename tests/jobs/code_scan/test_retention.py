"""Forgetting old scans."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import func, select

from config import Config
from database import Database
from jobs.code_scan import query
from jobs.code_scan.models import NEVER, CodeNode
from jobs.code_scan.retention import forget
from tests.jobs.code_scan.scanning import SERVICE, Recorder, scan, write


@pytest.mark.req("G6")
def test_a_forgotten_scan_takes_along_only_what_no_other_shows(
    make_config: Callable[..., Config], database: Database, sqlite_url: str, tmp_path: Path
) -> None:
    config = make_config(DATABASE_URL=sqlite_url)
    folder = write(tmp_path / "shop", {"a.py": SERVICE})
    contexts = [Recorder(config, database) for _ in range(3)]
    for number, context in enumerate(contexts):
        write(folder, {"a.py": SERVICE + f"\n\ndef only_{number}():\n    pass\n"})
        scan(context, folder)
    with database.read() as session:
        kept = query.nodes(session, contexts[1].task_id)
    assert forget(database, [contexts[0].task_id, "unknown"]) == 1
    with database.read() as session:
        assert query.find_scan(session, contexts[0].task_id) is None
        assert query.nodes(session, contexts[1].task_id) == kept
        names = set(session.scalars(select(CodeNode.name)))
        assert {"only_1", "only_2"} <= names
        assert "only_0" not in names
    forget(database, [contexts[1].task_id, contexts[2].task_id])
    again = Recorder(config, database)
    assert scan(again, folder)["changed_files"] == 0
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(CodeNode).where(CodeNode.removed_in != NEVER)) == 0
