"""What we take of the server's memory, kind by kind."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Any, Final

from celery_monitor.store import inbox, seen
from celery_monitor.store.connection import Store
from celery_monitor.store.cursor import TasksCursor
from celery_monitor.store.encoding.packing import BROKEN
from celery_monitor.store.keys import Keys
from celery_monitor.store.rollups.tier_bytes import TierBytes

_SAMPLES: Final = 50
"""Fields of a hash that the server measures; the others are taken to be like them."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Bytes of all our keys.

    Attributes:
        executions: stored rows and their index.
        logs: log records and attempts that failed, and their index.
        rollups: buckets of all tiers.
        inbox: what waits for the fold.
        rest: totals since ever, live table, open runs and waits, alerts, what was seen.
    """

    executions: int = 0
    logs: int = 0
    rollups: int = 0
    inbox: int = 0
    rest: int = 0

    @property
    def total(self) -> int:
        """All of it."""
        return self.executions + self.logs + self.rollups + self.inbox + self.rest

    def __add__(self, other: Usage) -> Usage:
        return Usage(*(mine + its for mine, its in zip(astuple(self), astuple(other), strict=True)))


def read(store: Store, now_us: int) -> Usage:
    """Ask the server, in one round trip per shard; what it will not tell counts as nothing.

    Raises:
        StoreError: the store does not answer.
    """
    return sum((_of_shard(shard, now_us) for shard in store.shards), start=Usage())


def _of_shard(store: Store, now_us: int) -> Usage:
    keys = store.keys
    with store.translated():
        pipe = store.client.pipeline(transaction=False)
        pipe.get(keys.cursor(inbox.TASKS))
        pipe.get(keys.rollup_bytes)
        pipe.hvals(keys.inbox_bytes)
        for key in _rest(keys, now_us):
            pipe.memory_usage(key, samples=_SAMPLES)
        cursor, held, waiting, *sizes = pipe.execute(raise_on_error=False)
    return Usage(
        **_stored(cursor),
        rollups=TierBytes.load(held).total if isinstance(held, bytes) else 0,
        inbox=sum(int(n) for n in waiting if n.isdigit()) if isinstance(waiting, list) else 0,
        rest=sum(n for n in sizes if isinstance(n, int)),
    )


def _rest(keys: Keys, now_us: int) -> list[str]:
    told = [keys.live, keys.lifetime, keys.alerts, keys.skipped, keys.rollup_bytes]
    told += [keys.lost, keys.runs, keys.waits, keys.workers, keys.retried, keys.broker, keys.beats, keys.fires]
    days = seen.days(now_us)
    return told + [keys.seen(kind, day) for kind in (inbox.METRICS, inbox.TASKS) for day in days]


def _stored(raw: Any) -> dict[str, int]:
    try:
        cursor = TasksCursor.load(raw if isinstance(raw, bytes) else None)
    except BROKEN:
        cursor = TasksCursor()
    return {"executions": cursor.executions.stored_bytes, "logs": cursor.logs.stored_bytes}
