"""A secret that others could know or guess is refused at the start, by its name and without repeating it."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import pytest

from config import Config, ConfigError, weak_secret_reason
from tests.fixtures.settings import SECRET


@pytest.mark.req("D12")
@pytest.mark.parametrize(
    "weak",
    [
        "secret",
        "short-but-random-9uYw4kQ0zR",
        "x" * 64,
        "abababababababababababababababababab",
        "0123456789012345678901234567890123456789",
        "abcdefghijklmnopqrstuvwxyz0123456789",
        "zyxwvutsrqponmlkjihgfedcba9876543210",
        "change-me-change-me-please-9f8e7d6c5b",
        "your-secret-key-goes-right-here-1234567",
        "django-insecure-9uYw4kQ0zR7mXe2cTbH6sLdJ1aFg",
        "dev_SECRET_KEY_do_not_use_in_production_1",
        "this is my very secret passphrase, friend",
    ],
)
def test_short_repeated_and_sample_secrets_are_refused(make_config: Callable[..., Config], weak: str) -> None:
    with pytest.raises(ConfigError, match=r"^SECRET_KEY: expected at least 32 random characters") as refused:
        make_config(SECRET_KEY=weak)
    assert weak not in str(refused.value)


@pytest.mark.req("D12")
def test_random_secrets_in_every_usual_spelling_pass() -> None:
    assert weak_secret_reason(SECRET) is None
    for make in (secrets.token_hex, secrets.token_urlsafe):
        for size in (24, 32, 48):
            reasons = {weak_secret_reason(make(size)) for _ in range(300)}
            assert reasons == {None}, f"{make.__name__}({size})"


@pytest.mark.req("D12")
def test_without_a_secret_one_is_made_once_for_its_owner_alone(make_config: Callable[..., Config]) -> None:
    first = make_config(SECRET_KEY="")
    kept = first.data_dir / "secret_key"

    assert make_config(SECRET_KEY="").secret_key == first.secret_key
    assert kept.stat().st_mode & 0o777 == 0o600
    assert first.data_dir.stat().st_mode & 0o777 == 0o700
    kept.write_text("half")
    with pytest.raises(ConfigError, match="damaged"):
        make_config(SECRET_KEY="")
