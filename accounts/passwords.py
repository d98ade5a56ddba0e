"""Password hashes (argon2id) and the rules for new passwords.

Hashing takes tens of milliseconds of CPU on purpose: callers inside a web process run `hash_password` and
`verify_password` through `extensions.offload`.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from accounts.errors import WeakPassword
from accounts.usernames import name_key

NO_PASSWORD = "!"  # noqa: S105  # no hash is written so
"""in place of a hash: this person has not chosen a password yet"""
MIN_PASSWORD_LENGTH = 10
MAX_PASSWORD_LENGTH = 1024

# OWASP's smallest memory setting (19 MiB) with one more pass: many parallel logins cost bounded memory.
_hasher = PasswordHasher(time_cost=3, memory_cost=19 * 1024, parallelism=1)

_WALKS = (
    "0123456789" * 3,
    "abcdefghijklmnopqrstuvwxyz" * 2,
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
    "1qaz2wsx3edc4rfv5tgb6yhn",
)
_TRIMMINGS = "0123456789!?.,@#$%&*_-+ "
_UNLEET = str.maketrans("013457@$!", "oieastasi")


def hash_password(password: str) -> str:
    """The argon2id hash to store. Slow: see the module."""
    return _hasher.hash(_form(password))


def verify_password(password_hash: str | None, password: str) -> bool:
    """Whether the password is right; takes the same time for whoever has none, and without a hash for nobody at all."""
    if len(password) > MAX_PASSWORD_LENGTH:
        password = ""
    if password_hash is None or password_hash == NO_PASSWORD:
        _hasher.hash(_form(password))
        return False
    try:
        return _hasher.verify(password_hash, _form(password))
    except (VerificationError, InvalidHashError):
        return False


def needs_rehash(password_hash: str) -> bool:
    """Whether the hash was made with other parameters than today's, so that a sign-in should renew it."""
    return _hasher.check_needs_rehash(password_hash)


def require_good_password(password: str, username: str) -> None:
    """Raises WeakPassword with the rule that a new password breaks: length, the user name, the commonest ones."""
    if problem := password_problem(password, username):
        raise WeakPassword(problem, field="password")


def password_problem(password: str, username: str) -> str | None:
    """The sentence that says why this password is refused, or None."""
    if len(password) > MAX_PASSWORD_LENGTH:
        return f"A password has at most {MAX_PASSWORD_LENGTH} characters."
    if len(password) < MIN_PASSWORD_LENGTH:
        return f"A password has at least {MIN_PASSWORD_LENGTH} characters; this one has {len(password)}."
    folded = name_key(password)
    rest = folded.replace(name_key(username), "")
    if rest != folded and (len(rest) < 4 or _is_count(rest)):
        return "The password must not be the user name."
    if len(set(folded)) < 5:
        return "The password repeats a few characters. Use more different ones."
    if _is_common(folded):
        return "This password is one of the first that are guessed. Choose another."
    return None


def _is_common(folded: str) -> bool:
    if any(folded in walk or folded in walk[::-1] for walk in _WALKS):
        return True
    stem = folded.strip(_TRIMMINGS)
    if not stem:
        return _is_count(folded)
    return any(_is_common_word(spelling) for spelling in (folded, stem, stem.translate(_UNLEET)))


def _is_common_word(spelling: str) -> bool:
    """Whether the letters are a common word, or two of them, with hardly anything else between."""
    letters = "".join(character for character in spelling if character.isalpha())
    if len(letters) < len(spelling) - 6:
        return False
    words = _common_words()
    return letters in words or any(
        letters[:cut] in words and letters[cut:] in words for cut in range(3, len(letters) - 2)
    )


def _is_count(folded: str) -> bool:
    """Whether there are only digits and signs, and the digits are a row (12345678), a date or a few repeated ones."""
    if folded.strip(_TRIMMINGS):
        return False
    digits = "".join(character for character in folded if character.isdigit())
    return len(set(digits)) < 6 or any(digits in walk or digits in walk[::-1] for walk in _WALKS)


def _form(password: str) -> bytes:
    """One form for every keyboard: composed and decomposed accents are the same password."""
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")


@cache
def _common_words() -> frozenset[str]:
    """Words on which the commonest passwords are built: `Password2026!` is as easy to guess as `password`."""
    return frozenset((Path(__file__).parent / "common_words.txt").read_text("utf-8").split())
