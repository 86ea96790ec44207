"""Fills the open block of rows, and opens the next when it is full."""

from __future__ import annotations

from typing import Final

from celery_monitor.store.commit import Commit
from celery_monitor.store.connection import Store
from celery_monitor.store.cursor import Filled
from celery_monitor.store.encoding import joining
from celery_monitor.store.encoding.blob import Blob
from celery_monitor.store.encoding.packing import BROKEN
from celery_monitor.store.keys import DAY_S, Shelf
from celery_monitor.store.report import BROKEN_BLOB, Step
from celery_monitor.store.rows import blocks, index
from celery_monitor.store.rows.blocks import Tables

_EXPIRY_S: Final = blocks.KEEP_S + 2 * DAY_S


class Filler:
    """Fills the open block, and opens the next when it is full.

    The open block is written anew with each commit: its rows are few, and only new ids go into the index.

    Parameters:
        most: rows of a block.
    """

    def __init__(
        self, store: Store, shelf: Shelf, filled: Filled, commit: Commit, step: Step, most: int = blocks.ROWS
    ) -> None:
        self._store = store
        self._shelf = shelf
        self._filled = filled
        self._most = most
        self._commit = commit
        self._step = step
        self._parts: list[Blob] | None = None
        self._few: list[Tables] = []  # rows that are in no blob yet
        self._indexed: set[bytes] = set()
        self._index: dict[tuple[int, int], list[bytes]] = {}  # what to append, by group and part
        self._rows = 0
        self._before = 0  # bytes of the open block as it is stored now

    def add(self, rows: Blob | Tables) -> None:
        """Add the rows of a blob that was checked, or those of columns: they become one blob with what comes next."""
        if not rows_of(rows):
            return
        parts = self._begin()
        if isinstance(rows, Blob):
            self._take_few(parts)
            parts.append(rows)
        else:
            self._few.append(rows)
        self._rows += rows_of(rows)
        if self._rows >= self._most:
            self._write()

    def _begin(self) -> list[Blob]:
        if self._parts is None:
            self._parts = self._opened()
        return self._parts

    def _take_few(self, parts: list[Blob]) -> None:
        """Make a blob of the rows that are none yet."""
        if self._few:
            parts.append(joining.of_columns(joining.behind(self._few)))
        self._few = []

    def close(self) -> None:
        """Write the open block and what all blocks add to the index: a part of it once in a commit."""
        self._write()
        if not self._index:
            return
        keys = self._shelf
        for key in (keys.block_info, keys.blocks):
            self._commit.add("EXPIRE", key, _EXPIRY_S)
        for (group, part), found in self._index.items():
            key = keys.index(group, part)
            self._commit.add("APPEND", key, b"".join(found))
            self._commit.add("EXPIRE", key, _EXPIRY_S)
        self._index = {}

    def _write(self) -> None:
        """Write the open block; when it is full the next rows go into a new one."""
        parts, self._parts = self._parts, None
        if parts is None:
            return
        self._take_few(parts)
        cursor, keys, number = self._filled, self._shelf, self._filled.number
        pieces = joining.gathered(parts)
        data = joining.join(pieces)
        info, ids = blocks.describe(pieces, len(data), self._store.identity_labels)
        self._commit.add("SET", keys.block(number), data, "EX", _EXPIRY_S)
        self._commit.add("HSET", keys.block_info, number, info.dump())
        self._commit.add("ZADD", keys.blocks, info.newest_us, number)
        for part, found in index.entries(ids - self._indexed, number).items():
            self._index.setdefault((index.group_of(number), part), []).append(found)
        cursor.stored_bytes += info.stored_bytes - self._before
        full = info.rows >= self._most
        cursor.number, cursor.rows = (number + 1, 0) if full else (number, info.rows)
        self._indexed, self._before, self._rows = set(), 0, 0

    def _opened(self) -> list[Blob]:
        cursor, keys = self._filled, self._shelf
        self._indexed, self._before, self._rows = set(), 0, 0
        if not cursor.rows:
            return []
        with self._store.translated():
            data = self._store.client.get(keys.block(cursor.number))
            note = self._store.client.hget(keys.block_info, cursor.number)
        try:
            found = [joining.checked(piece) for piece in Blob(data or b"").pieces()]
            self._indexed = blocks.index_ids(found, self._store.identity_labels)
            self._before = blocks.load_info(note or b"").stored_bytes
        except BROKEN:
            self._step.skipped[BROKEN_BLOB] += 1
            cursor.number, cursor.rows = cursor.number + 1, 0
            return []
        self._rows = sum(piece.count for piece in found)
        return found


def rows_of(rows: Blob | Tables) -> int:
    """Return how many there are in all tables."""
    if isinstance(rows, Blob):
        return rows.count
    return sum(len(columns["id"]) for columns in rows.values())
