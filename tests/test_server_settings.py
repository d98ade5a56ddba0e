"""Settings that admins change while the server runs."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from accounts import AuditEntry
from accounts.audit import Actor
from database import Database
from server_settings import change_setting, setting, settings_below

ADA = Actor("ada", 1)


@pytest.mark.req("H5")
def test_a_change_is_kept_and_audited_with_what_was_before(any_database: Database) -> None:
    with any_database.write() as session:
        assert setting(session, "alerts.disk", 20) == 20
        assert change_setting(session, "alerts.disk", 30, ADA, reason="a larger disk")
        assert change_setting(session, "alerts.disk", 40, ADA)
        assert not change_setting(session, "alerts.disk", 40, ADA)
        assert change_setting(session, "queue.paused", {"reason": "upgrade"}, ADA)
    with any_database.read() as session:
        assert settings_below(session, "alerts.") == {"disk": 40}
        assert setting(session, "queue.paused") == {"reason": "upgrade"}
        entries = session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
    assert [(entry.subject, entry.before, entry.after, entry.reason) for entry in entries] == [
        ("setting:alerts.disk", {"value": None}, {"value": 30}, "a larger disk"),
        ("setting:alerts.disk", {"value": 30}, {"value": 40}, None),
        ("setting:queue.paused", {"value": None}, {"value": {"reason": "upgrade"}}, None),
    ]
