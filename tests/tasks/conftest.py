"""Fixtures of the core's tests."""

from tests.tasks.attempt import attempt, make_attempt

__all__ = ["attempt", "make_attempt"]
