"""Coarser buckets from finer ones, once they are over: downsampling is the same merge as everything else."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from celery_monitor.store import tiers
from celery_monitor.store.commit import Commit
from celery_monitor.store.connection import Store
from celery_monitor.store.cursor import MetricsCursor
from celery_monitor.store.keys import UNROLLED_S
from celery_monitor.store.packing import Undecodable
from celery_monitor.store.report import BROKEN_BLOB, FoldReport, Step
from celery_monitor.store.slices import Slices
from celery_monitor.store.tiers import GRACE_S, PARTS, TIERS, Tier

_BUCKETS: Final = 10
"""Coarse buckets per commit: after a long pause of the fold there may be thousands."""


def target(step: int, now_s: int) -> int:
    """Return the end of the last bucket that is over and had its grace.

    >>> target(60, 1000), target(60, 1010)
    (960, 960)
    """
    return (now_s - GRACE_S) // step * step


def roll(store: Store, now_us: int, report: FoldReport, slices: Slices) -> bool:
    """Write every coarse bucket that is over; return False when somebody else was faster."""
    now_s = now_us // 1_000_000
    while True:
        with store.translated():
            raw = store.client.get(store.keys.cursor("m"))
        cursor = MetricsCursor.load(raw)
        commit = Commit(store.keys.cursor("m"), raw or b"")
        step = Step()
        if not _roll_some(store, cursor, now_s, commit, step, slices):
            return True
        step.write(commit, store.keys)
        if not commit.run(store, cursor.dump()):
            report.races += 1
            return False
        report.committed(step)


def _roll_some(store: Store, cursor: MetricsCursor, now_s: int, commit: Commit, step: Step, slices: Slices) -> bool:
    """Add the next few buckets to the commit, finest tier first; False when there is nothing left to roll."""
    begun = False
    for finer, tier in pairwise(TIERS):
        until = target(tier.step_s, now_s)
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
            _roll_bucket(store, finer, tier, at, now_s, commit, step)
            slices.breathe()
            at += tier.step_s
            done += 1
        cursor.rolled[tier.step_s] = at
        return True
    return begun


def _roll_bucket(store: Store, finer: Tier, tier: Tier, bucket: int, now_s: int, commit: Commit, step: Step) -> None:
    buckets = range(bucket, bucket + tier.step_s, finer.step_s)
    keys = [store.keys.rollup(finer.step_s, b, part) for part in PARTS for b in buckets]
    with store.translated():
        blobs = store.client.mget(keys)
    for number, part_name in enumerate(PARTS):
        part: tiers.Part = {}
        for at, b in enumerate(buckets):
            raw = blobs[number * len(buckets) + at]
            if raw is None:
                continue
            tiers.merge_raw(part, load_or_nothing(raw, step))
            left = tiers.expires_in(finer, b, now_s, store.rollup_days)
            commit.add("EXPIRE", store.keys.rollup(finer.step_s, b, part_name), max(1, left))
        if part:
            raw_part: tiers.Raw = {}
            tiers.absorb(raw_part, part)
            ttl = keep_s(tier, bucket, MetricsCursor(), now_s, store.rollup_days)
            if ttl > 0:
                key = store.keys.rollup(tier.step_s, bucket, part_name)
                commit.add("SET", key, tiers.dump(raw_part), "EX", ttl)


def keep_s(tier: Tier, bucket: int, cursor: MetricsCursor, now_s: int, rollup_days: int) -> int:
    """Return the time to live of a bucket written now; 0 and less: do not write it."""
    coarser = next((t for t in TIERS if t.step_s > tier.step_s), None)
    if coarser and bucket >= cursor.rolled.get(coarser.step_s, 0):
        return UNROLLED_S
    return tiers.expires_in(tier, bucket, now_s, rollup_days)


def load_or_nothing(raw: bytes | None, step: Step) -> tiers.Raw:
    """Return a blob's series; a broken blob is counted and begun anew, it must not stop the fold for ever."""
    try:
        return tiers.load(raw)
    except Undecodable:
        step.skipped[BROKEN_BLOB] += 1
        return {}
