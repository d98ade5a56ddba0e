"""What a new password may be, and that checking one tells nothing but yes or no."""

from __future__ import annotations

import time
import unicodedata

import pytest
from argon2 import PasswordHasher

from accounts.passwords import NO_PASSWORD, hash_password, needs_rehash, password_problem, verify_password


@pytest.mark.req("D12")
def test_a_password_is_stored_as_an_argon2id_hash_with_a_salt_of_its_own() -> None:
    first, second = hash_password("correct-staple-9"), hash_password("correct-staple-9")

    assert first.startswith("$argon2id$")
    assert first != second
    assert verify_password(first, "correct-staple-9")
    assert not verify_password(first, "correct-staple-8")


@pytest.mark.req("D12")
@pytest.mark.parametrize(
    "password",
    (
        "Password2026!|1234567890|0987654321|qwertyuiop|P@ssw0rd123|correct horse|aaaaaaaaaa|"
        "aabbaabbaabb|2026-11-21|administrator1|Welcome2Taskroom|letmein!!!!!|abcdefghijkl|changeme1234"
    ).split("|"),
)
def test_the_commonest_passwords_are_refused(password: str) -> None:
    assert password_problem(password, "ada") is not None


@pytest.mark.req("D12")
@pytest.mark.parametrize("password", ["ada.lovelace", "ADA.lovelace1", "ada.lovelace12345678"])
def test_the_user_name_is_no_password(password: str) -> None:
    assert password_problem(password, "Ada.Lovelace") == "The password must not be the user name."


@pytest.mark.req("D12")
def test_length_is_counted_in_characters_and_bounded_both_ways() -> None:
    assert "at least 10" in (password_problem("kürzlich9", "ada") or "")
    assert password_problem("k" * 1025, "ada") == "A password has at most 1024 characters."
    assert password_problem("plain long word row", "ada") is None
    assert password_problem("tr0ub4dor&3xx", "ada") is None


def test_composed_and_decomposed_accents_are_the_same_password() -> None:
    typed = "Größe-des-Würfels"
    assert verify_password(hash_password(unicodedata.normalize("NFC", typed)), unicodedata.normalize("NFD", typed))


@pytest.mark.req("D12")
def test_a_hash_with_older_parameters_still_opens_and_asks_to_be_renewed() -> None:
    old = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(b"correct-staple-9")

    assert verify_password(old, "correct-staple-9")
    assert needs_rehash(old)
    assert not needs_rehash(hash_password("correct-staple-9"))


@pytest.mark.parametrize("broken", ["", "plain", "$argon2id$v=19$m=1,t=1,p=1$short"])
def test_a_damaged_hash_opens_for_nobody(broken: str) -> None:
    assert not verify_password(broken, "correct-staple-9")


@pytest.mark.req("D12")
def test_an_unknown_user_takes_as_long_as_a_wrong_password() -> None:
    stored = hash_password("correct-staple-9")

    def duration_s(password_hash: str | None) -> float:
        started = time.perf_counter()
        verify_password(password_hash, "wrong password")
        return time.perf_counter() - started

    pairs = [(duration_s(stored), duration_s(None)) for _ in range(12)]
    known, unknown = min(pair[0] for pair in pairs), min(pair[1] for pair in pairs)
    assert 0.6 < known / unknown < 1.7


@pytest.mark.req("D12")
def test_whoever_has_no_password_yet_signs_in_with_none() -> None:
    assert not any(verify_password(NO_PASSWORD, tried) for tried in (NO_PASSWORD, "", "anything"))
