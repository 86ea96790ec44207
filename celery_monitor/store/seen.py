"""Which batches were folded: per boot, intervals of n, in one hash per day so that forgetting is expiry."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import Any, Final

from celery_monitor.store.commit import Commit
from celery_monitor.store.encoding import packing, shapes
from celery_monitor.store.keys import DAY_S, SEEN_S, Keys

MAX_SPANS: Final = 256
"""More holes than this in a boot's numbers are no delay but loss: the oldest hole is closed."""

Spans = list[int]
"""``[first, last, first, last, ...]``, ascending, with holes between."""


_SPANS: Final = shapes.checker(list[int])


def holds(spans: Spans, n: int) -> bool:
    """Return whether n is in one of the spans.

    >>> [holds([1, 4, 7, 7], n) for n in (1, 4, 5, 7, 8)]
    [True, True, False, True, False]
    """
    at = bisect_right(spans, n)
    return at % 2 == 1 or (at > 0 and spans[at - 1] == n)


def add(spans: Spans, n: int) -> None:
    """Add n, which must not be held yet, and join spans that touch.

    >>> spans = [1, 4, 7, 7]; add(spans, 6); add(spans, 5); spans
    [1, 7]
    """
    at = bisect_right(spans, n)
    left = at > 0 and spans[at - 1] == n - 1
    right = at < len(spans) and spans[at] == n + 1
    if left and right:
        del spans[at - 1 : at + 1]
    elif left:
        spans[at - 1] = n
    elif right:
        spans[at] = n
    else:
        spans[at:at] = (n, n)
    if len(spans) > 2 * MAX_SPANS:
        del spans[1:3]


def days(now_us: int) -> list[int]:
    """Return the days whose hashes count, today first.

    Tomorrow counts too: after a failover the new server's clock may be behind the one that was folded by.
    """
    today = now_us // 1_000_000 // DAY_S
    return [today, today + 1, *(today - back for back in range(1, SEEN_S // DAY_S))]


class Seen:
    """The batches of some boots that were folded, and those of this run.

    Parameters:
        boots: the boots asked for.
        answers: for each day of `days`, the values of those boots' fields (HMGET).
    """

    def __init__(self, boots: list[bytes], answers: Iterable[Iterable[bytes | None]]) -> None:
        self._days: list[dict[bytes, Spans]] = [
            {boot: _load(raw) for boot, raw in zip(boots, values, strict=True) if raw} for values in answers
        ]
        self._changed: dict[bytes, None] = {}

    def take(self, boot: bytes, n: int) -> bool:
        """Return True, and remember it, when the batch is new."""
        if any(boot in day and holds(day[boot], n) for day in self._days):
            return False
        add(self._days[0].setdefault(boot, []), n)
        self._changed[boot] = None
        return True

    def write(self, commit: Commit, keys: Keys, kind: str, now_us: int) -> None:
        """Add what was taken since the last commit to one."""
        if not self._changed:
            return
        key = keys.seen(kind, days(now_us)[0])
        pairs: list[Any] = []
        for boot in self._changed:
            pairs += (boot, packing.pack(self._days[0][boot]))
        for at in range(0, len(pairs), 2000):
            commit.add("HSET", key, *pairs[at : at + 2000])
        commit.add("EXPIRE", key, SEEN_S)
        self._changed = {}


def ask(pipe: Any, keys: Keys, kind: str, boots: list[bytes], now_us: int) -> None:
    """Add the reads of `Seen`'s answers to a pipeline, one per day; `boots` must not be empty."""
    for day in days(now_us):
        pipe.hmget(keys.seen(kind, day), boots)


def _load(raw: bytes) -> Spans:
    """Return the spans in their bytes, none for broken ones: what is broken may not stop the fold."""
    try:
        spans: Any = packing.unpack(raw)
    except packing.Undecodable:
        return []
    return spans if _SPANS(spans) and len(spans) % 2 == 0 else []
