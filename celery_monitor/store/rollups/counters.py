"""The fold of counters: new batches into 10 s buckets, late ones into every tier, all into the lifetime totals."""

from __future__ import annotations

from functools import partial
from typing import Final

from celery_monitor.store import fresh, inbox
from celery_monitor.store.commit import Commit
from celery_monitor.store.connection import Store
from celery_monitor.store.cursor import MetricsCursor, after
from celery_monitor.store.encoding.packing import Undecodable
from celery_monitor.store.encoding.sums import Sums
from celery_monitor.store.inbox import Counters
from celery_monitor.store.keys import LATE_S
from celery_monitor.store.report import AHEAD, BROKEN_BLOB, LATE, FoldReport, Step
from celery_monitor.store.rollups import lifetime, tiers
from celery_monitor.store.rollups.rolling import cursor_of, keep_s, load_or_nothing
from celery_monitor.store.rollups.tier_bytes import TierBytes
from celery_monitor.store.rollups.tiers import LABELS, MAX_SERIES, TASKS, TIERS, Part, Parts, Tier
from celery_monitor.store.slices import Slices

ENTRIES: Final = 200
"""Per commit: about 1 MB at most, a few ms in the server."""


_LIFETIME_PART: Final = 20
"""The totals since ever take so many times less than the rollups at most."""
_TOTALS_BYTES: Final = 100
"""What the totals of one series take, roughly."""


def fold_once(store: Store, now_us: int, most: int, report: FoldReport, slices: Slices) -> bool:
    """Fold the next entries in one commit; return whether there were any and nobody else was faster.

    Parameters:
        most: bytes that all rollups may take; one bucket takes a small part of it.
    """
    key = store.keys.cursor(inbox.METRICS)
    with store.translated():
        raw, weighed = store.client.mget([key, store.keys.rollup_bytes])
        cursor = cursor_of(raw, now_us)
        entries = inbox.following(store.client, store.keys.inbox_metrics, cursor.last, ENTRIES)
    if not entries:
        return False
    step = Step()
    found = fresh.heads(entries, step)
    known = fresh.seen_before(store, inbox.METRICS, found, now_us)
    folding = Folding(now_us // 1_000_000, step)
    for entry in found:
        if not fresh.take(known, entry, step):
            continue
        told = fresh.twice(partial(inbox.decode_counters, entry.data), step)
        if told is not None:
            folding.add(told)
        slices.breathe()
    folded = folding.parts()
    cursor.last = fresh.stream_id(entries[-1])
    commit = Commit(key, raw or b"")
    held = TierBytes.load(weighed)
    held.expire(cursor, now_us // 1_000_000, store.rollup_days)
    _write(store, tiers.with_sums(folded), cursor, now_us // 1_000_000, most, held, commit, step, slices)
    if folded:
        commit.add("SET", store.keys.rollup_bytes, held.dump())
    known.write(commit, store.keys, inbox.METRICS, now_us)
    step.write(commit, store.keys)
    inbox.trim(commit, store.keys, inbox.METRICS, [fields for _, fields in entries], after(cursor.last))
    if not commit.run(store, cursor.dump()):
        report.races += 1
        return False
    report.committed(step)
    return True


class Folding:
    """Batches added up to what is to be written.

    Buckets too old are left out and counted in `step`, buckets ahead of time are booked now.
    """

    def __init__(self, now_s: int, step: Step) -> None:
        self._now_s, self._step = now_s, step
        self._sums = Sums()
        self._levels: Parts = {}

    def add(self, told: Counters) -> None:
        """Add a batch."""
        moved = {bucket: self._at(bucket) for bucket, *_ in told.tallies.buckets}
        self._sums.add(told.tallies, moved, told.worker)
        for bucket, row in told.gauges:
            at = self._at(bucket)
            if at is not None:
                tiers.collect(self._levels, at, row)

    def parts(self) -> Parts:
        """Return everything, by bucket and part."""
        found = dict(self._levels)
        for at, row in self._sums.cells().items():
            tiers.place(found, at, row)
        return found

    def _at(self, bucket: int) -> int | None:
        """Return the bucket in which another one counts, None for none."""
        if bucket < self._now_s - LATE_S:
            self._step.skipped[LATE] += 1
            return None
        if bucket > self._now_s + 10:
            self._step.skipped[AHEAD] += 1
            return self._now_s // 10 * 10
        return bucket


def _write(
    store: Store,
    folded: Parts,
    cursor: MetricsCursor,
    now_s: int,
    most: int,
    held: TierBytes,
    commit: Commit,
    step: Step,
    slices: Slices,
) -> None:
    writes: dict[tuple[Tier, int, str], list[Part]] = {}
    for (bucket, name), part in folded.items():
        for tier, at in _targets(bucket, cursor):
            writes.setdefault((tier, at, name), []).append(part)
        cursor.newest = max(cursor.newest, bucket + TIERS[0].step_s)
    if not writes:
        return
    keys = [store.keys.rollup(tier.step_s, at, name) for tier, at, name in writes]
    with store.translated():
        *blobs, totals = store.client.mget([*keys, store.keys.lifetime])
    for (tier, at, name), key, blob, parts in zip(writes, keys, blobs, writes.values(), strict=True):
        ttl = keep_s(tier, at, cursor, now_s, store.rollup_days, name)
        if ttl <= 0:
            continue
        raw = load_or_nothing(blob, step)
        for part in parts:
            tiers.absorb(raw, part, tiers.most_series(name))
        data = tiers.dump_within(raw, tiers.most_bytes(name, most), 1, columns=tier is not TIERS[0])
        held.add(tier, at, key, blob, data, name)
        commit.add("SET", key, data, "EX", ttl)
        slices.breathe()
    _write_lifetime(store, folded, totals, most // _LIFETIME_PART, commit, step)


def _targets(bucket: int, cursor: MetricsCursor) -> list[tuple[Tier, int]]:
    """Return the tiers a 10 s bucket is written to now: the finest, and those rolled past it already."""
    found = [(TIERS[0], bucket)]
    for tier in TIERS[1:]:
        at = bucket // tier.step_s * tier.step_s
        if at + tier.step_s <= cursor.rolled.get(tier.step_s, 0):
            found.append((tier, at))
    if len(found) > 1:
        cursor.late += 1
    return found


def _write_lifetime(store: Store, folded: Parts, raw: bytes | None, most: int, commit: Commit, step: Step) -> None:
    try:
        totals = lifetime.load(raw)
    except Undecodable:
        step.skipped[BROKEN_BLOB] += 1
        totals = lifetime.Lifetime()
    # Counters since ever may not fall, so a series that has its own keeps it; only new ones may have to share.
    series = 0 if len(raw or b"") >= most else min(MAX_SERIES, most // _TOTALS_BYTES)
    changed = False
    for (bucket, name), part in folded.items():
        if name == TASKS:
            totals.add(bucket, part, series)
            changed = True
        elif name == LABELS:
            totals.add_labels(part, series)
            changed = True
    if changed:
        commit.add("SET", store.keys.lifetime, totals.dump())
