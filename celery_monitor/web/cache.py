"""Answers shared for a moment: however many browsers ask the same, the store is asked once."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Executor
from typing import Final, TypeVar, cast

T = TypeVar("T")

FRESH_S: Final = 1.0  # live pages refresh once a second; agents flush no more often than that
CAPACITY: Final = 64  # different questions remembered; each answer is at most a few hundred KiB


class Cache:
    """Runs blocking questions in threads, one at a time per key, and keeps each outcome for a moment.

    A failure is an outcome too: a store that is down is asked once per moment, not once per browser.
    Use it from one event loop.

    Parameters:
        executor: where the questions run.
        fresh_s: how long an outcome is given to others, in seconds.
    """

    def __init__(self, executor: Executor, fresh_s: float = FRESH_S) -> None:
        self._executor = executor
        self._fresh_s = fresh_s
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()

    async def get(self, key: Hashable, ask: Callable[[], T]) -> T:
        """Return or raise what `ask` does, from a run that is going on or ended a moment ago."""
        entry = self._entries.get(key)
        if entry is None or entry.is_old(self._fresh_s):
            entry = self._entries[key] = _Entry(asyncio.get_running_loop().run_in_executor(self._executor, ask))
            self._entries.move_to_end(key)
            while len(self._entries) > CAPACITY:
                self._entries.popitem(last=False)
        # Shielded: a browser that goes away must not cancel the others' answer.
        answer: T = await asyncio.shield(cast("asyncio.Future[T]", entry.outcome))
        return answer


class _Entry:
    """One run of a question: its outcome and when it was there (monotonic clock)."""

    def __init__(self, outcome: asyncio.Future[object]) -> None:
        self.outcome = outcome
        self._ended_s: float | None = None
        outcome.add_done_callback(self._end)

    def _end(self, outcome: asyncio.Future[object]) -> None:
        self._ended_s = time.monotonic()
        if not outcome.cancelled():
            outcome.exception()  # taken, so that asyncio does not report it when every asker has gone

    def is_old(self, fresh_s: float) -> bool:
        return self._ended_s is not None and time.monotonic() - self._ended_s > fresh_s
