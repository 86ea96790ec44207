"""What subscribers of a live feed get, and when a feed runs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from celery_monitor.errors import BadRequest, StoreUnreachable
from celery_monitor.web import feeds
from celery_monitor.web.answers import Live
from celery_monitor.web.feeds import ALIVE, Feeds, Subscriber


class Summaries:
    """Loads what it is told to, and counts."""

    def __init__(self) -> None:
        self.now: dict[str, Any] | Exception = {"n": 0}
        self.loaded = 0

    async def __call__(self, window: str) -> Live:
        self.loaded += 1
        if isinstance(self.now, Exception):
            raise self.now
        return Live(json.dumps({"window": window, **self.now}).encode(), dict(self.now))


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Feeds go round as fast as they can."""
    for name in ("LEAST_PAUSE_S", "ERROR_PAUSE_S", "COST_RATIO"):
        monkeypatch.setattr(feeds, name, 0.0)


def run(scenario: Callable[[Feeds, Summaries], Awaitable[None]]) -> None:
    async def main() -> None:
        load = Summaries()
        live = Feeds(load)
        try:
            await asyncio.wait_for(scenario(live, load), 20)
        finally:
            await live.close()

    asyncio.run(main())


async def frame(subscriber: Subscriber) -> dict[str, Any]:
    frame: dict[str, Any] = json.loads(await subscriber.take())
    return frame


def test_every_change_is_told_and_nothing_else() -> None:
    async def scenario(live: Feeds, load: Summaries) -> None:
        one = live.subscribe("1h")
        assert await frame(one) == {"kind": "summary", "summary": {"window": "1h", "n": 0}}
        seen = load.loaded
        while load.loaded < seen + 3:  # the same again and again
            await asyncio.sleep(0)
        load.now = {"n": 1}
        assert (await frame(one))["summary"]["n"] == 1

    run(scenario)


def test_who_comes_later_gets_the_latest_at_once() -> None:
    async def scenario(live: Feeds, load: Summaries) -> None:
        await live.subscribe("1h").take()
        load.now = StoreUnreachable("must not be needed")
        assert (await frame(live.subscribe("1h")))["kind"] == "summary"

    run(scenario)


def test_a_subscriber_that_was_busy_gets_the_newest_only() -> None:
    async def scenario(live: Feeds, load: Summaries) -> None:
        slow, fast = live.subscribe("1h"), live.subscribe("1h")
        for n in range(1, 4):
            await fast.take()
            load.now = {"n": n}
        while (await frame(fast))["summary"]["n"] != 3:
            pass
        assert (await frame(slow))["summary"]["n"] == 3

    run(scenario)


def test_a_store_that_is_down_is_told_and_outlived() -> None:
    async def scenario(live: Feeds, load: Summaries) -> None:
        load.now = StoreUnreachable("redis is away")
        one = live.subscribe("1h")
        assert await frame(one) == {
            "kind": "error",
            "error": {"code": "store_unreachable", "message": "redis is away"},
        }
        load.now = {"n": 7}
        assert (await frame(one))["summary"]["n"] == 7

    run(scenario)


def test_without_news_clients_hear_that_the_feed_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "ALIVE_S", 0.0)

    async def scenario(live: Feeds, _: Summaries) -> None:
        one = live.subscribe("1h")
        assert (await frame(one))["kind"] == "summary"
        assert await frame(one) == {"kind": "alive"}

    run(scenario)


def test_a_sign_of_life_never_replaces_news() -> None:
    async def scenario(*_: object) -> None:
        one = Subscriber()
        one.offer(b"news")
        one.offer(ALIVE)
        assert await one.take() == b"news"

    run(scenario)


def test_a_feed_ends_with_its_last_subscriber() -> None:
    async def scenario(live: Feeds, load: Summaries) -> None:
        one, two = live.subscribe("1h"), live.subscribe("1h")
        await one.take()
        live.unsubscribe("1h", one)
        live.unsubscribe("1h", one)
        assert len(live) == 1
        live.unsubscribe("1h", two)
        await asyncio.sleep(0)
        seen = load.loaded
        for _ in range(20):
            await asyncio.sleep(0)
        assert (load.loaded, len(live)) == (seen, 0)

    run(scenario)


def test_subscribers_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "MAX_SUBSCRIBERS", 2)

    async def scenario(live: Feeds, _: Summaries) -> None:
        live.subscribe("1h")
        live.subscribe("6h")
        with pytest.raises(BadRequest, match="2 browsers are connected"):
            live.subscribe("1h")

    run(scenario)
