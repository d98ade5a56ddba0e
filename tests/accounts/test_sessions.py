"""Login sessions: how long they hold, how they end, and that everybody concerned hears of it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select

import accounts
import extensions
from accounts import COMMAND_LINE, AuditEntry, Identity, LastAdmin, LoginSession, NoSuchAccount, SignedIn, User
from database import Database, utc_now

MakeUser = Callable[..., User]
SignIn = Callable[..., SignedIn]
IdentityOf = Callable[[SignedIn], Identity]
Heard = list[dict[str, int | None]]


def of_user(user: User) -> dict[str, int | None]:
    return {"user_id": user.id, "session_id": None, "token_id": None}


@pytest.mark.req("D12")
def test_the_database_knows_only_the_hash_of_a_session_token(
    db: Database, make_user: MakeUser, sign_in: SignIn
) -> None:
    make_user()
    token = sign_in().token
    with db.read() as session:
        row = session.scalars(select(LoginSession)).one()

    assert len(row.token_hash) == 64
    assert token not in str(vars(row))
    assert accounts.authenticate_session(db, row.token_hash) is None


@pytest.mark.parametrize("token", ["", "x", "é" * 150, "x" * 100_000, "\ud800", "a\x00b"])
def test_a_made_up_token_is_nobody(db: Database, token: str) -> None:
    assert accounts.authenticate_session(db, token) is None
    assert accounts.authenticate_token(db, "tr_" + token) is None


def test_use_prolongs_a_login_but_not_beyond_thirty_days(db: Database, make_user: MakeUser, sign_in: SignIn) -> None:
    make_user()
    token, now = sign_in().token, utc_now()

    assert accounts.authenticate_session(db, token, now + timedelta(days=13, hours=23)) is not None
    assert accounts.authenticate_session(db, token, now + timedelta(days=27)) is not None
    assert accounts.authenticate_session(db, token, now + timedelta(days=30, minutes=1)) is None


def test_an_unused_login_ends_after_fourteen_days_and_is_purged(
    db: Database, make_user: MakeUser, sign_in: SignIn
) -> None:
    make_user()
    token, later = sign_in().token, utc_now() + timedelta(days=14, minutes=1)

    assert accounts.authenticate_session(db, token, later) is None
    assert accounts.purge_ended(db, later) == 1


def test_checking_a_login_is_one_query_and_writes_at_most_every_five_minutes(
    db: Database, make_user: MakeUser, sign_in: SignIn, watch_statements: Callable[[], list[str]]
) -> None:
    user = make_user()
    token, now = sign_in().token, utc_now()
    statements = watch_statements()

    for second in range(0, 299, 60):
        accounts.authenticate_session(db, token, now + timedelta(seconds=second))
    assert len(statements) == 5 and all(sql.startswith("SELECT") for sql in statements)

    accounts.authenticate_session(db, token, now + timedelta(minutes=6))
    assert sum(sql.startswith("UPDATE") for sql in statements) == 1
    [seen] = accounts.list_sessions(db, user.id)
    assert seen.last_seen_at == now + timedelta(minutes=6)


@pytest.mark.req("D7")
def test_signing_out_ends_this_login_alone_and_says_so(
    db: Database, make_user: MakeUser, sign_in: SignIn, identity_of: IdentityOf, revocations: Heard
) -> None:
    user = make_user()
    here, elsewhere = sign_in(), sign_in()

    accounts.end_session(db, here.session_id, COMMAND_LINE)
    accounts.end_session(db, here.session_id, COMMAND_LINE)

    assert accounts.authenticate_session(db, here.token) is None
    assert identity_of(elsewhere).user_id == user.id
    assert revocations == [{"user_id": user.id, "session_id": here.session_id, "token_id": None}]


@pytest.mark.req("D2")
def test_somebody_elses_session_cannot_be_ended(
    db: Database, make_user: MakeUser, sign_in: SignIn, revocations: Heard
) -> None:
    ada, eve = make_user("ada"), make_user("eve")
    login = sign_in("ada")

    for session_id in (login.session_id, 999_999):
        with pytest.raises(NoSuchAccount, match="ended already"):
            accounts.end_session(db, session_id, COMMAND_LINE, owner_id=eve.id)
    assert [row.user_id for row in accounts.list_sessions(db, ada.id)] == [ada.id]
    assert revocations == []


@pytest.mark.req("D7")
def test_ending_all_others_keeps_this_one(
    db: Database, make_user: MakeUser, sign_in: SignIn, identity_of: IdentityOf, revocations: Heard
) -> None:
    user = make_user()
    here, second, third = sign_in(), sign_in(), sign_in()

    assert accounts.end_all_sessions(db, user.id, COMMAND_LINE, keep_session_id=here.session_id) == 2

    assert identity_of(here).session_id == here.session_id
    assert accounts.authenticate_session(db, second.token) is None
    assert {heard["session_id"] for heard in revocations} == {second.session_id, third.session_id}
    assert accounts.end_all_sessions(db, user.id, COMMAND_LINE) == 1
    assert accounts.authenticate_session(db, here.token) is None
    assert revocations[-1] == of_user(user)


@pytest.mark.req("D7")
def test_disabling_ends_everything_and_enabling_brings_back_tokens_but_no_login(
    db: Database, make_user: MakeUser, sign_in: SignIn, revocations: Heard
) -> None:
    user = make_user()
    login = sign_in()
    _row, token = accounts.create_token(db, user.id, "ci", COMMAND_LINE)

    accounts.set_active(db, user.id, False, COMMAND_LINE, reason="left")

    assert accounts.authenticate_session(db, login.token) is None
    assert accounts.authenticate_token(db, token) is None
    assert revocations == [of_user(user)]
    accounts.set_active(db, user.id, True, COMMAND_LINE)
    assert accounts.authenticate_session(db, login.token) is None
    assert accounts.authenticate_token(db, token) is not None


@pytest.mark.req("D3", "D7")
def test_demotion_ends_logins_and_takes_the_role_from_tokens(
    db: Database, make_user: MakeUser, sign_in: SignIn, revocations: Heard
) -> None:
    make_user("root", role="admin")
    user = make_user("ada", role="admin")
    login = sign_in("ada")
    _row, token = accounts.create_token(db, user.id, "ci", COMMAND_LINE, scopes=["admin"])
    before = accounts.authenticate_token(db, token)
    assert before is not None and before.is_admin

    accounts.set_role(db, user.id, "user", COMMAND_LINE)

    assert accounts.authenticate_session(db, login.token) is None
    after = accounts.authenticate_token(db, token)
    assert after is not None and after.role == "user" and not after.can("admin")
    assert revocations == [of_user(user)]
    assert accounts.revoked(db, [before, after]) == {before}


@pytest.mark.req("D7")
def test_promotion_keeps_logins_and_has_sockets_come_back_with_the_new_role(
    db: Database, make_user: MakeUser, sign_in: SignIn, identity_of: IdentityOf, revocations: Heard
) -> None:
    user = make_user()
    login = sign_in()
    before = identity_of(login)

    accounts.set_role(db, user.id, "admin", COMMAND_LINE)

    assert identity_of(login).is_admin
    assert revocations == [of_user(user)]
    assert accounts.revoked(db, [before]) == {before}


def test_the_last_active_admin_can_be_neither_demoted_nor_disabled(db: Database, make_user: MakeUser) -> None:
    root, other = make_user("root", role="admin"), make_user("other", role="admin")
    accounts.set_active(db, other.id, False, COMMAND_LINE)

    with pytest.raises(LastAdmin):
        accounts.set_role(db, root.id, "user", COMMAND_LINE)
    with pytest.raises(LastAdmin):
        accounts.set_active(db, root.id, False, COMMAND_LINE)
    accounts.set_active(db, other.id, True, COMMAND_LINE)
    accounts.set_role(db, root.id, "user", COMMAND_LINE)


def test_two_admins_who_demote_each_other_at_once_leave_one(db: Database, make_user: MakeUser) -> None:
    for number in range(5):
        pair = [make_user(f"{name}{number}", role="admin") for name in ("ada", "eve")]

        def demote(user: User) -> bool:
            try:
                accounts.set_role(db, user.id, "user", COMMAND_LINE)
            except LastAdmin:
                return False
            return True

        with ThreadPoolExecutor(2) as pool:
            assert sorted(pool.map(demote, pair)) == [False, True]
        [left] = [user for user in accounts.list_users(db) if user.role == "admin"]
        make_user(f"spare{number}", role="admin")
        accounts.set_role(db, left.id, "user", COMMAND_LINE)
        with db.write() as session:
            session.get_one(User, accounts.find_user(db, f"spare{number}").id).role = "user"


@pytest.mark.req("D7")
def test_signing_out_works_while_the_announcement_fails(
    db: Database,
    make_user: MakeUser,
    sign_in: SignIn,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(**_what: object) -> None:
        raise ConnectionError("no Redis")

    monkeypatch.setattr(extensions, "_revocation_listeners", [fail])
    make_user()
    login = sign_in()

    accounts.end_session(db, login.session_id, COMMAND_LINE)

    assert accounts.authenticate_session(db, login.token) is None
    assert "could not be announced" in caplog.text


@pytest.mark.req("D7")
def test_one_query_tells_of_many_live_sockets_which_must_close(
    db: Database,
    make_user: MakeUser,
    sign_in: SignIn,
    identity_of: IdentityOf,
    watch_statements: Callable[[], list[str]],
) -> None:
    ada, eve, off = make_user("ada"), make_user("eve"), make_user("off")
    stays, leaves, all_of_off = identity_of(sign_in("ada")), identity_of(sign_in("eve")), identity_of(sign_in("off"))
    tokens = [accounts.create_token(db, ada.id, f"t{number}", COMMAND_LINE) for number in range(3)]
    living, revoked_one, over = (accounts.authenticate_token(db, token) for _row, token in tokens)
    assert living and revoked_one and over and leaves.session_id
    accounts.end_session(db, leaves.session_id, COMMAND_LINE)
    accounts.set_active(db, off.id, False, COMMAND_LINE)
    accounts.revoke_token(db, tokens[1][0].id, COMMAND_LINE)
    many = [Identity(eve.id, "eve", "user", 100_000 + number, None) for number in range(500)]
    statements = watch_statements()

    gone = accounts.revoked(db, [stays, leaves, all_of_off, living, revoked_one, over, *many])

    assert gone == {leaves, all_of_off, revoked_one, *many}
    assert len(statements) == 1
    assert accounts.revoked(db, []) == set()


@pytest.mark.req("D7")
def test_the_number_of_an_ended_session_is_never_given_again(
    db: Database, make_user: MakeUser, sign_in: SignIn, identity_of: IdentityOf
) -> None:
    make_user()
    old = identity_of(sign_in())
    assert old.session_id
    accounts.end_session(db, old.session_id, COMMAND_LINE)

    new = identity_of(sign_in())

    assert new.session_id != old.session_id
    assert accounts.revoked(db, [old, new]) == {old}


@pytest.mark.req("H5")
def test_changes_of_people_are_audited_with_reason_before_and_after(
    db: Database, make_user: MakeUser, audited: Callable[[], list[AuditEntry]]
) -> None:
    make_user("root", role="admin")
    user = make_user("ada")
    accounts.set_role(db, user.id, "admin", COMMAND_LINE, reason="on call")
    accounts.set_active(db, user.id, False, COMMAND_LINE, reason="left")
    accounts.set_password(db, user.id, "another good phrase", COMMAND_LINE)

    role, disabled, password = audited()[-3:]
    assert (role.action, role.reason, role.before, role.after) == (
        "user.role_changed", "on call", {"role": "user"}, {"role": "admin"},
    )  # fmt: skip
    assert (disabled.action, disabled.subject, disabled.reason) == ("user.disabled", "user:ada", "left")
    assert (password.action, password.after) == ("user.password_changed", None)
