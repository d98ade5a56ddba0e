"""A house with pages of tasks for the tests of this folder."""

from __future__ import annotations

import pytest

from config import Config
from database import Database
from tests.pages.task_app import House, build


@pytest.fixture
def house(config: Config, database: Database) -> House:
    """Pages on a fresh database; its people are ada (admin), ben and eve."""
    return build(config, database)
