"""Task rows of the blocks and of the inbox's tail, found by id or newest first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import merge
from typing import Any, Final, NamedTuple

from celery_monitor.analytics.executions import end_of, surer
from celery_monitor.analytics.judged import Rows
from celery_monitor.details import ROWS, Content, Labelled, Traffic
from celery_monitor.model import Attempt, Publish
from celery_monitor.signals import labels
from celery_monitor.signals.record import State, fixed_id
from celery_monitor.store import fresh, inbox
from celery_monitor.store.connection import Store
from celery_monitor.store.cursor import TasksCursor
from celery_monitor.store.encoding.blob import Blob
from celery_monitor.store.encoding.packing import BROKEN, Undecodable
from celery_monitor.store.report import Step
from celery_monitor.store.rows import blocks, index
from celery_monitor.store.rows.blocks import Info

_TAIL: Final = 300
"""Entries of the inbox's tail that are read."""
_PAGE: Final = 4
"""Blocks fetched at once."""


KINDS: Final[dict[str, type[Any]]] = {"attempts": Attempt, "publishes": Publish, **ROWS}
"""Table name to its kind of row."""
_OF_AN_EXECUTION: Final = ("attempts", "publishes", "contents", "traffic")
"""The tables an execution is shown from."""
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
    contents: list[Content] = field(default_factory=list)
    traffic: dict[bytes, Traffic] = field(default_factory=dict)

    def add(self, row: Attempt | Publish | Content | Traffic) -> None:
        """Add a row; an end of the same uid that is surer replaces one that is less so, in whatever order."""
        if isinstance(row, Attempt):
            self.attempts[row.uid] = surer(self.attempts.get(row.uid), row)
        elif isinstance(row, Publish):
            self.publishes.append(row)
        elif isinstance(row, Traffic):
            self.traffic[row.uid] = row
        else:
            self.contents.append(row)


class Candidate(NamedTuple):
    """An execution that a row speaks of: when (us), what tells rows of one time apart, and its id."""

    at_us: int
    tie: bytes
    id: bytes


class Newest(NamedTuple):
    """Attempts that ended since a time; `complete` when these are all that is asked for."""

    attempts: list[Attempt]
    since_us: int
    complete: bool


def newest(parts: Sequence[Newest]) -> Newest:
    """Return together what each of some parts knows, from when on all of them know it; each attempt once."""
    since = max(part.since_us for part in parts)
    found: dict[bytes, Attempt] = {}
    for row in (row for part in parts for row in part.attempts if end_of(row) >= since):
        found[row.uid] = surer(found.get(row.uid), row)
    return Newest(list(found.values()), since, all(part.complete for part in parts))


class Place(NamedTuple):
    """Where a block lies: on which of `Keys.shelves`, and its number there."""

    shelf: int
    number: int


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


def unfolded(tail_: Tail, table: str) -> Iterator[Any]:
    """Yield the rows of a table that wait to be folded."""
    for blob in (blob for shard in tail_ for blob in shard.blobs):
        try:
            picked = blob.pick(table, range(blob.rows(table))) if blob.rows(table) else ()
            yield from [KINDS[table]._make(values) for values in picked]
        except Undecodable:
            continue


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

    def newest_of(self, task: str, since_us: int, most: int) -> Newest:
        """Return the newest attempts of a task name, from at most so many blocks of each shard."""
        return newest([shard.newest_of(task, since_us, most) for shard in self._shards])


class _ShardBlocks:
    """Reads the blocks of one shard."""

    def __init__(self, store: Store, tail_: _ShardTail) -> None:
        self._store = store
        self._tail = tail_
        self._shelves = store.keys.shelves
        self._read: dict[Place, Blob | None] = {}

    def by_ids(self, ids: Sequence[bytes], found: dict[bytes, Found]) -> None:
        """Add every row of some executions."""
        wanted: dict[Place, set[bytes]] = {}
        for packed, numbers in self._places(ids).items():
            for number in numbers:
                wanted.setdefault(number, set()).add(packed)
        for number, blob in self._blobs(sorted(wanted)):
            _pick(blob, wanted[number], found)
        for blob in self._tail.blobs:
            _pick(blob, set(ids), found)

    def of_run(self, run: bytes) -> set[bytes]:
        ids: set[bytes] = set()
        blobs = [blob for _, blob in self._blobs(sorted(self._places([run])[run]))]
        for blob in [*blobs, *self._tail.blobs]:
            for table in ("attempts", "publishes"):
                for packed, of in zip(blob.column(table, "id"), blob.column(table, "run"), strict=True):
                    if (of or fixed_id(packed)) == run:
                        ids.add(packed)
        return ids

    def rows_of(self, keys: Sequence[bytes], tables: Sequence[str], by: str) -> Iterator[tuple[bytes, str, Any]]:
        wanted: dict[Place, set[bytes]] = {}
        for key, numbers in self._places(keys).items():
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
        blobs = [*self._fetched(sorted(self._places([place])[place])[-_MOST_LABELLED:]), *enumerate(self._tail.blobs)]
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
            blobs: dict[Place, Blob] | None = None
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

    def newest_of(self, task: str, since_us: int, most: int) -> Newest:
        notes = sorted(
            self._notes(lambda info: info.newest_us >= since_us and info.may_hold(task, State)),
            key=lambda note: -note[1].newest_us,
        )
        unread = max((info.newest_us for _, info in notes[most:]), default=0)
        blobs = [blob for _, blob in self._fetched([number for number, _ in notes[:most]])]
        found = [row for blob in [*blobs, *self._tail.blobs] for row in _attempts_of(blob, task)]
        return newest([Newest(found, max(unread + 1, since_us), unread == 0)])

    def _notes(self, worth: Callable[[Info], bool]) -> Iterator[tuple[Place, Info]]:
        with self._store.translated():
            pipe = self._store.client.pipeline(transaction=False)
            for shelf in self._shelves:
                pipe.hgetall(shelf.block_info)
            found = pipe.execute()
        for which, raw in enumerate(found):
            for number, note in raw.items():
                try:
                    info = blocks.load_info(note)
                except Undecodable:
                    continue
                if number.isdigit() and worth(info):
                    yield Place(which, int(number)), info

    def _places(self, ids: Sequence[bytes]) -> dict[bytes, set[Place]]:
        """Return for each id the blocks that may mention it."""
        parts = {index.part_of(packed) for packed in ids}
        wanted = [
            (which, group, part)
            for which, filled in enumerate(self._tail.cursor.shelves)
            for group in range(index.group_of(filled.first), index.group_of(filled.number) + 1)
            for part in sorted(parts)
        ]
        if not wanted:
            return {}
        with self._store.translated():
            raw = self._store.client.mget([self._shelves[which].index(group, part) for which, group, part in wanted])
        found: dict[bytes, set[Place]] = {packed: set() for packed in ids}
        for (which, group, part), data in zip(wanted, raw, strict=True):
            for packed in (p for p in ids if data and index.part_of(p) == part):
                found[packed].update(Place(which, number) for number in index.search(data, packed, group))
        return found

    def _blobs(self, places: Sequence[Place]) -> Iterator[tuple[Place, Blob]]:
        missing = [place for place in places if place not in self._read]
        self._read |= dict.fromkeys(missing) | dict(self._fetched(missing))
        for place in places:
            blob = self._read[place]
            if blob is not None:
                yield place, blob

    def _fetched(self, places: Sequence[Place]) -> list[tuple[Place, Blob]]:
        """Return blocks that are not kept; those that are gone or broken are left out."""
        if not places:
            return []
        with self._store.translated():
            raw = self._store.client.mget([self._shelves[place.shelf].block(place.number) for place in places])
        blobs = [(n, _blob(data)) for n, data in zip(places, raw, strict=True) if data]
        return [(n, blob) for n, blob in blobs if blob is not None]


def _of(matches: Callable[[Blob], Iterable[Candidate]], blob: Blob) -> list[Candidate]:
    """Return a blob's candidates, none of a blob that turns out to be broken."""
    try:
        return list(matches(blob))
    except Undecodable:
        return []


def _attempts_of(blob: Blob, task: str) -> list[Attempt]:
    """Return a blob's attempts of a task name."""
    try:
        names = blob.column("attempts", "task") if blob.rows("attempts") else []
        at = [position for position, name in enumerate(names) if name == task]
        return [Attempt._make(values) for values in blob.pick("attempts", at)]
    except Undecodable:
        return []


def _blob(data: bytes) -> Blob | None:
    try:
        return Blob(data)
    except Undecodable:
        return None


def _rows_of(blob: Blob, keys: set[bytes], tables: Sequence[str], by: str) -> Iterator[tuple[bytes, str, Any]]:
    """Yield a blob's rows of some executions or runs; a run's id is that of its execution where none is written."""
    ids = blob.numbered(keys)
    if by == "run":
        odd = {own: fixed_id(own) for own in blob.odd if fixed_id(own) in keys}
        ids |= {number: odd[own] for number, own in blob.numbered(odd).items()}
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
    numbers = blob.numbered(ids)
    if not numbers:
        return
    for table in _OF_AN_EXECUTION:
        try:
            picked: list[Any] = blob.pick(table, blob.positions(table, "id", numbers))
        except Undecodable:
            continue
        for values in picked:
            one = KINDS[table]._make(values)
            found.setdefault(one.id, Found()).add(one)
