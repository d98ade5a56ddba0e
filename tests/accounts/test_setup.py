"""The first admin: one link, once, for a while, and only while nobody exists."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select

import accounts
from accounts import AccountError, AuditEntry, SetupClosed, SetupToken, User, WeakPassword
from database import Database, utc_now
from tests.accounts.conftest import HOME, PASSWORD


@pytest.mark.req("D12")
def test_a_fresh_database_has_no_account_and_no_way_in(db: Database) -> None:
    assert not accounts.has_users(db)
    with pytest.raises(AccountError):
        accounts.sign_in(db, "admin", "admin", HOME)
    with pytest.raises(SetupClosed):
        accounts.make_first_admin(db, "", "ada", PASSWORD, HOME)


@pytest.mark.req("D12")
def test_the_link_makes_one_admin_signs_them_in_and_is_used_up(
    db: Database, audited: Callable[[], list[AuditEntry]]
) -> None:
    token = accounts.create_setup_token(db)
    assert token is not None

    signed_in = accounts.make_first_admin(db, token, "Ada", PASSWORD, HOME)

    identity = accounts.authenticate_session(db, signed_in.token)
    assert identity is not None and identity.is_admin
    with pytest.raises(SetupClosed):
        accounts.make_first_admin(db, token, "eve", PASSWORD, HOME)
    assert accounts.create_setup_token(db) is None
    assert [entry.action for entry in audited()] == ["user.created", "session.started"]


@pytest.mark.req("D12")
def test_a_weak_password_leaves_the_link_alive(db: Database) -> None:
    token = accounts.create_setup_token(db) or ""
    with pytest.raises(WeakPassword):
        accounts.make_first_admin(db, token, "ada", "password123", HOME)
    assert accounts.setup_expires_at(db, token) is not None


@pytest.mark.req("D12")
def test_the_link_ends_after_a_day_or_with_a_newer_link_or_with_the_first_account(db: Database) -> None:
    first = accounts.create_setup_token(db) or ""
    assert accounts.setup_expires_at(db, first, utc_now() + timedelta(hours=24, seconds=1)) is None
    second = accounts.create_setup_token(db) or ""
    assert accounts.setup_expires_at(db, first) is None
    assert accounts.setup_expires_at(db, second) is not None

    accounts.create_user(db, "ada", PASSWORD, accounts.COMMAND_LINE, role="admin")

    assert accounts.setup_expires_at(db, second) is None
    with pytest.raises(SetupClosed):
        accounts.make_first_admin(db, second, "eve", PASSWORD, HOME)


@pytest.mark.req("D12")
def test_two_people_with_the_same_link_at_the_same_moment_make_one_admin(db: Database) -> None:
    token = accounts.create_setup_token(db) or ""

    def attempt(name: str) -> bool:
        try:
            accounts.make_first_admin(db, token, name, PASSWORD, HOME)
        except AccountError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(attempt, ["ada", "eve", "bob", "mia"]))

    assert outcomes.count(True) == 1
    with db.read() as session:
        assert len(session.scalars(select(User)).all()) == 1


def test_the_link_is_stored_as_its_hash(db: Database) -> None:
    token = accounts.create_setup_token(db) or ""
    with db.read() as session:
        assert token not in str(vars(session.scalars(select(SetupToken)).one()))
