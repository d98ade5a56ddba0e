"""Which processes live: each says so itself, and who falls silent is gone."""

from __future__ import annotations

import pytest
import redis

from monitoring.presence import GONE_AFTER_S, Presence, present


@pytest.mark.req("H8")
def test_who_beats_is_there_with_its_figures_and_who_leaves_or_dies_is_not(redis_client: redis.Redis) -> None:
    client = redis_client
    web, other = Presence(client, "here:", "web"), Presence(client, "here:", "worker")
    web.beat({"connections": 3})
    other.beat({})
    (seen,) = present(client, "here:", "web")
    assert (seen["name"], seen["role"], seen["figures"]) == (web.name, "web", {"connections": 3})
    assert [each["role"] for each in present(client, "here:", "worker")] == ["worker"]
    assert present(client, "there:", "web") == []

    assert 0 < client.ttl(f"here:process:{web.name}") <= GONE_AFTER_S
    client.delete(f"here:process:{web.name}")  # what its time running out does
    assert present(client, "here:", "web") == []
    assert client.smembers("here:processes:web") == set()
    other.leave()
    assert present(client, "here:", "worker") == []
