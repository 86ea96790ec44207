"""Drops history when rollups have used up their bytes: fine buckets before coarse ones, old before new."""

from __future__ import annotations

from itertools import islice
from typing import Final

from celery_monitor.store import inbox
from celery_monitor.store.commit import Commit
from celery_monitor.store.connection import Store
from celery_monitor.store.cursor import MetricsCursor
from celery_monitor.store.report import DROPPED, FoldReport, Step
from celery_monitor.store.rollups.rolling import cursor_of
from celery_monitor.store.rollups.tier_bytes import TierBytes
from celery_monitor.store.rollups.tiers import PARTS, STEPS

_GROUPS: Final = 20
"""Groups per commit, of six or ten buckets each: the server answers nobody else meanwhile."""


def thin(store: Store, most: int, now_us: int, report: FoldReport) -> bool:
    """Drop buckets until all rollups are within `most` bytes; return False when somebody else was faster."""
    keys = store.keys
    guard = keys.cursor(inbox.METRICS)
    while True:
        with store.translated():
            raw, weighed = store.client.mget([guard, keys.rollup_bytes])
        cursor, held = cursor_of(raw, now_us), TierBytes.load(weighed)
        held.expire(cursor, now_us // 1_000_000, store.rollup_days)
        commit, step = Commit(guard, raw or b""), Step()
        if held.total <= most or not _drop(store, cursor, held, most, commit, step):
            return True
        commit.add("SET", keys.rollup_bytes, held.dump())
        step.write(commit, keys)
        if not commit.run(store, cursor.dump()):
            report.races += 1
            return False
        report.committed(step)


def _drop(store: Store, cursor: MetricsCursor, held: TierBytes, most: int, commit: Commit, step: Step) -> bool:
    """Add the removal of the next groups to the commit; False when nothing may go."""
    dropped = False
    for tier, buckets in list(islice(held.droppable(cursor), _GROUPS)):
        if held.total <= most:
            break
        for bucket in buckets:
            for part in PARTS:
                commit.add("UNLINK", store.keys.rollup(tier.step_s, bucket, part))
        held.drop(tier, buckets)
        for step_s in STEPS[: STEPS.index(tier.step_s) + 1]:  # what is finer has gone before, or was over its time
            cursor.cut[step_s] = max(buckets.stop, cursor.cut.get(step_s, 0))
        step.skipped[DROPPED[tier.step_s]] += len(buckets)
        dropped = True
    return dropped
