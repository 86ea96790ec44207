"""Two shelves of blocks, each with bytes of its own: executions, and log records with the attempts that failed.

So a flood of logs displaces no execution, and what failed is found without looking through what did not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import compress
from typing import Any, Final, NamedTuple

from celery_monitor.model import FAILED
from celery_monitor.signals.record import State
from celery_monitor.store.commit import Commit
from celery_monitor.store.connection import Store
from celery_monitor.store.cursor import Filled, TasksCursor
from celery_monitor.store.encoding import joining
from celery_monitor.store.encoding.blob import Blob
from celery_monitor.store.encoding.packing import Undecodable
from celery_monitor.store.keys import Shelf
from celery_monitor.store.report import BROKEN_BLOB, Step
from celery_monitor.store.rows import blocks, filler, index
from celery_monitor.store.rows.blocks import Tables, View

LOG_ROWS: Final = 500
"""Rows of a block of logs and failures: their texts are long."""
_TROUBLES: Final = frozenset({*map(int, FAILED), int(State.LOST)})
_DROP: Final = 16
"""Blocks of a shelf dropped per commit."""


class Bytes(NamedTuple):
    """Most that each shelf may take with its index, in the order of `Keys.shelves`."""

    executions: int
    logs: int


def cursor_of(store: Store, raw: bytes | None, step: Step) -> TasksCursor:
    """Return the cursor in its bytes; in the place of a broken one, the one that the notes on the blocks tell.

    Raises:
        StoreError: the store does not answer.
    """
    try:
        return TasksCursor.load(raw)
    except Undecodable:
        step.skipped[BROKEN_BLOB] += 1
        return TasksCursor("", *(_filled(store, shelf) for shelf in store.keys.shelves))


def _filled(store: Store, shelf: Shelf) -> Filled:
    with store.translated():
        found = store.client.hgetall(shelf.block_info)
    notes = {int(number): _note(note) for number, note in found.items() if number.isdigit()}
    stored = sum(info.stored_bytes for info in notes.values() if info is not None)
    return Filled(min(notes, default=1), max(notes, default=0) + 1, 0, stored)


class Sorted(NamedTuple):
    """All rows of an entry, those for the executions' shelf, those for the other, and how many came too late."""

    tables: View
    well: Blob | Tables
    ill: Tables
    late: int

    @property
    def rows(self) -> int:
        """Rows for both shelves."""
        return filler.rows_of(self.well) + filler.rows_of(self.ill)


def sort_out(data: bytes, oldest_us: int) -> Sorted:
    """Return what goes on each shelf of an entry's rows, without those that ended (were published) before a time.

    Few rows are decoded: they become one blob with those of other entries.

    Raises:
        Undecodable: broken, or of a newer version.
    """
    blob = Blob(data)
    few = blob.count < joining.SMALL
    if not few:
        blob = joining.checked(blob)
    late = blocks.late(blob, oldest_us)
    gone: dict[str, Sequence[int]] = dict(late)
    ill: Tables = {}
    for name, positions in (("attempts", _troubles(blob)), ("logs", range(blob.rows("logs")))):
        if positions:
            before = set(late.get(name, ()))
            ill[name] = blob.some(name, [at for at in positions if at not in before])
            gone[name] = sorted(before.union(positions))
    well = _left(blob, gone) if few else joining.without(blob, gone) if gone else blob
    return Sorted(blocks.view(blob), well, ill, sum(map(len, late.values())))


def _left(blob: Blob, gone: Mapping[str, Sequence[int]]) -> Tables:
    """Return the columns of each table without the rows at some positions."""
    tables = {name: blob.all(name) for name in blob.names}
    for name, positions in gone.items():
        kept = [at not in positions for at in range(blob.rows(name))]
        tables[name] = {column: list(compress(values, kept)) for column, values in tables[name].items()}
    return tables


def _troubles(blob: Blob) -> list[int]:
    if not blob.rows("attempts"):
        return []
    bad = _TROUBLES & blob.distinct("attempts", "state")
    return [at for at, state in enumerate(blob.column("attempts", "state")) if state in bad] if bad else []


def drop_oldest(
    store: Store, cursor: TasksCursor, written: tuple[int, int], now_us: int, most: Bytes, commit: Commit
) -> bool:
    """Add the removal of the oldest blocks of each shelf to the commit: beyond its bytes, or too old.

    Parameters:
        written: number of the block of each shelf that was open before; it and those after it stay.
    """
    parts = zip(store.keys.shelves, cursor.shelves, written, most, strict=True)
    dropped = [_drop_some(store, *part, now_us, commit) for part in parts]
    return any(dropped)


def _drop_some(
    store: Store, shelf: Shelf, filled: Filled, written: int, most: int, now_us: int, commit: Commit
) -> bool:
    numbers = list(range(filled.first, min(filled.first + _DROP, written)))
    if not numbers:
        return False
    with store.translated():
        notes = store.client.hmget(shelf.block_info, numbers)
    before = filled.first
    for number, note in zip(numbers, notes, strict=True):
        info = _note(note)
        old = info is None or info.newest_us < now_us - blocks.KEEP_S * 1_000_000
        if filled.stored_bytes <= most and not old:
            break
        _drop(shelf, number, info, filled, commit)
        filled.first = number + 1
    return filled.first > before


def _drop(shelf: Shelf, number: int, info: blocks.Info | None, filled: Filled, commit: Commit) -> None:
    if info is not None:
        filled.stored_bytes -= info.stored_bytes - info.index_bytes
        filled.orphan_bytes += info.index_bytes
    commit.add("UNLINK", shelf.block(number))
    commit.add("HDEL", shelf.block_info, number)
    commit.add("ZREM", shelf.blocks, number)
    if index.group_of(number + 1) != index.group_of(number):
        for part in range(index.PARTS):
            commit.add("UNLINK", shelf.index(index.group_of(number), part))
        filled.stored_bytes -= filled.orphan_bytes
        filled.orphan_bytes = 0


def _note(raw: Any) -> blocks.Info | None:
    try:
        return blocks.load_info(raw) if raw else None
    except Undecodable:
        return None
