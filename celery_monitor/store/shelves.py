"""Two shelves of blocks, each with bytes of its own: executions, and log records with the attempts that failed.

So a flood of logs displaces no execution, and what failed is found without looking through what did not.
"""

from __future__ import annotations

from itertools import compress
from typing import Any, Final, NamedTuple

from celery_monitor.model import FAILED
from celery_monitor.signals.record import State
from celery_monitor.store import blocks, index
from celery_monitor.store.blocks import Tables
from celery_monitor.store.commit import Commit
from celery_monitor.store.connection import Store
from celery_monitor.store.cursor import Filled, TasksCursor
from celery_monitor.store.keys import Shelf
from celery_monitor.store.packing import Undecodable

LOG_ROWS: Final = 500
"""Rows of a block of logs and failures: their texts are long."""
_TROUBLES: Final = frozenset({*map(int, FAILED), int(State.LOST)})
_DROP: Final = 16
"""Blocks of a shelf dropped per commit."""


class Bytes(NamedTuple):
    """Most that each shelf may take with its index, in the order of `Keys.shelves`."""

    executions: int
    logs: int


def split(tables: Tables) -> tuple[Tables, Tables]:
    """Return what goes on each shelf, in the order of `Keys.shelves`."""
    states = tables["attempts"]["state"]
    bad = _TROUBLES.intersection(states)
    if not bad and "logs" not in tables:
        return tables, {}
    well = dict(tables)
    ill: Tables = {name: {column: [] for column in tables[name]} for name in ("attempts", "publishes")}
    if bad:
        at = [n for n, state in enumerate(states) if state in bad]
        good = [state not in bad for state in states]
        for name, column in tables["attempts"].items():
            ill["attempts"][name] = [column[n] for n in at]
        well["attempts"] = {name: list(compress(column, good)) for name, column in tables["attempts"].items()}
    if "logs" in well:
        ill["logs"] = well.pop("logs")
    return well, ill


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
