"""What a user name may be, and when two of them are the same."""

from __future__ import annotations

import unicodedata

from accounts.errors import InvalidUsername

MAX_USERNAME_LENGTH = 64


def clean_username(typed: str) -> str:
    """The user name as it is shown: NFKC, without space around it.

    Raises InvalidUsername when it is empty, longer than 64 characters, or holds control, format or unassigned
    characters (a right-to-left mark would let one name look like another).
    """
    if len(typed) > 4 * MAX_USERNAME_LENGTH:
        raise _invalid(f"A user name has at most {MAX_USERNAME_LENGTH} characters.")
    name = unicodedata.normalize("NFKC", typed).strip()
    if not name:
        raise _invalid("Enter a user name.")
    if len(name) > MAX_USERNAME_LENGTH:
        raise _invalid(f"A user name has at most {MAX_USERNAME_LENGTH} characters; this one has {len(name)}.")
    if any(unicodedata.category(character) in ("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp") for character in name):
        raise _invalid("A user name holds only characters that can be seen.")
    return name


def name_key(typed: str) -> str:
    """The folded form that is unique: equal for names that differ in case or in Unicode form alone."""
    shown = unicodedata.normalize("NFKC", typed[: 4 * MAX_USERNAME_LENGTH]).strip()
    return unicodedata.normalize("NFKC", shown.casefold())


def _invalid(message: str) -> InvalidUsername:
    return InvalidUsername(message, field="username")
