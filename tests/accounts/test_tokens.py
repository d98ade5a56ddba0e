"""API tokens: hashed at rest, scoped, ending, revocable."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import text

import accounts
from accounts import COMMAND_LINE, AccountError, AuditEntry, NoSuchAccount, User
from database import WRITE_LOCK_TIMEOUT_S, Database, utc_now

MakeUser = Callable[..., User]


@pytest.mark.req("D8")
def test_a_token_is_stored_as_its_hash_alone_and_opens_the_account(db: Database, make_user: MakeUser) -> None:
    user = make_user()
    row, token = accounts.create_token(db, user.id, "build server", COMMAND_LINE)

    assert token.startswith("tr_") and len(token) > 40
    assert token not in str(vars(row)) and row.hint == token[:8]
    identity = accounts.authenticate_token(db, token)
    assert identity is not None
    assert (identity.user_id, identity.token_id, identity.session_id) == (user.id, row.id, None)
    assert accounts.authenticate_token(db, row.token_hash) is None
    assert accounts.authenticate_token(db, token[:-1]) is None


@pytest.mark.req("D8")
@pytest.mark.parametrize(
    ("given", "may"), [("read", {"read"}), ("write", {"read", "write"}), ("admin", {"read", "write", "admin"})]
)
def test_a_scope_includes_the_smaller_ones(db: Database, make_user: MakeUser, given: str, may: set[str]) -> None:
    user = make_user(role="admin")
    _row, token = accounts.create_token(db, user.id, "ci", COMMAND_LINE, scopes=[given])
    identity = accounts.authenticate_token(db, token)

    assert identity is not None
    assert {scope for scope in accounts.SCOPES if identity.can(scope)} == may
    assert identity.role == ("admin" if given == "admin" else "user")


@pytest.mark.req("D8")
def test_wrong_scopes_names_and_lifetimes_are_refused(db: Database, make_user: MakeUser) -> None:
    user = make_user()
    for wrong in (
        {"scopes": ["root"]},
        {"scopes": []},
        {"scopes": ["admin"]},
        {"expires_in_days": 0},
        {"expires_in_days": 10**9},
    ):
        with pytest.raises(AccountError):
            accounts.create_token(db, user.id, "ci", COMMAND_LINE, **wrong)  # type: ignore[arg-type]
    for name in ("", "  ", "x" * 81, "a\x00b"):
        with pytest.raises(AccountError):
            accounts.create_token(db, user.id, name, COMMAND_LINE)
    with pytest.raises(NoSuchAccount):
        accounts.create_token(db, user.id + 1, "ci", COMMAND_LINE)


@pytest.mark.req("D8")
def test_a_token_ends_on_its_day(db: Database, make_user: MakeUser) -> None:
    user, now = make_user(), utc_now()
    _row, token = accounts.create_token(db, user.id, "ci", COMMAND_LINE, expires_in_days=30)

    living = accounts.authenticate_token(db, token, now + timedelta(days=29, hours=23))
    assert living is not None
    assert accounts.authenticate_token(db, token, now + timedelta(days=30, minutes=1)) is None
    assert accounts.revoked(db, [living], now + timedelta(days=30, minutes=1)) == {living}


@pytest.mark.req("D7", "D8")
def test_a_revoked_token_is_dead_at_once_and_its_sockets_are_announced(
    db: Database, make_user: MakeUser, revocations: list[dict[str, int | None]], audited: Callable[[], list[AuditEntry]]
) -> None:
    user = make_user()
    row, token = accounts.create_token(db, user.id, "ci", COMMAND_LINE)

    accounts.revoke_token(db, row.id, COMMAND_LINE)
    accounts.revoke_token(db, row.id, COMMAND_LINE)

    assert accounts.authenticate_token(db, token) is None
    assert accounts.list_tokens(db, user.id) == []
    assert revocations == [{"user_id": user.id, "session_id": None, "token_id": row.id}]
    assert [entry.action for entry in audited()][-2:] == ["token.created", "token.revoked"]
    assert token not in str([vars(entry) for entry in audited()])


@pytest.mark.req("D2")
def test_somebody_elses_token_is_as_unknown_as_none(db: Database, make_user: MakeUser) -> None:
    ada, eve = make_user("ada"), make_user("eve")
    row, token = accounts.create_token(db, ada.id, "ci", COMMAND_LINE)
    for token_id in (row.id, 999_999):
        with pytest.raises(NoSuchAccount, match="There is no such token"):
            accounts.revoke_token(db, token_id, COMMAND_LINE, owner_id=eve.id)
    assert accounts.authenticate_token(db, token) is not None


@pytest.mark.req("D8")
def test_use_is_noted_at_most_once_a_minute_and_costs_one_query_otherwise(
    db: Database, make_user: MakeUser, watch_statements: Callable[[], list[str]]
) -> None:
    user, now = make_user(), utc_now()
    _row, token = accounts.create_token(db, user.id, "ci", COMMAND_LINE)
    accounts.authenticate_token(db, token, now)
    statements = watch_statements()

    for second in range(0, 60, 12):
        accounts.authenticate_token(db, token, now + timedelta(seconds=second))
    assert len(statements) == 5 and all(sql.startswith("SELECT") for sql in statements)

    accounts.authenticate_token(db, token, now + timedelta(seconds=60))
    assert accounts.list_tokens(db, user.id)[0].last_used_at == now + timedelta(seconds=60)


@pytest.mark.req("D8")
def test_whoever_comes_while_somebody_writes_is_let_in_at_once_and_noted_the_next_time(database: Database) -> None:
    user = accounts.create_user(database, "ada", "a long enough password", COMMAND_LINE)
    _row, token = accounts.create_token(database, user.id, "ci", COMMAND_LINE)
    with database.write() as session:
        session.execute(text("SELECT 1"))  # takes the write lock
        started = time.monotonic()
        assert accounts.authenticate_token(database, token) is not None
        assert time.monotonic() - started < WRITE_LOCK_TIMEOUT_S / 2
        assert accounts.list_tokens(database, user.id)[0].last_used_at is None
    accounts.authenticate_token(database, token)
    assert accounts.list_tokens(database, user.id)[0].last_used_at is not None
