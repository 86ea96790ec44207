"""Task rows of the blocks and of the inbox's tail, found by id or newest first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from celery_monitor.model import Attempt, Publish
from celery_monitor.signals.record import State, fixed_id
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


_SURE: Final[dict[int, int]] = {State.INTERRUPTED: 0, State.LOST: 1, State.STORE_FAILED: 3}
"""How sure an end is: an interrupted attempt may be heard of yet, a lost one may come back; others are 2."""


@dataclass(slots=True)
class Found:
    """The rows of one execution."""

    attempts: dict[bytes, Attempt] = field(default_factory=dict)
    publishes: list[Publish] = field(default_factory=list)

    def add(self, attempt: Attempt) -> None:
        """Add an attempt; an end of the same uid that is surer replaces one that is less so, in whatever order."""
        known = self.attempts.get(attempt.uid)
        if known is None or _SURE.get(attempt.state, 2) >= _SURE.get(known.state, 2):
            self.attempts[attempt.uid] = attempt


class Candidate(NamedTuple):
    """An execution that a row speaks of: when (us), what tells rows of one time apart, and its id."""

    at_us: int
    tie: bytes
    id: bytes


class Tail(NamedTuple):
    """What the inbox holds that was not folded when it was read."""

    cursor: TasksCursor
    blobs: list[Blob]


def ended_us(row: Attempt) -> int:
    """Return when an attempt ended."""
    return blocks.ended_us(row.started_us, row.runtime_us, row.published_us, row.wait_us)


def tail(store: Store, now_us: int) -> Tail:
    """Read the cursor and what is behind it as of one moment.

    Raises:
        StoreError: the store does not answer.
    """
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
    return Tail(cursor, [b for b in blobs if b is not None])


class Blocks:
    """Reads blocks for one question; a block that was read is kept until it is answered."""

    def __init__(self, store: Store, tail_: Tail) -> None:
        self._store = store
        self._tail = tail_
        self._read: dict[int, Blob | None] = {}

    def by_ids(self, ids: Sequence[bytes]) -> dict[bytes, Found]:
        """Return every row of some executions (packed ids); ids without rows are left out."""
        wanted: dict[int, set[bytes]] = {}
        for packed, numbers in self._numbers(ids).items():
            for number in numbers:
                wanted.setdefault(number, set()).add(packed)
        found: dict[bytes, Found] = {}
        for number, blob in self._blobs(sorted(wanted)):
            _pick(blob, wanted[number], found)
        for blob in self._tail.blobs:
            _pick(blob, set(ids), found)
        return found

    def of_run(self, run: bytes) -> set[bytes]:
        """Return the ids of the executions of a run (16 bytes)."""
        ids: set[bytes] = set()
        blobs = [blob for _, blob in self._blobs(sorted(self._numbers([run])[run]))]
        for blob in [*blobs, *self._tail.blobs]:
            for table in ("attempts", "publishes"):
                for packed, of in zip(blob.column(table, "id"), blob.column(table, "run"), strict=True):
                    if (of or fixed_id(packed)) == run:
                        ids.add(packed)
        return ids

    def newest_first(
        self, matches: Callable[[Blob], Iterable[Candidate]], worth: Callable[[Info], bool]
    ) -> Iterator[Candidate]:
        """Yield candidates of the tail and of all blocks, the newest first.

        Args:
            matches: the candidates of a blob, in any order.
            worth: whether a block can hold any, by its note.
        """
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
        if missing:
            with self._store.translated():
                raw = self._store.client.mget([self._store.keys.block(number) for number in missing])
            self._read |= {n: _blob(data) if data else None for n, data in zip(missing, raw, strict=True)}
        for number in numbers:
            blob = self._read[number]
            if blob is not None:
                yield number, blob


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
