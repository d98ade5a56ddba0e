"""Signing in, guessing, and changing one's own password."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select

import accounts
import extensions
from accounts import COMMAND_LINE, AuditEntry, Browser, Identity, SignedIn, TooManyTries, User, WeakPassword, WrongLogin
from accounts.passwords import needs_rehash
from accounts.sign_in import begin
from database import Database, utc_now
from tests.accounts.conftest import HOME, PASSWORD

Audited = Callable[[], list[AuditEntry]]
MakeUser = Callable[..., User]
SignIn = Callable[..., SignedIn]


def refusal(
    db: Database, username: str = "ada", password: str = "wrong password", address: str = "198.51.100.1"
) -> str:
    """The sentence of a refused try."""
    with pytest.raises(WrongLogin) as refused:
        accounts.sign_in(db, username, password, Browser(address))
    return refused.value.message


@pytest.mark.req("D12")
def test_the_right_password_gives_a_login_however_the_name_is_capitalised(
    db: Database, make_user: MakeUser, sign_in: SignIn, identity_of: Callable[[SignedIn], Identity]
) -> None:
    user = make_user("Ada", role="admin")

    identity = identity_of(sign_in("aDA"))

    assert (identity.user_id, identity.username, identity.role) == (user.id, "Ada", "admin")
    assert identity.is_admin and identity.token_id is None


@pytest.mark.req("D12")
def test_known_unknown_and_disabled_users_are_refused_in_the_same_words(db: Database, make_user: MakeUser) -> None:
    make_user("ada")
    off = make_user("off")
    accounts.set_active(db, off.id, False, COMMAND_LINE)

    known, unknown = refusal(db, "ada"), refusal(db, "nobody", address="198.51.100.2")
    disabled = refusal(db, "off", PASSWORD, address="198.51.100.3")

    assert known == unknown == disabled == "User name or password is not right."


@pytest.mark.req("D12")
def test_after_five_wrong_tries_even_the_right_password_waits(db: Database, make_user: MakeUser) -> None:
    make_user()
    sentences = [refusal(db, address=f"198.51.100.{number}") for number in range(5)]

    assert sentences[1].endswith("3 more tries before a pause of 1 min.")
    assert sentences[3].endswith("1 more try before a pause of 1 min.")
    assert sentences[4].endswith("Too many tries. You can go on in 1 min.")
    with pytest.raises(TooManyTries) as paused:
        accounts.sign_in(db, "ada", PASSWORD, Browser("198.51.100.9"), now=utc_now() + timedelta(seconds=18))
    assert paused.value.retry_after_s is not None and 40 <= paused.value.retry_after_s <= 42
    assert paused.value.message == f"Too many tries. You can go on in {paused.value.retry_after_s} s."
    accounts.sign_in(db, "ada", PASSWORD, Browser("198.51.100.9"), now=utc_now() + timedelta(seconds=61))


@pytest.mark.req("D12")
def test_pauses_double_up_to_a_quarter_of_an_hour_and_are_forgotten_after_an_hour(db: Database) -> None:
    now, pauses = utc_now(), []
    for _ in range(11):
        with pytest.raises(WrongLogin) as refused:
            accounts.sign_in(db, "ada", "wrong password", Browser(""), now=now)
        pauses.append(refused.value.retry_after_s)
        now += timedelta(seconds=(refused.value.retry_after_s or 0) + 1)

    assert pauses == [None] * 4 + [60, 120, 240, 480, 900, 900, 900]
    with pytest.raises(WrongLogin) as later:
        accounts.sign_in(db, "ada", "wrong password", Browser(""), now=now + timedelta(hours=1, seconds=1))
    assert later.value.retry_after_s is None


@pytest.mark.req("D12")
def test_one_address_that_tries_many_names_is_paused_too(db: Database) -> None:
    for number in range(30):
        refusal(db, f"user{number}", address="2001:db8::1")
    with pytest.raises(TooManyTries):
        accounts.sign_in(db, "another", "wrong password", Browser("2001:db8::ffff"))
    refusal(db, "another", address="2001:db8:0:1::1")


@pytest.mark.req("D12")
def test_a_stranger_cannot_lock_somebody_out_of_where_they_are_signed_in(
    db: Database, make_user: MakeUser, sign_in: SignIn
) -> None:
    make_user()
    sign_in()
    for number in range(5):
        refusal(db, address=f"198.51.100.{number}")

    sign_in()


@pytest.mark.req("D12")
def test_a_guesser_does_not_lock_out_colleagues_who_are_signed_in_at_the_same_address(
    db: Database, make_user: MakeUser, sign_in: SignIn
) -> None:
    make_user()
    sign_in()
    for number in range(30):
        refusal(db, f"user{number}", address=HOME.address)
    with pytest.raises(TooManyTries):
        accounts.sign_in(db, "user", "wrong password", HOME)

    sign_in()


@pytest.mark.req("D12")
def test_signing_in_now_and_then_does_not_wipe_an_addresss_slate_clean(db: Database, make_user: MakeUser) -> None:
    make_user("mallory")
    for number in range(29):
        refusal(db, f"victim{number}")
    accounts.sign_in(db, "mallory", PASSWORD, Browser("198.51.100.1"))

    refusal(db, "victim29")
    with pytest.raises(TooManyTries):
        accounts.sign_in(db, "victim30", "wrong password", Browser("198.51.100.1"))


@pytest.mark.req("D12")
def test_of_many_guesses_at_once_no_more_than_the_free_ones_are_looked_at(
    db: Database, make_user: MakeUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_user()
    looked_at = []
    lock = threading.Lock()

    def count(function: Callable[..., object], *arguments: object) -> object:
        with lock:
            looked_at.append(function)
        return function(*arguments)

    monkeypatch.setattr(extensions, "_run_in_thread", count)

    def guess(number: int) -> None:
        with pytest.raises((WrongLogin, TooManyTries)):
            accounts.sign_in(db, "ada", f"wrong password {number}", Browser(f"198.51.100.{number}"))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(guess, range(16)))

    assert len(looked_at) == 5


@pytest.mark.req("D12")
def test_passwords_are_hashed_through_the_hook_that_keeps_the_loop_free(
    db: Database, make_user: MakeUser, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    offloaded: list[str] = []

    def run(function: Callable[..., object], *arguments: object) -> object:
        offloaded.append(function.__name__)
        return function(*arguments)

    monkeypatch.setattr(extensions, "_run_in_thread", run)
    make_user()
    sign_in()

    assert offloaded == ["hash_password", "verify_password"]


def test_a_sign_in_renews_a_hash_with_older_parameters(db: Database, make_user: MakeUser, sign_in: SignIn) -> None:
    user = make_user()
    with db.write() as session:
        account = session.get_one(User, user.id)
        account.password_hash = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD.encode())

    sign_in()

    with db.read() as session:
        assert not needs_rehash(session.get_one(User, user.id).password_hash)
    sign_in()


@pytest.mark.req("D12")
def test_sign_ins_are_audited_and_never_with_what_was_typed(
    db: Database, make_user: MakeUser, sign_in: SignIn, audited: Audited
) -> None:
    make_user()
    sign_in()
    refusal(db, "ada")
    refusal(db, "my secret password typed into the wrong field")

    made, started, wrong, unknown = audited()
    assert (made.action, started.action, wrong.action) == ("user.created", "session.started", "session.refused")
    assert (started.actor_name, started.address, started.request_id) == ("ada", HOME.address, HOME.request_id)
    assert (wrong.subject, wrong.actor_id) == ("user:ada", None)
    assert unknown.subject == "unknown user"


@pytest.mark.req("D7")
def test_changing_the_password_ends_every_login_and_starts_one_for_this_browser(
    db: Database,
    make_user: MakeUser,
    sign_in: SignIn,
    identity_of: Callable[[SignedIn], Identity],
    revocations: list[dict[str, int | None]],
) -> None:
    user = make_user()
    here, elsewhere = sign_in(), sign_in()

    renewed = accounts.change_password(db, identity_of(here), PASSWORD, "another good phrase", HOME)

    assert accounts.authenticate_session(db, here.token) is None
    assert accounts.authenticate_session(db, elsewhere.token) is None
    assert identity_of(renewed).user_id == user.id
    assert revocations == [{"user_id": user.id, "session_id": None, "token_id": None}]
    refusal(db, "ada", PASSWORD)
    accounts.sign_in(db, "ada", "another good phrase", HOME)


@pytest.mark.req("D12")
def test_the_current_password_is_asked_for_and_guessing_it_is_throttled(
    db: Database, make_user: MakeUser, sign_in: SignIn, identity_of: Callable[[SignedIn], Identity]
) -> None:
    make_user()
    identity = identity_of(sign_in())
    with pytest.raises(WeakPassword):
        accounts.change_password(db, identity, PASSWORD, "short", HOME)
    for _ in range(4):
        with pytest.raises(WrongLogin) as refused:
            accounts.change_password(db, identity, "wrong password", "another good phrase", HOME)
        assert refused.value.field == "current"
    with pytest.raises(TooManyTries):
        accounts.change_password(db, identity, PASSWORD, "another good phrase", HOME)


@pytest.mark.req("D7")
def test_a_login_that_began_before_a_password_change_never_counts(db: Database, make_user: MakeUser) -> None:
    user = make_user()
    accounts.set_password(db, user.id, "another good phrase", COMMAND_LINE)
    with db.write() as session:
        current = session.scalars(select(User)).one()
        late = begin(session, current, HOME, epoch=user.epoch)

    assert accounts.authenticate_session(db, late.token) is None
