"""Counts what is stored, task by task: in the rows and in the counters apart from each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from celery_monitor.errors import StoreRefused, StoreUnreachable
from celery_monitor.model import Attempt, Batch
from celery_monitor.query.reader import Reader
from celery_monitor.store import inbox
from celery_monitor.store.connection import Store
from celery_monitor.store.encoding.blob import Blob
from tests.store.batches import NOW_US, attempt, batch
from tests.store.shelved import stored_blocks
from tests.waiting import until

SECOND = 1_000_000
NAMES = 7
"""Tasks of the synthetic agents go round so many names."""


def work(boots: int, batches: int, rows: int, *, at_us: int = NOW_US, first: int = 0) -> list[Batch]:
    """Return the batches of some agents, in the order in which they are flushed; every task is another one."""
    made = []
    for n in range(1, batches + 1):
        for boot in range(boots):
            start = first + (boot * batches + n) * rows
            tasks = [attempt(i, at_us=at_us, task=f"shop.task{i % NAMES}") for i in range(start, start + rows)]
            made.append(batch(n, tasks, boot=b"agent-%010d" % (first + boot), at_us=at_us))
    return made


def attempts(batches: Iterable[Batch]) -> list[Attempt]:
    """Return all attempts in some batches."""
    return [row for one in batches for row in one.attempts]


def rows(store: Store) -> Counter[bytes]:
    """Return how often each attempt's uid is in the blocks."""
    uids: Counter[bytes] = Counter()
    for raw in stored_blocks(store):
        uids.update(Blob(raw).column("attempts", "uid"))
    return uids


def lifetime(store: Store, now_us: int) -> Counter[str]:
    """Return the ends by task name, from the totals since ever."""
    found: Counter[str] = Counter()
    for series, cell in Reader(store).lifetime(now_us).items():
        found[series[1]] += cell.ended
    return +found


def window(store: Store, seconds: int, now_us: int) -> Counter[str]:
    """Return the ends by task name, from the rollups of a window."""
    return +Counter({name: cell.ended for name, cell in Reader(store).tasks(seconds, now_us).items()})


def assert_exact(store: Store, expected: Sequence[Attempt], now_us: int, *, seconds: int = 3600) -> None:
    """Fail unless each of these attempts, and no other, is stored once and counted once."""
    found, wanted = rows(store), Counter(row.uid for row in expected)
    assert set(wanted.values()) <= {1}, "the test itself sends attempts twice"
    missing, doubled, foreign = wanted - found, {u: n for u, n in found.items() if n > 1}, set(found) - set(wanted)
    assert not missing, f"{len(missing)} of {len(wanted)} attempts are lost"
    assert not doubled, f"{len(doubled)} attempts are stored more than once"
    assert not foreign, f"{len(foreign)} attempts were never sent"
    names = Counter(row.task for row in expected)
    assert lifetime(store, now_us) == names
    assert window(store, seconds, now_us) == names


def send_until_taken(store: Store, one: Batch, *, seconds: float = 60.0) -> int:
    """Send a batch again and again, as an agent does, until it is acknowledged; return how often it was not."""
    failures = 0

    def taken() -> bool:
        nonlocal failures
        try:
            inbox.send(store, one, None)
        except (StoreUnreachable, StoreRefused):
            failures += 1
            store.close()
            store.room = None
            return False
        return True

    until(taken, seconds=seconds, what=f"batch {one.n} taken")
    return failures
