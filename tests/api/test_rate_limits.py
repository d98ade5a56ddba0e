"""How often somebody may change things, on every process together, and without Redis in each."""

from __future__ import annotations

import pytest

from api.rate_limits import Limit, LocalBuckets, RateLimits, network
from delivery.quick_redis import PAUSE_S, QuickRedis
from tasks.errors import RateLimited
from tests.api.room import Caller, Room
from tests.fixtures.machine import wait_until

SMALL = Limit(burst=3, per_s=0.01)


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def limits(redis_url: str | None, per_user: Limit = SMALL) -> RateLimits:
    return RateLimits(QuickRedis(redis_url, "test:"), per_user=per_user, per_address=Limit(1000, 1000))


def allowed(of: RateLimits, user_id: int = 1, most: int = 20) -> int:
    """How many calls pass until one is refused."""
    for number in range(most):
        try:
            of.count_user(user_id)
        except RateLimited:
            return number
    return most


@pytest.mark.req("D6")
@pytest.mark.every_redis
def test_two_processes_share_one_bucket(redis_url: str) -> None:
    first, second = limits(redis_url), limits(redis_url)
    first.count_user(1)
    second.count_user(1)
    assert allowed(first) == 1
    assert allowed(second) == 0
    assert allowed(second, user_id=2) == 3


@pytest.mark.req("D6")
@pytest.mark.every_redis
def test_a_bucket_fills_again(redis_url: str) -> None:
    quick = limits(redis_url, Limit(burst=2, per_s=50))
    assert allowed(quick, most=200) >= 2
    wait_until(lambda: allowed(quick, most=1) == 1, 2, "there is one to take")


@pytest.mark.req("D6", "E2")
def test_without_redis_each_process_counts_for_itself(redis_server) -> None:
    one = limits(redis_server.url)
    redis_server.kill()
    assert allowed(one) == 3
    assert allowed(one) == 0
    assert allowed(limits(None)) == 3


@pytest.mark.req("D6")
def test_tokens_come_back_at_their_rate() -> None:
    clock = Clock()
    buckets = LocalBuckets(clock)
    limit = Limit(burst=2, per_s=0.5)
    assert [buckets.wait_s("a", limit) for _ in range(3)] == [0, 0, 2.0]
    clock.now_s += 1
    assert buckets.wait_s("a", limit) == 1.0
    clock.now_s += 1
    assert buckets.wait_s("a", limit) == 0
    clock.now_s += 1000
    assert [buckets.wait_s("a", limit) for _ in range(3)] == [0, 0, 2.0]


def test_many_addresses_do_not_fill_the_memory() -> None:
    buckets = LocalBuckets(Clock())
    for number in range(25_000):
        buckets.wait_s(str(number), SMALL)
    assert len(buckets._kept) <= 10_000


@pytest.mark.parametrize(
    ("address", "counted_as"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::"),
        ("", "unknown"),
        ("no address", "unknown"),
    ],
)
def test_an_address_is_counted_as_what_one_client_holds(address: str, counted_as: str) -> None:
    assert network(address) == counted_as


@pytest.mark.req("D6")
def test_who_is_over_the_limit_is_told_when_to_go_on(room: Room, ada: Caller, bob: Caller) -> None:
    api = room.app.extensions["taskroom_api"]
    object.__setattr__(api, "limits", limits(room.config.redis_url))
    answers = [ada.post("/tasks", {"kind": "test_count"}) for _ in range(4)]
    assert [each.status_code for each in answers] == [202, 202, 202, 429]
    error = answers[-1].json["error"]
    assert error["code"] == "rate_limited"
    assert error["retry_after_s"] == int(answers[-1].headers["Retry-After"]) == 100
    assert error["message"] == "Too many requests. Go on in 100 seconds."
    assert ada.get("/tasks").status_code == 200
    assert bob.post("/tasks", {"kind": "test_count"}).status_code == 202


@pytest.mark.req("D6")
def test_guesses_from_one_address_are_counted_before_anybody_is_known(room: Room) -> None:
    api = room.app.extensions["taskroom_api"]
    object.__setattr__(api, "limits", RateLimits(api.quick, per_address=SMALL))
    statuses = [room.nobody().post("/api/v1/tasks", json={}).status_code for _ in range(4)]
    assert statuses == [401, 401, 401, 429]


@pytest.mark.req("B13")
def test_a_redis_that_says_nothing_is_asked_once_in_a_while(redis_server) -> None:
    clock = Clock()
    quick = QuickRedis(redis_server.url, "test:", clock)
    assert quick.ask(lambda client: client.ping()) is True
    redis_server.pause()
    asked: list[int] = []

    def question(client) -> bool:
        asked.append(1)
        return bool(client.ping())

    assert [quick.ask(question) for _ in range(5)] == [None] * 5
    assert len(asked) == 1
    redis_server.resume()
    clock.now_s += PAUSE_S
    assert quick.ask(question) is True
