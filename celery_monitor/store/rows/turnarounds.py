"""How long executions took that were retried: their first publish and their final end come from different attempts.

An execution without a retry is counted where it ended (`model.first_turnaround_us`). The two halves of one with
retries come from different processes, so in any order; they are joined in the fold's own commits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Final, NamedTuple

from celery_monitor.model import BUCKET_S, FINAL, UNSURE, Batch, Cell, Metrics
from celery_monitor.signals.record import Flag, State
from celery_monitor.store import inbox
from celery_monitor.store.commit import Commit
from celery_monitor.store.connection import Store
from celery_monitor.store.encoding import packing, shapes
from celery_monitor.store.encoding.packing import BROKEN
from celery_monitor.store.inbox import Entry
from celery_monitor.store.keys import RETRIED_S
from celery_monitor.store.report import TOO_MANY_RETRIED, Step
from celery_monitor.store.rows.blocks import ends

_MACHINERY: Final = int(Flag.INFRASTRUCTURE)
_FINAL: Final = frozenset(map(int, FINAL - {State.LOST}))
MOST: Final = 20_000
"""Executions kept that wait for their other half; beyond them the older half goes, and is counted."""


class Half(NamedTuple):
    """What is known of an execution that was retried; 0 and empty for what is not yet."""

    published_us: int
    ended_us: int
    task: str = ""
    queue: str = ""
    workflow: str = ""

    @property
    def whole(self) -> bool:
        """Whether both ends are known."""
        return bool(self.published_us and self.ended_us)


def joined(known: Half | None, told: Half) -> Half:
    """Return what two halves say together, in whatever order they come.

    >>> begun, ended = Half(5, 0), Half(0, 9, "shop.charge", "payments")
    >>> joined(begun, ended) == joined(ended, begun), joined(begun, ended).whole
    (True, True)
    """
    if known is None:
        return told
    last = max(known, told, key=lambda half: half.ended_us)
    return last._replace(published_us=known.published_us or told.published_us)


class Retried:
    """The executions that one commit of the fold touches."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[bytes, Half | None] = {}
        self._stored: dict[bytes, Half | None] = {}

    def take(self, attempts: Mapping[str, list[Any]]) -> list[tuple[bytes, Half]]:
        """Return the executions that these attempts make whole."""
        told = list(_halves(attempts))
        self._fetch([own for own, _ in told])
        whole = []
        for own, half in told:
            found = joined(self._known[own], half)
            self._known[own] = None if found.whole else found
            if found.whole:
                whole.append((own, found))
        return whole

    def write(self, commit: Commit, step: Step) -> None:
        """Add what changed to the commit."""
        changed = {own: half for own, half in self._known.items() if half != self._stored[own]}
        if not changed:
            return
        key = self._store.keys.retried
        gone = [own for own, half in changed.items() if half is None]
        kept = {own: packing.pack(half) for own, half in changed.items() if half is not None}
        over = self._over(len(kept) - len(gone)) if kept else []
        step.skipped.update({TOO_MANY_RETRIED: len(over)} if over else {})
        if gone or over:
            commit.add("HDEL", key, *gone, *over)
        if kept:
            commit.add("HSET", key, *chain.from_iterable(kept.items()))
        commit.add("EXPIRE", key, RETRIED_S)

    def _over(self, more: int) -> list[bytes]:
        """Return the older half when there are too many."""
        client, key = self._store.client, self._store.keys.retried
        with self._store.translated():
            if client.hlen(key) + more <= MOST:
                return []
            found: dict[bytes, bytes] = client.hgetall(key)
        halves = {own: _load(raw) or Half(0, 0) for own, raw in found.items() if own not in self._known}
        return sorted(halves, key=lambda own: max(halves[own][:2]))[: MOST // 2]

    def _fetch(self, ids: Sequence[bytes]) -> None:
        missing = [own for own in dict.fromkeys(ids) if own not in self._known]
        if not missing:
            return
        with self._store.translated():
            raw = self._store.client.hmget(self._store.keys.retried, missing)
        for own, data in zip(missing, raw, strict=True):
            self._known[own] = self._stored[own] = _load(data)


def count(whole: Sequence[tuple[bytes, Half]], entry: Entry, store: Store, commit: Commit, now_us: int) -> None:
    """Add the turnarounds of executions that are whole to the commit, as a batch for the fold of counters."""
    if not whole:
        return
    metrics = Metrics()
    for _, half in whole:
        cells = metrics.cells.setdefault(half.ended_us // 1_000_000 // BUCKET_S * BUCKET_S, {})
        for series in (("task", half.task, half.queue), ("step", half.workflow, half.task)):
            if series[1]:
                cells.setdefault(series, Cell()).turnaround.add(max(half.ended_us - half.published_us, 0))
    name = entry.boot + entry.n.to_bytes(8, "big")
    boot = hashlib.blake2b(name, digest_size=16, person=b"turnarounds").digest()
    inbox.add(commit, store.keys, Batch(boot, 1, "fold", now_us, metrics))


def _halves(attempts: Mapping[str, list[Any]]) -> Iterator[tuple[bytes, Half]]:
    """Yield the first publishes of executions that go on, and the final ends of those that were retried."""
    names = ("state", "retries", "flags", "id", "published_us", "reason", "task", "queue", "workflow")
    again = int(State.RETRY)
    if not any(attempts["retries"]) and again not in attempts["state"]:
        return
    rows = zip(*(attempts[name] for name in names), strict=True)
    for at, (state, retries, flags, own, published, reason, task, queue, workflow) in enumerate(rows):
        if flags & _MACHINERY:
            continue
        if state == again and not retries and published:
            yield own, Half(published, 0)
        elif retries and state in _FINAL and reason not in UNSURE:
            yield own, Half(0, _end(attempts, at), task, queue, workflow)


def _end(attempts: Mapping[str, list[Any]], at: int) -> int:
    return ends({name: [attempts[name][at]] for name in ("started_us", "runtime_us", "published_us", "wait_us")})[0]


def _load(raw: bytes | None) -> Half | None:
    """Return a stored half, None for none and for one that is broken."""
    try:
        return shapes.row(Half, packing.unpack(raw)) if raw else None
    except BROKEN:
        return None
