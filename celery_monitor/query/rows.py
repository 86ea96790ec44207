"""Task rows of the blocks and of the inbox's tail, found by id or newest first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import merge
from typing import Any, Final, NamedTuple

from celery_monitor.analytics.executions import surer
from celery_monitor.analytics.judged import Rows
from celery_monitor.details import ROWS, Labelled
from celery_monitor.model import Attempt, Publish
from celery_monitor.signals import labels
from celery_monitor.signals.record import fixed_id
from celery_monitor.store import blocks, columns, fresh, inbox, index
from celery_monitor.store.blocks import Info
from celery_monitor.store.columns import Blob
from celery_monitor.store.connection import Store
from celery_monitor.store.cursor import TasksCursor
from celery_monitor.store.packing import BROKEN, Undecodable
from celery_monitor.store.report import Step

_TAIL: Final = 300
"""Entries of the inbox's tail that are read."""
_PAGE: Final = 4
"""Blocks fetched at once."""


KINDS: Final[dict[str, type[Any]]] = {"attempts": Attempt, "publishes": Publish, **ROWS}
"""Table name to its kind of row."""
OF_A_RUN: Final = ("attempts", "publishes", "plans", "labels", "spans", "waits", "measures", "runs")
"""The tables a run is judged from, as the fields of `Rows` are named."""
_MOST_LABELLED: Final = 500
"""Blocks read for one label, the newest ones: about a million rows."""
_TOGETHER: Final = 16
"""Blocks held at once when many runs are read: a tick reads up to a thousand of them."""


@dataclass(slots=True)
class Found:
    """The rows of one execution."""

    attempts: dict[bytes, Attempt] = field(default_factory=dict)
    publishes: list[Publish] = field(default_factory=list)

    def add(self, attempt: Attempt) -> None:
        """Add an attempt; an end of the same uid that is surer replaces one that is less so, in whatever order."""
        self.attempts[attempt.uid] = surer(self.attempts.get(attempt.uid), attempt)


class Candidate(NamedTuple):
    """An execution that a row speaks of: when (us), what tells rows of one time apart, and its id."""

    at_us: int
    tie: bytes
    id: bytes


class _ShardTail(NamedTuple):
    """What a shard's inbox holds that was not folded when it was read."""

    cursor: TasksCursor
    blobs: list[Blob]


Tail = list[_ShardTail]
"""What the inbox of each shard holds."""


def tail(store: Store, now_us: int) -> Tail:
    """Read the cursor of each shard and what is behind it as of one moment.

    Raises:
        StoreError: the store does not answer.
    """
    return [_shard_tail(shard, now_us) for shard in store.shards]


def _shard_tail(store: Store, now_us: int) -> _ShardTail:
    with store.translated():
        pipe = store.client.pipeline(transaction=True)
        pipe.get(store.keys.cursor(inbox.TASKS))
        inbox.read(pipe, store.keys.inbox_tasks, "", _TAIL)
        raw, entries = pipe.execute()
    try:
        cursor = TasksCursor.load(raw)
    except BROKEN:
        cursor = TasksCursor()
    heads = fresh.heads(entries, Step())
    known = fresh.seen_before(store, inbox.TASKS, heads, now_us)
    blobs = [_blob(e.data) for e in heads if known.take(e.boot, e.n)]
    return _ShardTail(cursor, [b for b in blobs if b is not None])


class Blocks:
    """Reads the blocks of all shards for one question; a block that was read is kept until it is answered.

    The rows of a run lie in one shard; what is known is an id, so all are asked.
    """

    def __init__(self, store: Store, tail_: Tail) -> None:
        self._shards = [_ShardBlocks(shard, its) for shard, its in zip(store.shards, tail_, strict=True)]

    def by_ids(self, ids: Sequence[bytes]) -> dict[bytes, Found]:
        """Return every row of some executions (packed ids); ids without rows are left out."""
        found: dict[bytes, Found] = {}
        for shard in self._shards:
            shard.by_ids(ids, found)
        return found

    def of_run(self, run: bytes) -> set[bytes]:
        """Return the ids of the executions of a run (16 bytes)."""
        return set().union(*(shard.of_run(run) for shard in self._shards))

    def by_runs(self, runs: Sequence[bytes], tables: Sequence[str] = OF_A_RUN) -> dict[bytes, Rows]:
        """Return the rows of runs (16 bytes each), those of which nothing is found included; a block is read once."""
        found = {run: Rows(run) for run in runs}
        for run, table, row in self.rows_of(runs, tables, by="run"):
            getattr(found[run], table).append(row)
        return found

    def rows_of(self, keys: Sequence[bytes], tables: Sequence[str], by: str) -> Iterator[tuple[bytes, str, Any]]:
        """Yield (key, table, row) of every row of some tables whose `by`, "run" or "id", is one of the keys."""
        for shard in self._shards:
            yield from shard.rows_of(keys, tables, by)

    def labelled(self, key: str, value: str) -> list[Labelled]:
        """Return the rows that give a label to a run or to an execution, by the index of the keys that have one."""
        return [row for shard in self._shards for row in shard.labelled(key, value)]

    def newest_first(
        self, matches: Callable[[Blob], Iterable[Candidate]], worth: Callable[[Info], bool]
    ) -> Iterator[Candidate]:
        """Yield candidates of the tail and of all blocks, the newest first.

        Args:
            matches: the candidates of a blob, in any order.
            worth: whether a block can hold any, by its note.
        """
        return merge(*(shard.newest_first(matches, worth) for shard in self._shards), reverse=True)


class _ShardBlocks:
    """Reads the blocks of one shard."""

    def __init__(self, store: Store, tail_: _ShardTail) -> None:
        self._store = store
        self._tail = tail_
        self._read: dict[int, Blob | None] = {}

    def by_ids(self, ids: Sequence[bytes], found: dict[bytes, Found]) -> None:
        """Add every row of some executions."""
        wanted: dict[int, set[bytes]] = {}
        for packed, numbers in self._numbers(ids).items():
            for number in numbers:
                wanted.setdefault(number, set()).add(packed)
        for number, blob in self._blobs(sorted(wanted)):
            _pick(blob, wanted[number], found)
        for blob in self._tail.blobs:
            _pick(blob, set(ids), found)

    def of_run(self, run: bytes) -> set[bytes]:
        ids: set[bytes] = set()
        blobs = [blob for _, blob in self._blobs(sorted(self._numbers([run])[run]))]
        for blob in [*blobs, *self._tail.blobs]:
            for table in ("attempts", "publishes"):
                for packed, of in zip(blob.column(table, "id"), blob.column(table, "run"), strict=True):
                    if (of or fixed_id(packed)) == run:
                        ids.add(packed)
        return ids

    def rows_of(self, keys: Sequence[bytes], tables: Sequence[str], by: str) -> Iterator[tuple[bytes, str, Any]]:
        wanted: dict[int, set[bytes]] = {}
        for key, numbers in self._numbers(keys).items():
            for number in numbers:
                wanted.setdefault(number, set()).add(key)
        ordered = sorted(wanted)
        for at in range(0, len(ordered), _TOGETHER):
            for number, blob in self._fetched(ordered[at : at + _TOGETHER]):
                yield from _rows_of(blob, wanted[number], tables, by)
        for blob in self._tail.blobs:
            yield from _rows_of(blob, set(keys), tables, by)

    def labelled(self, key: str, value: str) -> list[Labelled]:
        place = index.label_id(key, value)
        blobs = [*self._fetched(sorted(self._numbers([place])[place])[-_MOST_LABELLED:]), *enumerate(self._tail.blobs)]
        found = []
        for _, blob in blobs:
            try:
                texts = blob.column("labels", "labels") if blob.rows("labels") else []
                at = [position for position, text in enumerate(texts) if labels.read(text).get(key) == value]
                found += [Labelled._make(values) for values in blob.pick("labels", at)]
            except Undecodable:
                continue
        return found

    def newest_first(
        self, matches: Callable[[Blob], Iterable[Candidate]], worth: Callable[[Info], bool]
    ) -> Iterator[Candidate]:
        waiting = [c for blob in self._tail.blobs for c in _of(matches, blob)]
        notes = sorted(self._notes(worth), key=lambda n: -n[1].newest_us)
        for at in range(0, len(notes), _PAGE):
            page = notes[at : at + _PAGE]
            blobs: dict[int, Blob] | None = None
            for number, info in page:
                # What is newer than this block's newest row cannot be overtaken by it or by any block after it.
                waiting.sort(reverse=True)
                done = next((i for i, c in enumerate(waiting) if c.at_us <= info.newest_us), len(waiting))
                yield from waiting[:done]
                del waiting[:done]
                if blobs is None:
                    blobs = dict(self._blobs([number for number, _ in page]))
                if number in blobs:
                    waiting.extend(_of(matches, blobs[number]))
        yield from sorted(waiting, reverse=True)

    def _notes(self, worth: Callable[[Info], bool]) -> Iterator[tuple[int, Info]]:
        with self._store.translated():
            raw = self._store.client.hgetall(self._store.keys.block_info)
        for number, note in raw.items():
            try:
                info = blocks.load_info(note)
            except Undecodable:
                continue
            if worth(info):
                yield int(number), info

    def _numbers(self, ids: Sequence[bytes]) -> dict[bytes, set[int]]:
        """Return for each id the blocks that may mention it."""
        cursor = self._tail.cursor
        groups = range(index.group_of(cursor.first), index.group_of(cursor.number) + 1)
        places = sorted({(group, index.part_of(packed)) for packed in ids for group in groups})
        if not places:
            return {}
        with self._store.translated():
            raw = self._store.client.mget([self._store.keys.index(*place) for place in places])
        parts = dict(zip(places, raw, strict=True))
        return {
            packed: set().union(*(index.search(parts[g, index.part_of(packed)], packed, g) for g in groups))
            for packed in ids
        }

    def _blobs(self, numbers: Sequence[int]) -> Iterator[tuple[int, Blob]]:
        missing = [number for number in numbers if number not in self._read]
        self._read |= dict.fromkeys(missing) | dict(self._fetched(missing))
        for number in numbers:
            blob = self._read[number]
            if blob is not None:
                yield number, blob

    def _fetched(self, numbers: Sequence[int]) -> list[tuple[int, Blob]]:
        """Return blocks that are not kept; those that are gone or broken are left out."""
        if not numbers:
            return []
        with self._store.translated():
            raw = self._store.client.mget([self._store.keys.block(number) for number in numbers])
        blobs = [(n, _blob(data)) for n, data in zip(numbers, raw, strict=True) if data]
        return [(n, blob) for n, blob in blobs if blob is not None]


def _of(matches: Callable[[Blob], Iterable[Candidate]], blob: Blob) -> list[Candidate]:
    """Return a blob's candidates, none of a blob that turns out to be broken."""
    try:
        return list(matches(blob))
    except Undecodable:
        return []


def _blob(data: bytes) -> Blob | None:
    try:
        return Blob(data)
    except Undecodable:
        return None


def _rows_of(blob: Blob, keys: set[bytes], tables: Sequence[str], by: str) -> Iterator[tuple[bytes, str, Any]]:
    """Yield a blob's rows of some executions or runs; a run's id is that of its execution where none is written."""
    ids = {blob.number(key): key for key in keys}
    if by == "run":
        ids |= {blob.number(odd): fixed_id(odd) for odd in blob.odd if fixed_id(odd) in keys}
    ids.pop(None, None)
    if not ids:
        return
    for table in tables:
        if not blob.rows(table):
            continue
        try:
            of = blob.numbers(table, "id")
            if by == "run":
                of = [run or own for run, own in zip(blob.numbers(table, "run"), of, strict=True)]
            at = [position for position, number in enumerate(of) if number in ids]
            picked = [KINDS[table]._make(values) for values in blob.pick(table, at)]
        except Undecodable:
            continue
        for position, row in zip(at, picked, strict=True):
            key = ids[of[position]]
            yield key, table, row


def _pick(blob: Blob, ids: set[bytes], found: dict[bytes, Found]) -> None:
    """Add a blob's rows of some executions."""
    numbers = {blob.number(packed) for packed in ids} - {None}
    if not numbers:
        return
    for schema, row in ((columns.ATTEMPTS, Attempt), (columns.PUBLISHES, Publish)):
        try:
            of = blob.numbers(schema.name, "id") if blob.rows(schema.name) else []
            picked: list[Any] = blob.pick(schema.name, [at for at, n in enumerate(of) if n in numbers])
        except Undecodable:
            continue
        for values in picked:
            one = row(*values)
            rows = found.setdefault(one.id, Found())
            rows.add(one) if isinstance(one, Attempt) else rows.publishes.append(one)
