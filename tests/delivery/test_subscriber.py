"""A web process's ear on Redis: it hears what it subscribed to, and comes back by itself."""

from __future__ import annotations

import threading
import time

import pytest
import redis

from delivery.subscriber import Subscriber
from tests.fixtures.machine import wait_until

pytestmark = pytest.mark.req("A18", "E3")


class Ear:
    """A running subscriber and what it heard."""

    def __init__(self, url: str) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self.lost = self.back = 0
        self.subscriber = Subscriber(url, self._hear, self._lose, self._return)
        threading.Thread(target=self.subscriber.run, daemon=True).start()

    def _hear(self, channel: str, payloads: list[bytes]) -> None:
        self.heard += [(channel, payload) for payload in payloads]

    def _lose(self) -> None:
        self.lost += 1

    def _return(self) -> None:
        self.back += 1


@pytest.fixture
def ear(redis_url) -> Ear:
    one = Ear(redis_url)
    wait_until(lambda: one.subscriber.is_live, 5, "it is live")
    return one


@pytest.mark.every_redis
def test_it_hears_its_channels_and_no_others(ear, redis_client):
    ear.subscriber.subscribe("a")
    ear.subscriber.subscribe("b")
    for channel in ("a", "other", "b"):
        redis_client.publish(channel, channel)
    wait_until(lambda: len(ear.heard) == 2, 5, "both are heard")
    assert ear.heard == [("a", b"a"), ("b", b"b")]
    ear.subscriber.unsubscribe("a")
    wait_until(lambda: redis_client.pubsub_numsub("a")[0][1] == 0, 5, "nobody listens to a")


def test_a_channel_that_is_left_and_taken_again_at_once_is_heard_from_the_confirmation_on(ear, redis_client):
    """A late confirmation of the first subscription must not count for the second: an UNSUBSCRIBE lies between."""
    for turn in range(300):
        channel = f"c{turn}"
        early = threading.Thread(target=_quietly, args=(ear.subscriber.subscribe, channel))
        early.start()
        ear.subscriber.unsubscribe(channel)
        ear.subscriber.subscribe(channel)
        assert redis_client.publish(channel, "x") == 1, f"turn {turn}"
        early.join()


def _quietly(act, channel: str) -> None:
    try:
        act(channel)
    except redis.RedisError:
        return


def test_what_messages_do_wrong_costs_only_those_that_came_with_them(redis_url, redis_client):
    heard = []

    def take(_channel: str, payloads: list[bytes]) -> None:
        heard.extend(payloads)
        if b"bad" in payloads:
            raise ValueError("not what was expected")

    one = Subscriber(redis_url, take, lambda: None, lambda: None)
    threading.Thread(target=one.run, daemon=True).start()
    wait_until(lambda: one.is_live, 5, "it is live")
    one.subscribe("a")
    redis_client.publish("a", "bad")
    wait_until(lambda: heard == [b"bad"], 5, "the first arrived")
    redis_client.publish("a", "good")
    wait_until(lambda: heard == [b"bad", b"good"], 5, "both arrived")
    assert one.is_live


def test_a_listener_that_fails_when_redis_goes_does_not_deafen_the_process(redis_server):
    returns = []

    def fail() -> None:
        raise RuntimeError("one socket was closed already")

    one = Subscriber(redis_server.url, lambda *_: None, fail, lambda: returns.append(1))
    threading.Thread(target=one.run, daemon=True).start()
    wait_until(lambda: returns, 5, "it is live")
    redis_server.kill()
    wait_until(lambda: not one.is_live, 5, "it has noticed")
    redis_server.start()
    wait_until(lambda: len(returns) == 2, 5, "it is back")


@pytest.mark.slow
@pytest.mark.every_redis
@pytest.mark.parametrize("how", ["kill", "pause"])
def test_it_is_back_within_two_seconds_of_redis(redis_server, how):
    ear = Ear(redis_server.url)
    wait_until(lambda: ear.subscriber.is_live, 5, "it is live")
    ear.subscriber.subscribe("a")
    (redis_server.kill if how == "kill" else redis_server.pause)()
    wait_until(lambda: not ear.subscriber.is_live, 8, "it has noticed")
    with pytest.raises(redis.RedisError):
        ear.subscriber.subscribe("b")
    (redis_server.start if how == "kill" else redis_server.resume)()
    started_s = time.monotonic()
    wait_until(lambda: ear.subscriber.is_live, 2, "it is back within 2 s")
    print(f"{how}: back after {time.monotonic() - started_s:.2f} s")
    assert (ear.lost, ear.back) == (1, 2)
    with redis_server.client() as client:
        for channel in ("a", "b"):
            wait_until(lambda c=channel: client.publish(c, "x") == 1, 2, "wishes from before are kept")
