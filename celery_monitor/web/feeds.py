"""Live summaries: one loop per window while somebody looks, a frame to all who look when it changed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from celery_monitor.errors import BadRequest
from celery_monitor.web import answers

LEAST_PAUSE_S: Final = 1.0  # agents flush no more often
MOST_PAUSE_S: Final = 10.0  # a page that is older is called stale by its reader
ERROR_PAUSE_S: Final = 3.0  # a store that is down is asked less often, and logged less
COST_RATIO: Final = 9  # pause at least 9 times as long as the last answer took: a feed is busy 10 % at most
ALIVE_S: Final = 5.0  # without news a short frame tells clients that the feed stands

MAX_SUBSCRIBERS: Final = 200  # per Flower; who comes later polls

ALIVE: Final = b'{"kind":"alive"}'

Load = Callable[[str], Awaitable[answers.Live]]


class Subscriber:
    """One browser's place in a feed: it takes the newest frame when it can and holds no other."""

    def __init__(self) -> None:
        self._frame = b""
        self._news = asyncio.Event()

    def offer(self, frame: bytes) -> None:
        """Put a frame in place of one that has not been taken yet; `ALIVE` never replaces another."""
        if not (frame == ALIVE and self._news.is_set()):
            self._frame = frame
            self._news.set()

    async def take(self) -> bytes:
        """Wait for a frame and return it."""
        await self._news.wait()
        self._news.clear()
        return self._frame


class Feeds:
    """The running feeds by window.

    Parameters:
        load: returns the summary of a window; may raise any `MonitorError`.
    """

    def __init__(self, load: Load) -> None:
        self._load = load
        self._feeds: dict[str, _Feed] = {}

    def __len__(self) -> int:
        return sum(len(feed.subscribers) for feed in self._feeds.values())

    def subscribe(self, window: str) -> Subscriber:
        """Return a new subscriber of a window's feed, which starts with the first.

        Raises:
            BadRequest: there are `MAX_SUBSCRIBERS` already.
        """
        if len(self) >= MAX_SUBSCRIBERS:
            raise BadRequest("too_many", f"live feed: {MAX_SUBSCRIBERS} browsers are connected; poll the summary")
        feed = self._feeds.get(window)
        if feed is None:
            feed = self._feeds[window] = _Feed(window, self._load)
        return feed.add()

    def unsubscribe(self, window: str, subscriber: Subscriber) -> None:
        """Take a subscriber out; the feed ends with its last."""
        feed = self._feeds.get(window)
        if feed is None:
            return
        feed.subscribers.discard(subscriber)
        if not feed.subscribers:
            feed.task.cancel()
            del self._feeds[window]

    async def close(self) -> None:
        """End all feeds and wait for that."""
        tasks = [feed.task for feed in self._feeds.values()]
        self._feeds.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Feed:
    """The loop of one window and who listens to it."""

    def __init__(self, window: str, load: Load) -> None:
        self.subscribers: set[Subscriber] = set()
        self._window = window
        self._load = load
        self._latest = b""
        self.task = asyncio.create_task(self._run())

    def add(self) -> Subscriber:
        subscriber = Subscriber()
        if self._latest:  # who comes later must not wait for the next change
            subscriber.offer(self._latest)
        self.subscribers.add(subscriber)
        return subscriber

    async def _run(self) -> None:
        shown: object = None
        sent_s = 0.0
        while True:
            began_s = time.monotonic()
            pause_s = LEAST_PAUSE_S
            facts: object
            try:
                live = await self._load(self._window)
                frame, facts = b'{"kind":"summary","summary":' + live.body + b"}", live.facts
            except Exception as error:  # noqa: BLE001 - a feed outlives a failing store; the client is told
                facts = answers.problem(error).body()
                frame, pause_s = b'{"kind":"error",' + facts[1:], ERROR_PAUSE_S
            now_s = time.monotonic()
            if facts != shown:
                self._latest, shown, sent_s = frame, facts, now_s
                self._tell(frame)
            elif now_s - sent_s >= ALIVE_S:
                sent_s = now_s
                self._tell(ALIVE)
            await asyncio.sleep(min(MOST_PAUSE_S, max(pause_s, COST_RATIO * (now_s - began_s))))

    def _tell(self, frame: bytes) -> None:
        for subscriber in self.subscribers:
            subscriber.offer(frame)
