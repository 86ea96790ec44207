"""The fold of task rows: new batches into blocks and their index, the oldest blocks out when the budget is used up."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from celery_monitor.store import blocks, fresh, inbox, index, lost
from celery_monitor.store.blocks import Tables
from celery_monitor.store.commit import Commit
from celery_monitor.store.connection import Store
from celery_monitor.store.cursor import TasksCursor, after
from celery_monitor.store.keys import DAY_S, LATE_S
from celery_monitor.store.memory import EXECUTIONS_SHARE, Memory
from celery_monitor.store.packing import Undecodable
from celery_monitor.store.report import BROKEN_BLOB, FULL, LATE_ROWS, UNDECODABLE, FoldReport, Step
from celery_monitor.store.slices import Slices

MAX_ROWS: Final = 10_000
"""Per commit: the server answers nobody else meanwhile."""
ENTRIES: Final = 100
MAX_ENTRY_ROWS: Final = 50_000
"""No agent sends that many in one flush."""
_DROP: Final = 16
"""Blocks dropped per commit."""
_EXPIRY_S: Final = blocks.KEEP_S + 2 * DAY_S


def fold_once(store: Store, now_us: int, room: Memory, report: FoldReport, slices: Slices) -> bool:
    """Fold the next entries in one commit; return whether there is more to do and nobody else was faster."""
    key = store.keys.cursor(inbox.TASKS)
    with store.translated():
        raw = store.client.get(key)
        cursor = TasksCursor.load(raw)
        entries = inbox.read(store.client, store.keys.inbox_tasks, cursor.last, ENTRIES)
    step = Step()
    commit = Commit(key, raw or b"")
    written = cursor.number
    if entries:
        _take(store, entries, cursor, now_us, room, commit, step, slices)
        commit.add("XTRIM", store.keys.inbox_tasks, "MINID", after(cursor.last))
    dropped = _drop_oldest(store, cursor, written, now_us, room, commit)
    if not entries and not dropped:
        return False
    step.write(commit, store.keys)
    if not commit.run(store, cursor.dump()):
        report.races += 1
        return False
    report.committed(step)
    return True


def _take(
    store: Store,
    entries: fresh.RawEntries,
    cursor: TasksCursor,
    now_us: int,
    room: Memory,
    commit: Commit,
    step: Step,
    slices: Slices,
) -> None:
    known = fresh.seen_before(store, inbox.TASKS, fresh.heads(entries, Step()), now_us)
    filler = Filler(store, cursor, commit, step)
    booked = lost.Booked(store)
    taken = 0
    for raw in entries:
        for entry in fresh.heads([raw], step):
            if fresh.take(known, entry, step):
                tables = fresh.twice(partial(blocks.read, entry.data), step)
                if tables is not None:
                    booked.take_back(entry.boot, tables["attempts"]["uid"], commit, now_us)
                    taken += _put(filler, tables, now_us, room, step)
        cursor.last = fresh.stream_id(raw)
        slices.breathe()
        if taken >= MAX_ROWS:
            break
    filler.close()
    known.write(commit, store.keys, inbox.TASKS, now_us)


def _put(filler: Filler, tables: Tables, now_us: int, room: Memory, step: Step) -> int:
    kept = blocks.without_late(tables, now_us - LATE_S * 1_000_000)
    rows = blocks.count(kept)
    if late := blocks.count(tables) - rows:
        step.skipped[LATE_ROWS] += late
    if not room.takes_executions:
        step.skipped[FULL] += rows
        return 0
    if rows > MAX_ENTRY_ROWS:
        step.skipped[UNDECODABLE] += 1
        return 0
    if rows:
        filler.add(kept)
        step.rows += rows
    return rows


class Filler:
    """Fills the open block, and opens the next when it is full.

    The open block is written anew with each commit: its rows are few, and only new ids go into the index.
    """

    def __init__(self, store: Store, cursor: TasksCursor, commit: Commit, step: Step) -> None:
        self._store = store
        self._cursor = cursor
        self._commit = commit
        self._step = step
        self._tables: Tables | None = None
        self._indexed: set[bytes] = set()
        self._before = 0  # bytes of the open block as it is stored now

    def add(self, tables: Tables) -> None:
        """Add the rows of one batch."""
        if self._tables is None:
            self._tables = self._opened()
        blocks.extend(self._tables, tables)
        if blocks.count(self._tables) >= blocks.ROWS:
            self.close()

    def close(self) -> None:
        """Write the open block; when it is full the next rows go into a new one."""
        tables, self._tables = self._tables, None
        if tables is None:
            return
        cursor, keys, number = self._cursor, self._store.keys, self._cursor.number
        data, info = blocks.build(tables)
        self._commit.add("SET", keys.block(number), data, "EX", _EXPIRY_S)
        self._commit.add("HSET", keys.block_info, number, info.dump())
        self._commit.add("ZADD", keys.blocks, info.newest_us, number)
        self._commit.add("EXPIRE", keys.block_info, _EXPIRY_S)
        self._commit.add("EXPIRE", keys.blocks, _EXPIRY_S)
        found = index.entries(blocks.index_ids(tables) - self._indexed, number)
        for part, data in found.items():
            key = keys.index(index.group_of(number), part)
            self._commit.add("APPEND", key, data)
            self._commit.add("EXPIRE", key, _EXPIRY_S)
        cursor.stored_bytes += info.stored_bytes - self._before
        full = info.rows >= blocks.ROWS
        cursor.number, cursor.rows = (number + 1, 0) if full else (number, info.rows)
        self._indexed, self._before = set(), 0

    def _opened(self) -> Tables:
        cursor, keys = self._cursor, self._store.keys
        self._indexed, self._before = set(), 0
        if not cursor.rows:
            return blocks.empty()
        with self._store.translated():
            data = self._store.client.get(keys.block(cursor.number))
            note = self._store.client.hget(keys.block_info, cursor.number)
        try:
            tables = blocks.read(data or b"")
            self._before = blocks.load_info(note or b"").stored_bytes
        except Undecodable:
            self._step.skipped[BROKEN_BLOB] += 1
            cursor.number, cursor.rows = cursor.number + 1, 0
            return blocks.empty()
        self._indexed = blocks.index_ids(tables)
        return tables


def budget(store: Store, room: Memory) -> int:
    """Return how many bytes of executions may be stored: none of the old ones while counters find no room."""
    if not room.takes_counters:
        return 0
    return room.share(EXECUTIONS_SHARE, store.executions_bytes)


def _drop_oldest(store: Store, cursor: TasksCursor, written: int, now_us: int, room: Memory, commit: Commit) -> bool:
    """Add the removal of the oldest blocks below `written` to the commit: beyond the budget, or too old."""
    numbers = list(range(cursor.first, min(cursor.first + _DROP, written)))
    if not numbers:
        return False
    with store.translated():
        notes = store.client.hmget(store.keys.block_info, numbers)
    most = budget(store, room)
    before = cursor.first
    for number, note in zip(numbers, notes, strict=True):
        info = _note(note)
        old = info is None or info.newest_us < now_us - blocks.KEEP_S * 1_000_000
        if cursor.stored_bytes <= most and not old:
            break
        _drop(store, number, commit)
        cursor.stored_bytes -= info.stored_bytes if info else 0
        cursor.first = number + 1
    return cursor.first > before


def _drop(store: Store, number: int, commit: Commit) -> None:
    keys = store.keys
    commit.add("UNLINK", keys.block(number))
    commit.add("HDEL", keys.block_info, number)
    commit.add("ZREM", keys.blocks, number)
    if index.group_of(number + 1) != index.group_of(number):
        for part in range(index.PARTS):
            commit.add("UNLINK", keys.index(index.group_of(number), part))


def _note(raw: Any) -> blocks.Info | None:
    try:
        return blocks.load_info(raw) if raw else None
    except Undecodable:
        return None
