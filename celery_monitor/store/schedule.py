"""What beats have to send and what they have sent: a hash by beat, and a bounded set of sendings by time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, TypedDict

from celery_monitor.details import Fire
from celery_monitor.store.commit import Commit
from celery_monitor.store.connection import Store
from celery_monitor.store.encoding import columns, packing, shapes
from celery_monitor.store.encoding.packing import BROKEN
from celery_monitor.store.keys import DAY_S, SCHEDULE_S
from celery_monitor.store.rows.blocks import Tables

MOST_FIRES: Final = 20_000
"""Sendings kept, about 4 MB: two weeks of one a minute, five hours of one a second."""
_PAGE: Final = 1000
"""Sendings that are read at a time by who has other things to do: 5 ms."""
_MOST_BEATS: Final = 20
"""One that starts and ends over and over must not fill the hash."""
_GONE_S: Final = DAY_S
"""A beat that was not heard of for so long is no longer listed."""


class _Entry(TypedDict, total=False):
    """What `agent.beat` tells of one."""

    entry: str
    task: str
    enabled: bool
    kind: str
    every_s: float
    cron: tuple[str, str, str, str, str]
    zone: str
    text: str
    queue: str
    total: int
    last_us: int
    next_us: int


class _Beat(TypedDict, total=False):
    boot: str
    beat: str
    scheduler: str | None
    at_us: int
    loop_us: int
    sleep_s: float
    entries: list[Any]


_TIMED: Final = {"interval": "every_s", "crontab": "cron"}
"""Kind of a schedule to the field that it needs."""


def keep(store: Store, tables: Tables, commit: Commit) -> None:
    """Move the sendings of a batch into their own set: adding one twice changes nothing."""
    found = tables.pop("fires", None)
    if not found or not found["id"]:
        return
    key = store.keys.fires
    for row in map(Fire._make, columns.to_rows(columns.SCHEMAS["fires"], found)):
        commit.add("ZADD", key, row.at_us, packing.pack(list(row)))
    commit.add("ZREMRANGEBYRANK", key, 0, -(MOST_FIRES // store.parts) - 1)
    commit.add("EXPIRE", key, SCHEDULE_S)


def fires(store: Store, since_us: int) -> list[Fire]:
    """Return what was sent since a time, the oldest first.

    Raises:
        StoreError: the store does not answer.
    """
    with store.translated():
        raw = [
            value
            for shard in store.shards
            for value in shard.client.zrangebyscore(shard.keys.fires, since_us, "+inf", 0, MOST_FIRES)
        ]
    found = [fire for fire in map(_fire, raw) if fire is not None]
    return sorted(found, key=lambda fire: (fire.at_us, fire.key))


def walk(store: Store, since_us: int, pause: Callable[[], None] = lambda: None) -> Iterator[Fire]:
    """Yield what was sent since a time, page by page; within each shard the oldest first.

    Parameters:
        pause: called after each page.

    Raises:
        StoreError: the store does not answer.
    """
    for shard in store.shards:
        for start in range(0, MOST_FIRES, _PAGE):
            with store.translated():
                raw = shard.client.zrangebyscore(shard.keys.fires, since_us, "+inf", start, _PAGE)
            yield from filter(None, map(_fire, raw))
            if len(raw) < _PAGE:
                break
            pause()


def oldest_us(store: Store) -> int | None:
    """Return when the oldest sending that is kept was made, None while there is room for all."""
    with store.translated():
        size = sum(shard.client.zcard(shard.keys.fires) for shard in store.shards)
        if size < MOST_FIRES // 2:
            return None
        firsts = [row for shard in store.shards for row in shard.client.zrange(shard.keys.fires, 0, 0, withscores=True)]
    return int(max((score for _, score in firsts), default=0)) or None


def write_beat(store: Store, beat: dict[str, Any]) -> None:
    """Keep what a beat has to send, and forget beats that are long gone.

    Raises:
        StoreError: the store does not answer.
    """
    key = store.keys.beats
    known = beats(store)
    gone = [one["boot"] for one in known[_MOST_BEATS:]]
    gone += [one["boot"] for one in known[:_MOST_BEATS] if beat["at_us"] - one["at_us"] > _GONE_S * 1e6]
    with store.translated():
        pipe = store.client.pipeline(transaction=False)
        pipe.hset(key, beat["boot"], packing.deflate(packing.pack(beat), 1))
        pipe.expire(key, SCHEDULE_S)
        if gone:
            pipe.hdel(key, *gone)
        pipe.execute()


def beats(store: Store) -> Sequence[dict[str, Any]]:
    """Return what each beat has to send, the one heard of last first.

    Raises:
        StoreError: the store does not answer.
    """
    with store.translated():
        raw = store.client.hvals(store.keys.beats)
    found = []
    for value in raw:
        beat = _beat(value)
        if beat is not None:
            found.append(beat)
    return sorted(found, key=lambda beat: -int(beat["at_us"]))


def broken(raw: Iterable[bytes]) -> int:
    """Return how many of the table's values are no beats."""
    return sum(_beat(value) is None for value in raw)


def _beat(raw: bytes) -> dict[str, Any] | None:
    """Return what a beat has to send, without entries that are broken; None for one that is broken itself."""
    try:
        told = packing.unpack(packing.inflate(raw))
        beat = shapes.kept(told, _Beat)
        entries = [shapes.kept(each, _Entry) for each in beat.get("entries", ()) if isinstance(each, dict)]
    except BROKEN:
        return None
    beat["entries"] = [each for each in entries if _is_entry(each)]
    return beat if {"boot", "at_us"} <= beat.keys() else None


def _is_entry(told: dict[str, Any]) -> bool:
    needed = {"entry", "task", "enabled"} | {_TIMED.get(told.get("kind", ""), "entry")}
    return needed <= told.keys()


def _fire(raw: bytes) -> Fire | None:
    try:
        return shapes.row(Fire, packing.unpack(raw))
    except BROKEN:
        return None
