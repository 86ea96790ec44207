"""Waits for something outside: the open ones in a hash, beginnings paired with ends in the fold's own commits.

The two halves come from different processes, so in any order and by different clocks: an end closes the wait that is
open when it comes, whatever their clocks say; one that is here first waits for its beginning.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, Final

from celery_monitor.details import Wait, closed
from celery_monitor.model import BUCKET_S, Batch, Cell, Metrics
from celery_monitor.signals.record import State
from celery_monitor.store import inbox
from celery_monitor.store.commit import Commit
from celery_monitor.store.connection import Store
from celery_monitor.store.encoding import packing, shapes
from celery_monitor.store.encoding.packing import BROKEN
from celery_monitor.store.keys import LATE_S, WAITS_S

MOST_OPEN: Final = 10_000
"""Open waits kept; a beginning beyond them is left out and counted."""
MOST_EARLY: Final = 5_000
"""Waits kept, open ones included, beyond which an end without a beginning is left out and counted."""
SKEW_US: Final = 5_000_000
"""An end that is here first and so much older than its beginning is of an earlier wait: another end of that, likely."""
_LOOKED_AT: Final = 20
"""Waits looked at by chance in each commit, whether they are ends whose beginning can come no more."""
ENDED_BADLY: Final = frozenset({"error", "abandoned"})
"""Outcomes that count as failures."""


def open_waits(store: Store) -> list[Wait]:
    """Return the waits that have begun and not ended, the oldest first.

    Raises:
        StoreError: the store does not answer.
    """
    with store.translated():
        raw = [value for shard in store.shards for value in store.client.hvals(shard.keys.waits)]
    found = [wait for wait in map(_load, raw) if wait is not None and wait.begun_us]
    return sorted(found, key=lambda wait: (wait.begun_us, wait.key))


def broken(raw: Iterable[bytes]) -> int:
    """Return how many of the table's values are no waits."""
    return sum(_load(value) is None for value in raw)


def join(known: Wait | None, told: Wait) -> tuple[Wait | None, Wait | None]:
    """Return what stays open (or an early end), and the wait that is whole now.

    >>> begun = Wait(b"", b"", b"", b"k", "approval", "", "", 5, 5, 0, "", "")
    >>> ended = begun._replace(at_us=9, begun_us=0, ended_us=9, outcome="done")
    >>> join(begun, ended) == join(ended, begun), join(begun, ended)[1].begun_us, join(None, begun)[0] == begun
    (True, 5, True)
    """
    if told.begun_us and told.ended_us:
        return None, told
    if known is None:
        return told, None
    if bool(known.begun_us) == bool(told.begun_us):
        return (known if known.begun_us else told), None  # begun twice, or ended twice
    if told.begun_us and told.begun_us - known.ended_us > SKEW_US:
        return told, None
    return None, closed(told, known) if told.begun_us else closed(known, told)


class Pairs:
    """The waits that one commit of the fold touches."""

    def __init__(self, store: Store, now_us: int) -> None:
        self._store = store
        self._late_us = now_us - LATE_S * 1_000_000
        self._known: dict[bytes, Wait | None] = {}
        self._stored: dict[bytes, Wait | None] = {}
        self._open = -1
        self.refused = 0

    def pair(self, told: Sequence[Wait]) -> list[Wait]:
        """Return the waits that these rows make whole."""
        self._fetch([wait.key for wait in told])
        whole = []
        for wait in sorted(told, key=lambda w: w.at_us):
            known = self._known[wait.key]
            if known is None and self._is_too_much(wait):
                self.refused += 1
                continue
            left, done = join(known, wait)
            self._open += (left is not None) - (known is not None)
            self._known[wait.key] = left
            if done is not None:
                whole.append(done)
        return whole

    def _is_too_much(self, wait: Wait) -> bool:
        if wait.begun_us and wait.ended_us:
            return False
        return self._open >= (MOST_OPEN if wait.begun_us else MOST_EARLY)

    def write(self, commit: Commit) -> None:
        """Add what changed to the commit."""
        key = self._store.keys.waits
        changed = {k: wait for k, wait in self._known.items() if wait != self._stored[k]}
        if not changed:
            return
        if gone := [k for k, wait in changed.items() if wait is None]:
            commit.add("HDEL", key, *gone)
        if kept := {k: packing.pack(list(wait)) for k, wait in changed.items() if wait is not None}:
            commit.add("HSET", key, *(part for pair in kept.items() for part in pair))
        commit.add("EXPIRE", key, WAITS_S)

    def _fetch(self, keys: Iterable[bytes]) -> None:
        missing = [k for k in dict.fromkeys(keys) if k not in self._known]
        if not missing:
            return
        with self._store.translated():
            pipe = self._store.client.pipeline(transaction=False)
            pipe.hmget(self._store.keys.waits, missing)
            pipe.hlen(self._store.keys.waits)
            pipe.hrandfield(self._store.keys.waits, _LOOKED_AT, withvalues=True)
            raw, size, others = pipe.execute()
        for k, data in zip(missing, raw, strict=True):
            self._known[k] = self._stored[k] = _load(data)
        if self._open < 0:
            self._open = size
            self._forget(zip(others[::2], others[1::2], strict=True))

    def _forget(self, found: Iterable[tuple[bytes, bytes]]) -> None:
        """Let go of ends so old that their beginning would not be taken any more."""
        for k, data in found:
            wait = _load(data)
            if k not in self._known and wait is not None and not wait.begun_us and wait.ended_us < self._late_us:
                self._known[k], self._stored[k] = None, wait
                self._open -= 1


def count(whole: Sequence[Wait], store: Store, commit: Commit, now_us: int) -> None:
    """Add the cells of waits that have ended to the commit, as a batch for the fold of counters."""
    if not whole:
        return
    metrics = Metrics()
    for wait in whole:
        cell = metrics.cells.setdefault(wait.ended_us // 1_000_000 // BUCKET_S * BUCKET_S, {})
        mine = cell.setdefault(("wait", wait.name), Cell())
        state = int(State.FAILURE if wait.outcome in ENDED_BADLY else State.SUCCESS)
        mine.counts[state] = mine.counts.get(state, 0) + 1
        mine.runtime.add(wait.ended_us - wait.begun_us)
    names = b"".join(wait.key + wait.begun_us.to_bytes(8, "big") for wait in whole)
    batch = Batch(hashlib.blake2b(names, digest_size=16, person=b"waits").digest(), 1, "fold", now_us, metrics)
    inbox.add(commit, store.keys, batch)


def _load(raw: Any) -> Wait | None:
    """Return a stored wait, None for none and for one that is broken."""
    try:
        return shapes.row(Wait, packing.unpack(raw)) if raw else None
    except BROKEN:
        return None
