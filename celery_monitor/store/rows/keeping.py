"""How many runs are kept: one in so many that the bytes for executions hold as long as is wished.

The tick decides, from the bytes that the newest blocks took at the present rate, and agents are told in the pace. Rates
are powers of two and a run stays by its hash, so one that is kept at a rate is kept at every higher one.
"""

from __future__ import annotations

from typing import Final

from celery_monitor.live_state import Pace
from celery_monitor.store import inbox, memory, usage
from celery_monitor.store.connection import Store
from celery_monitor.store.encoding.packing import Undecodable
from celery_monitor.store.report import Step
from celery_monitor.store.rows import blocks, shelves

MOST: Final = 1024
_BLOCKS: Final = 64
"""Newest blocks looked at."""
_LEAST_BLOCKS: Final = 4
_FILLED: Final = 0.5
"""As long as less than this part of the bytes is used, a burst is no reason to leave anything out."""
_STEP: Final = 16
_EASE_S: Final = 300.0
"""More is kept only after a while: a burst may come back."""
_EASE: Final = 1.3
"""And only if the bytes would then hold longer than is wished by this factor."""


def decide(store: Store, before: Pace | None, hours: float, now_us: int) -> tuple[int, int]:
    """Return of how many runs one is kept from now on, and since when that holds (us).

    Parameters:
        before: the pace that agents have.
        hours: how long executions shall be kept; 0 for whatever comes of it, with all runs.

    Raises:
        StoreError: the store does not answer.
    """
    known = before["one_in"] if before else 1
    since = before["one_in_us"] if before else 0
    wanted = 1
    if hours > 0:
        wanted = max(_wanted(shard, known, since, hours * 3600, now_us) for shard in store.shards)
    return (known, since) if wanted == known else (wanted, now_us)


def following(one_in: int, holds_s: float, target_s: float, since_s: float) -> int:
    """Return the next rate.

    Parameters:
        holds_s: how long the bytes hold at the present rate.
        since_s: how long that has been the rate.

    >>> following(1, 3600, 6 * 3600, 1e9), following(8, 7200, 3600, 60), following(8, 7200 * 2, 3600, 600)
    (8, 8, 4)
    """
    if holds_s < target_s:
        times = 1
        while times < _STEP and holds_s * times < target_s:
            times *= 2
        return min(one_in * times, MOST)
    if one_in > 1 and since_s >= _EASE_S and holds_s / 2 > target_s * _EASE:
        return one_in // 2
    return one_in


def _wanted(store: Store, one_in: int, since_us: int, target_s: float, now_us: int) -> int:
    with store.translated():
        cursor = shelves.cursor_of(store, store.client.get(store.keys.cursor(inbox.TASKS)), Step())
        filled = cursor.executions
        numbers = range(max(filled.first, filled.number - _BLOCKS), filled.number)
        notes = store.client.hmget(store.keys.executions.block_info, list(numbers)) if numbers else []
    most = memory.budget(store, memory.read(store)).blocks(usage.read(store, now_us).rest)
    found = [(info.newest_us, info.stored_bytes) for info in map(_info, notes) if info and info.newest_us > since_us]
    if len(found) < _LEAST_BLOCKS:
        quiet = not found and now_us - since_us > _EASE_S * 1e6
        return max(one_in // 2, 1) if quiet else one_in
    began, ended = min(found)[0], max(found)[0]
    per_s = sum(size for at, size in found if at > began) / max((max(ended, now_us) - began) / 1e6, 1.0)
    if one_in == 1 and filled.stored_bytes < most * _FILLED:
        return 1
    return following(one_in, most / max(per_s, 1e-9), target_s, (now_us - since_us) / 1e6)


def _info(raw: bytes | None) -> blocks.Info | None:
    try:
        return blocks.load_info(raw) if raw else None
    except Undecodable:
        return None
