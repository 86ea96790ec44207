"""Coarser buckets from finer ones, once they are over: downsampling is the same merge as everything else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from celery_monitor.store.commit import Commit
from celery_monitor.store.connection import Store
from celery_monitor.store.cursor import MetricsCursor
from celery_monitor.store.encoding.packing import Undecodable
from celery_monitor.store.keys import UNROLLED_S
from celery_monitor.store.report import BROKEN_BLOB, FoldReport, Step
from celery_monitor.store.rollups import buckets, tiers
from celery_monitor.store.rollups.tier_bytes import TierBytes
from celery_monitor.store.rollups.tiers import GAUGES, GRACE_S, PAIRS, PARTS, STEPS, TIERS, Tier
from celery_monitor.store.slices import Slices

_BUCKETS: Final = 10
"""Coarse buckets per commit: after a long pause of the fold there may be thousands."""


def cursor_of(raw: bytes | None, now_us: int, step: Step | None = None) -> MetricsCursor:
    """Return the cursor in its bytes; in the place of a broken one, the one that it must have been at about this time.

    The last coarse bucket of each tier is written anew then, from the finer ones that it was made of.
    """
    now_s = now_us // 1_000_000
    try:
        cursor = MetricsCursor.load(raw)
        if _is_of_about(cursor, now_s):
            return cursor
    except Undecodable:
        pass
    if step is not None:
        step.skipped[BROKEN_BLOB] += 1
    rolled = {tier.step_s: target(tier.step_s, now_s) - tier.step_s for tier in TIERS[1:]}
    return MetricsCursor("", rolled, now_s + TIERS[0].step_s, now_us)


def _is_of_about(cursor: MetricsCursor, now_s: int) -> bool:
    """Return whether there is no more to roll than can be kept: else the fold would never come to an end."""
    ends = [end for step, end in cursor.rolled.items() if step in STEPS]
    return cursor.newest <= now_s + UNROLLED_S and all(abs(now_s - end) <= UNROLLED_S for end in ends)


def target(step: int, now_s: int) -> int:
    """Return the end of the last bucket that is over and had its grace.

    >>> target(60, 1000), target(60, 1010)
    (960, 960)
    """
    return (now_s - GRACE_S) // step * step


def roll(store: Store, now_us: int, most: int, report: FoldReport, slices: Slices) -> bool:
    """Write every coarse bucket that is over; return False when somebody else was faster.

    Parameters:
        most: bytes that all rollups may take; one bucket takes a small part of it.
    """
    now_s = now_us // 1_000_000
    while True:
        with store.translated():
            raw, weighed = store.client.mget([store.keys.cursor("m"), store.keys.rollup_bytes])
        step = Step()
        cursor = cursor_of(raw, now_us, step) if raw else MetricsCursor(late=now_us)
        commit = Commit(store.keys.cursor("m"), raw or b"")
        roller = _Roller(store, now_s, most, commit, step, TierBytes.load(weighed))
        if not _roll_some(roller, cursor, slices):
            return True
        commit.add("SET", store.keys.rollup_bytes, roller.held.dump())
        step.write(commit, store.keys)
        if not commit.run(store, cursor.dump()):
            report.races += 1
            return False
        report.committed(step)


@dataclass(slots=True)
class _Roller:
    """Adds coarse buckets to one commit."""

    store: Store
    now_s: int
    most: int
    commit: Commit
    step: Step
    held: TierBytes

    def roll(self, finer: Tier, tier: Tier, bucket: int) -> None:
        """Add one bucket, made of those of the next finer tier."""
        buckets = range(bucket, bucket + tier.step_s, finer.step_s)
        keys = [self.store.keys.rollup(finer.step_s, b, part) for part in PARTS for b in buckets]
        with self.store.translated():
            blobs = self.store.client.mget(keys)
        for number, name in enumerate(PARTS):
            part: tiers.Part = {}
            for at, b in enumerate(buckets):
                raw = blobs[number * len(buckets) + at]
                if raw is None:
                    continue
                add_or_skip(part, raw, self.step)
                left = tiers.expires_in(finer, b, self.now_s, self.store.rollup_days, name)
                self.commit.add("EXPIRE", self.store.keys.rollup(finer.step_s, b, name), max(1, left))
            if part:
                self._write(tier, bucket, name, part)

    def _write(self, tier: Tier, bucket: int, name: str, part: tiers.Part) -> None:
        ttl = keep_s(tier, bucket, MetricsCursor(), self.now_s, self.store.rollup_days, name)
        if ttl <= 0:
            return
        raw: tiers.Raw = part
        if name == GAUGES or len(part) > tiers.most_series(name):
            raw = {}
            tiers.absorb(raw, part, tiers.most_series(name))
        key = self.store.keys.rollup(tier.step_s, bucket, name)
        data = tiers.dump_within(raw, self._most(name), columns=True)
        self.held.add(tier, bucket, key, None, data, name)
        self.commit.add("SET", key, data, "EX", ttl)

    def _most(self, name: str) -> int:
        return tiers.most_bytes(name, self.most)


def _roll_some(roller: _Roller, cursor: MetricsCursor, slices: Slices) -> bool:
    """Add the next few buckets to the commit, finest tier first; False when there is nothing left to roll."""
    begun = False
    for finer, tier in PAIRS:
        until = target(tier.step_s, roller.now_s)
        at = cursor.rolled.get(tier.step_s)
        if at is None:
            # A new store has nothing to roll: what comes from before this moment is written to every tier.
            cursor.rolled[tier.step_s] = until
            begun = True
            continue
        if at >= until:
            continue
        done = 0
        while at < until and done < _BUCKETS:
            if at >= cursor.newest:
                at = until  # nothing was ever written behind the newest bucket
                break
            roller.roll(finer, tier, at)
            slices.breathe()
            at += tier.step_s
            done += 1
        cursor.rolled[tier.step_s] = at
        return True
    return begun


def keep_s(tier: Tier, bucket: int, cursor: MetricsCursor, now_s: int, rollup_days: int, part: str) -> int:
    """Return the time to live of a part's bucket written now; 0 and less: do not write it."""
    if bucket < cursor.cut.get(tier.step_s, 0):
        return 0
    coarser = next((t for t in TIERS if t.step_s > tier.step_s), None)
    if coarser and bucket >= cursor.rolled.get(coarser.step_s, 0):
        return UNROLLED_S
    return tiers.expires_in(tier, bucket, now_s, rollup_days, part)


def add_or_skip(part: tiers.Part, raw: bytes, step: Step) -> None:
    """Add a blob to a part; a broken one is counted and left out."""
    try:
        buckets.opened(raw).add_to(part)
    except Undecodable:
        step.skipped[BROKEN_BLOB] += 1


def load_or_nothing(raw: bytes | None, step: Step) -> tiers.Raw:
    """Return a blob's series; a broken blob is counted and begun anew, it must not stop the fold for ever."""
    try:
        return tiers.load(raw)
    except Undecodable:
        step.skipped[BROKEN_BLOB] += 1
        return {}
