"""What lies in the store once everything is folded."""

from __future__ import annotations

from collections import Counter

from celery_monitor.model import PUBLISHED, Attempt, Publish
from celery_monitor.query.reader import Reader
from celery_monitor.signals.record import Reason, State, unpack_id
from celery_monitor.store import fold, lease, meta
from celery_monitor.store.connection import Store
from celery_monitor.store.encoding.blob import Blob
from celery_monitor.store.encoding.columns import ATTEMPTS, PUBLISHES, to_rows
from tests.store.shelved import stored_blocks


def folded(store: Store) -> tuple[list[Attempt], list[Publish]]:
    """Fold, and return every row."""
    meta.check(store)
    fold.fold(store, lease.now_us(store))
    attempts: list[Attempt] = []
    publishes: list[Publish] = []
    for raw in stored_blocks(store):
        blob = Blob(raw)
        attempts += map(Attempt._make, to_rows(ATTEMPTS, blob.columns("attempts")))
        publishes += map(Publish._make, to_rows(PUBLISHES, blob.columns("publishes")))
    return attempts, publishes


def counted(store: Store) -> dict[str, int]:
    """Return the ends by state and the publishes, from the counters alone."""
    total: Counter[str] = Counter()
    for cell in Reader(store).lifetime().values():
        for key, n in cell.counts.items():
            total["PUBLISHED" if key == PUBLISHED else State(key).name] += n
    return {name: n for name, n in total.items() if n}


def final(rows: list[Attempt]) -> dict[bytes, Attempt]:
    """Return the last row of each attempt: a later row of an uid replaces an earlier one."""
    return {row.uid: row for row in rows}


def ends(rows: list[Attempt]) -> dict[str, list[tuple[str, str]]]:
    """Return task id to the states and reasons of its attempts."""
    found: dict[str, list[tuple[str, str]]] = {}
    for row in final(rows).values():
        found.setdefault(unpack_id(row.id), []).append((State(row.state).name, Reason(row.reason).name))
    return found
