"""Every way in which Taskroom refuses or fails, each named after the rule that was broken.

`code` is the word of the wire contract; `message` is one sentence that a person can act on. The two edges (HTTP and
Socket.IO) turn these into the one error shape; anything else becomes `internal` with a reference id in the log.
"""

from __future__ import annotations

from typing import Any


class TaskroomError(Exception):
    """The root. Carries what the wire contract's error shape needs.

    `refused` names what the asker had no right to (`task:<id>`): it goes into the audit log and never to them.
    """

    code = "internal"
    status = 500

    def __init__(
        self,
        message: str,
        *,
        details: dict[str, Any] | None = None,
        retry_after_s: float | None = None,
        refused: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.details = details
        self.retry_after_s = retry_after_s
        self.refused = refused


class Unauthenticated(TaskroomError):
    """Nobody is signed in, or the login or token no longer counts."""

    code, status = "unauthenticated", 401


class Forbidden(TaskroomError):
    """The asker is known and may see the thing, but may not do this to it."""

    code, status = "forbidden", 403


class NotFound(TaskroomError):
    """There is no such thing, or the asker may not know of it."""

    code, status = "not_found", 404


class InvalidPayload(TaskroomError):
    """What was sent does not have the promised form."""

    code, status = "invalid_payload", 400


class InvalidParams(InvalidPayload):
    """A job's parameters are wrong. `problems` maps each field to a sentence."""

    status = 422

    def __init__(self, problems: dict[str, str]) -> None:
        first = next(iter(problems.values()), "The parameters are not valid.")
        super().__init__(first, details={"fields": problems})
        self.problems = problems


class RateLimited(TaskroomError):
    """Too many requests; `retry_after_s` says when to go on."""

    code, status = "rate_limited", 429


class Conflict(TaskroomError):
    """The thing is not in a state that allows this."""

    code, status = "conflict", 409


class Unavailable(TaskroomError):
    """A part that is needed (database, Redis, workers) cannot be reached now."""

    code, status = "unavailable", 503


class IllegalTransition(Conflict):
    """A task was asked to go to a state that its present one does not lead to."""


class LeaseLost(TaskroomError):
    """This worker's attempt is no longer the task's: another has it, or it has ended. The worker must stop."""

    code, status = "conflict", 409


class Cancelled(BaseException):
    """Raised inside a job at its next progress call after a cancel was asked for.

    A BaseException, so that a job's own `except Exception` does not swallow it.
    """


class Retryable(Exception):
    """A job meets passing trouble: the task is tried again, as its retry policy says."""


class JobFailed(Exception):
    """A job cannot do its work, and trying again would not help. The message is shown to people as it is."""
