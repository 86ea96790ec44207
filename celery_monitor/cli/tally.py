"""Compares what an independent witness saw published with what the monitor recorded, per task name."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import redis

UNACKED: Final = "unacked"
"""Where kombu's Redis transport keeps messages that a worker holds, tasks with an ETA above all."""


def recorded(lifetime: Mapping[tuple[str, ...], Any]) -> Counter[str]:
    """Return ended attempts per task name out of `Reader.lifetime()`.

    >>> from celery_monitor.model import Cell
    >>> cell = Cell(); cell.counts = {0: 3, 1: 2, 3: 1}
    >>> recorded({("task", "shop.pay", "a"): cell, ("task", "shop.pay", "b"): cell, ("infra", "x"): cell})
    Counter({'shop.pay': 6})
    """
    counts: Counter[str] = Counter()
    for series, cell in lifetime.items():
        if series[0] == "task":
            counts[series[1]] += cell.ended
    return counts


@dataclass
class Tally:
    """Published against recorded.

    Args:
        published: messages per task name, by the witness; an attempt that is retried sends one more.
        recorded: ended attempts per task name, by the monitor.
    """

    published: Counter[str] = field(default_factory=Counter)
    recorded: Counter[str] = field(default_factory=Counter)

    @property
    def agrees(self) -> bool:
        """Whether something was published, and the same was recorded of every task name."""
        return bool(self.published.total()) and +self.published == +self.recorded

    def lines(self) -> Iterable[str]:
        """Yield the table's lines."""
        names = sorted({*+self.published, *+self.recorded})
        width = max([len(name) for name in names] + [20])
        yield f"  {'task':<{width}}  published  recorded"
        for name in names:
            here, there = self.published[name], self.recorded[name]
            yield f"  {name:<{width}}  {here:>9}  {there:>8}{_difference(there - here)}"
        total, found = self.published.total(), self.recorded.total()
        yield f"  {'all':<{width}}  {total:>9}  {found:>8}{_difference(found - total)}"


def _difference(n: int) -> str:
    return "" if n == 0 else f"   {-n} missing" if n < 0 else f"   {n} too many"


def waiting(client: redis.Redis, queues: Iterable[str]) -> int:
    """Return messages that are in the queues or held by a worker, those with an ETA included."""
    pipe = client.pipeline(transaction=False)
    for queue in queues:
        pipe.llen(queue)
    pipe.hlen(UNACKED)
    return sum(pipe.execute())


def settle(look: Callable[[], tuple[Tally, int]], seconds: float, quiet_s: float = 20.0) -> Tally:
    """Look until everything published has been recorded and nothing waits, or nothing changes any more.

    Args:
        look: returns the tally of this moment, and how many messages still wait.
        seconds: the longest wait.
        quiet_s: end earlier when nothing waits and no number changed for so long.
    """
    began = changed = time.monotonic()
    before: Tally | None = None
    while True:
        tally, left = look()
        now = time.monotonic()
        if tally.agrees and not left:
            return tally
        if tally != before or left:
            before, changed = tally, now
        if now - began > seconds or now - changed > quiet_s:
            return tally
        time.sleep(0.25)
