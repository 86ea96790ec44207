"""The fold: empties the inbox into rollups and blocks, exactly once, whoever runs it and however often."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from celery_monitor.store import foreign, memory, meta, usage
from celery_monitor.store.connection import Store
from celery_monitor.store.report import BROKEN_BLOB, FoldReport
from celery_monitor.store.rollups import counters, rolling, thinning
from celery_monitor.store.rows import executions
from celery_monitor.store.rows.shelves import Bytes
from celery_monitor.store.slices import Slices

_COMMITS: Final = 200
"""Of each kind in one run: after a long outage the next tick goes on."""
_NUMBER: Final = re.compile(rb"-?\d{1,17}")


def fold(store: Store, now_us: int, *, slice_s: float = 0.05, pause: Callable[[], None] | None = None) -> FoldReport:
    """Fold everything that agents have handed in.

    Every step is one compare-and-set on the stream's cursor: of two folds at once, one does a step and the other
    gives up; a crash between any two steps loses nothing and doubles nothing.

    Parameters:
        now_us: the server's clock (`lease.take`, `lease.now_us`).
        slice_s: `pause` is called after so many CPU seconds of this thread.
        pause: lets other threads run.

    Raises:
        StoreError: the store cannot be reached or refuses; run it again.
    """
    report = FoldReport()
    slices = Slices(slice_s, pause)
    with store.translated():
        found = [foreign.find(shard.client, shard.keys) for shard in store.shards]
    report.aside = found[0].get("meta")
    if report.aside:
        return report
    if not meta.may_fold(store):
        report.aside = "the store is written by a newer release: upgrade this process"
        return report
    for shard, wrong in zip(store.shards, found, strict=True):
        if not wrong.keys() & {"inbox_bytes", "skipped"}:
            _mend(shard)
        _fold_shard(shard, now_us, report, slices, wrong)
    return report


def _mend(store: Store) -> None:
    """Begin counts anew that are no numbers: a commit that adds to one would fail, and the next one too."""
    keys = store.keys
    with store.translated():
        for key in (keys.inbox_bytes, keys.skipped):
            broken = [name for name, n in store.client.hgetall(key).items() if not _NUMBER.fullmatch(n)]
            if broken:
                store.client.hdel(key, *broken)
                store.client.hincrby(keys.skipped, BROKEN_BLOB, len(broken))


def _fold_executions(
    store: Store, now_us: int, room: memory.Memory, shelf: Bytes, report: FoldReport, slices: Slices
) -> None:
    if not shelf.executions:
        executions.shed(store, now_us, shelf, report)
    ahead = executions.Ahead()
    for _ in range(_COMMITS):
        if not executions.fold_once(store, now_us, room, shelf, report, slices, ahead):
            break
    else:
        report.more = True


def _fold_shard(store: Store, now_us: int, report: FoldReport, slices: Slices, wrong: Mapping[str, str]) -> None:
    """Fold one shard; a kind that needs a key with a wrong type waits, for half a commit would be worse."""
    room = memory.read(store)
    mine, rest = memory.budget(store, room), usage.read(store, now_us).rest
    # While counters find no room there is none for old executions either.
    shelf = Bytes(mine.blocks(rest), mine.logs) if room.takes_counters else Bytes(0, 0)
    report.aside = foreign.blocked(wrong, foreign.EXECUTIONS) or report.aside
    if not foreign.blocked(wrong, foreign.EXECUTIONS):
        _fold_executions(store, now_us, room, shelf, report, slices)
    if not room.takes_counters:
        report.aside = f"{room.ratio:.0%} of the server's memory is used: counters wait in the inbox"
        return
    if foreign.blocked(wrong, foreign.COUNTERS):
        report.aside = foreign.blocked(wrong, foreign.COUNTERS)
        return
    most = mine.rollups(rest)
    if not rolling.roll(store, now_us, most, report, slices) or not thinning.thin(store, most, now_us, report):
        return
    for _ in range(_COMMITS):
        if not counters.fold_once(store, now_us, most, report, slices):
            break
        thinning.thin(store, most, now_us, report)
    else:
        report.more = True
