"""Judges the runs that went quiet: those that are over are stored and counted, the others are looked at again later."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from celery_monitor.analytics.judged import Judged, row
from celery_monitor.details import Run
from celery_monitor.query.runs import judged
from celery_monitor.store.connection import Store
from celery_monitor.store.rows import runs
from celery_monitor.store.rows.runs import Verdicts
from celery_monitor.store.slices import Slices

QUIET_US: Final = 5_000_000
"""A run without news for so long is looked at; what comes later opens it again, and its figures are put right."""
MOST: Final = 200
"""Runs per commit: the server answers nobody else meanwhile."""
_ROUNDS: Final = 10
_OFTEN_US: Final = 5_000_000
_SELDOM_US: Final = 60_000_000
_GIVEN_UP_US: Final = 7 * 86_400_000_000
"""A run that takes no new members any more and never ended is let go."""


def settle(store: Store, now_us: int, *, slice_s: float = 0.05, pause: Callable[[], None] | None = None) -> int:
    """Settle the runs that went quiet; return how many were stored.

    Parameters:
        now_us: the server's clock.
        slice_s: `pause` is called after so many CPU seconds of this thread.
        pause: lets other threads run.

    Raises:
        StoreError: the store does not answer; the next tick goes on.
    """
    slices = Slices(slice_s, pause)
    return sum(_settle_shard(store, shard, now_us, slices) for shard in store.shards)


def _settle_shard(store: Store, shard: Store, now_us: int, slices: Slices) -> int:
    """Settle the runs whose rows lie in one shard; what is running may be told in any."""
    stored = 0
    for _ in range(_ROUNDS):
        cursor, quiet = runs.quiet(shard, now_us - QUIET_US, MOST)
        if not quiet:
            break
        verdicts = _verdicts(quiet, judged(store, quiet, now_us), now_us)
        if not runs.settle(shard, cursor, verdicts, now_us):
            break
        stored += len(verdicts.over)
        slices.breathe()
    return stored


def _verdicts(quiet: list[bytes], known: dict[bytes, Judged], now_us: int) -> Verdicts:
    verdicts = Verdicts()
    for run in quiet:
        found = known.get(run)
        if found is None:
            verdicts.dropped.append(run)
            continue
        verdicts.waits += found.abandoned
        if not found.over and now_us - found.newest_us <= _GIVEN_UP_US:
            verdicts.later[run] = _again(found, now_us) - QUIET_US
        elif found.over and _differs(told := row(found), found.before):
            verdicts.over.append((told, found.before))
        else:
            verdicts.dropped.append(run)
    return verdicts


def _again(found: Judged, now_us: int) -> int:
    """Return when to look at a run again: the longer it is quiet, the more seldom."""
    due = now_us + min(max((now_us - found.newest_us) // 10, _OFTEN_US), _SELDOM_US)
    return min(due, found.again_us) if found.again_us > now_us else due


def _differs(told: Run, before: Run | None) -> bool:
    return before is None or told._replace(revision=0) != before._replace(revision=0)
