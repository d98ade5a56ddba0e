"""How the account rules refuse. Like the errors of the core, each carries the wire contract's code and a sentence.

They are not derived from `tasks.errors.TaskroomError`, because `accounts` lies below `tasks`; edges treat both alike.
"""

from __future__ import annotations

from typing import Any


class AccountError(Exception):
    """The root. `field` names the form field that the sentence belongs to, where there is one."""

    code = "invalid_payload"
    status = 400

    def __init__(self, message: str, *, field: str | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.retry_after_s = retry_after_s

    @property
    def details(self) -> dict[str, Any] | None:
        """The part of the error shape that lets a form put the sentence beside its field."""
        return {"fields": {self.field: self.message}} if self.field else None


class InvalidUsername(AccountError):
    """The user name is empty, too long or holds characters that cannot be seen."""


class WeakPassword(AccountError):
    """The password breaks one of the password rules."""


class UsernameTaken(AccountError):
    """Another account has this user name, perhaps written with other capital letters."""

    code, status = "conflict", 409


class NoSuchAccount(AccountError):
    """There is no user, session or token of this name or number (or it belongs to somebody else)."""

    code, status = "not_found", 404


class LastAdmin(AccountError):
    """The change would leave the server without an active admin."""

    code, status = "conflict", 409


class SetupClosed(AccountError):
    """The setup link was used, has ended, or an account exists already."""

    code, status = "not_found", 410


class LinkEnded(AccountError):
    """The link for a new password was used, has ended, or its person is disabled."""

    code, status = "not_found", 410


class WrongLogin(AccountError):
    """User name or password is not right. Never says which."""

    code, status = "unauthenticated", 401


class TooManyTries(AccountError):
    """Signing in is paused for this user name or address; `retry_after_s` says how long."""

    code, status = "rate_limited", 429
