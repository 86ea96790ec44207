"""The fold of task rows: new batches into blocks and their index, the oldest blocks out when the budget is used up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from celery_monitor.details import Wait
from celery_monitor.store import fresh, inbox, live, schedule
from celery_monitor.store.commit import Commit
from celery_monitor.store.connection import Store
from celery_monitor.store.cursor import TasksCursor, after
from celery_monitor.store.encoding import columns
from celery_monitor.store.keys import LATE_S
from celery_monitor.store.memory import Memory
from celery_monitor.store.report import FULL, LATE_ROWS, TOO_MANY_WAITS, UNDECODABLE, FoldReport, Step
from celery_monitor.store.rows import lost, runs, shelves, turnarounds, waits
from celery_monitor.store.rows.blocks import Tables
from celery_monitor.store.rows.filler import Filler
from celery_monitor.store.rows.shelves import Bytes, Sorted
from celery_monitor.store.seen import Seen
from celery_monitor.store.slices import Slices

MAX_ROWS: Final = 20_000
"""Per commit: the server answers nobody else meanwhile."""
ENTRIES: Final = 100
MAX_ENTRY_ROWS: Final = 50_000
"""No agent sends that many in one flush."""


@dataclass(slots=True)
class Ahead:
    """Entries that were read and not folded: large ones are more than one commit takes, and are not read again.

    Attributes:
        cursor: bytes of the cursor that they follow; with another one they are read anew.
        known: which batches were folded, of their boots.
    """

    cursor: bytes | None = None
    entries: fresh.RawEntries = field(default_factory=list)
    known: Seen = field(default_factory=lambda: Seen([], []))

    def follow(self, store: Store, raw: bytes | None, last: str, now_us: int) -> None:
        """Read on where there is nothing left, or where somebody else has folded."""
        if self.entries and raw == self.cursor:
            return
        with store.translated():
            self.entries = inbox.following(store.client, store.keys.inbox_tasks, last, ENTRIES)
        self.known = fresh.seen_before(store, inbox.TASKS, fresh.heads(self.entries, Step()), now_us)

    def take(self, count: int, cursor: bytes) -> None:
        """Go on after so many entries, which are committed."""
        self.cursor, self.entries = cursor, self.entries[count:]


def fold_once(
    store: Store, now_us: int, room: Memory, most: Bytes, report: FoldReport, slices: Slices, ahead: Ahead
) -> bool:
    """Fold the next entries in one commit; return whether there is more to do and nobody else was faster.

    Parameters:
        room: the server's memory.
        most: bytes that all blocks of each shelf and their index may take.
        ahead: what the commit before has left; changed.
    """
    key = store.keys.cursor(inbox.TASKS)
    with store.translated():
        raw = store.client.get(key)
    step = Step()
    cursor = shelves.cursor_of(store, raw, step)
    ahead.follow(store, raw, cursor.last, now_us)
    entries, taken = ahead.entries, ahead.entries[:0]
    commit = Commit(key, raw or b"")
    written = cursor.executions.number, cursor.logs.number
    if entries:
        taken = _take(store, ahead, cursor, now_us, room, commit, step, slices)
        folded, full = [fields for _, fields in taken], not room.takes_executions
        inbox.trim(commit, store.keys, inbox.TASKS, folded, after(cursor.last), full=full)
    dropped = shelves.drop_oldest(store, cursor, written, now_us, most, commit)
    if not entries and not dropped and not step.skipped:
        return False
    step.write(commit, store.keys)
    following = cursor.dump()
    if not commit.run(store, following):
        report.races += 1
        return False
    ahead.take(len(taken), following)
    report.committed(step)
    return True


def shed(store: Store, now_us: int, most: Bytes, report: FoldReport) -> None:
    """Drop the oldest blocks until the others are within `most` bytes: possible though the server takes no writes."""
    while True:
        key = store.keys.cursor(inbox.TASKS)
        with store.translated():
            raw = store.client.get(key)
        cursor, commit = shelves.cursor_of(store, raw, Step()), Commit(key, raw or b"")
        written = cursor.executions.number, cursor.logs.number
        if not shelves.drop_oldest(store, cursor, written, now_us, most, commit):
            return
        if not commit.run(store, cursor.dump()):
            report.races += 1
            return
        report.commits += 1


def _take(
    store: Store,
    ahead: Ahead,
    cursor: TasksCursor,
    now_us: int,
    room: Memory,
    commit: Commit,
    step: Step,
    slices: Slices,
) -> fresh.RawEntries:
    """Add the next entries to the commit; return those, the others are for the next one."""
    entries, known = ahead.entries, ahead.known
    fillers = (
        Filler(store, store.keys.executions, cursor.executions, commit, step),
        Filler(store, store.keys.logs, cursor.logs, commit, step, shelves.LOG_ROWS),
    )
    booked, pairs, retried = lost.Booked(store), waits.Pairs(store, now_us), turnarounds.Retried(store)
    touched: set[bytes] = set()
    told = live.pace(store)
    one_in = told["one_in"] if told else 1
    oldest_us = now_us - LATE_S * 1_000_000
    taken = count = 0
    for count, raw in enumerate(entries, 1):  # noqa: B007 - how many were taken
        for entry in fresh.heads([raw], step):
            if fresh.take(known, entry, step):
                found = fresh.twice(partial(shelves.sort_out, entry.data, oldest_us), step)
                if found is not None:
                    found = _paired(store, pairs, found, oldest_us, commit, now_us)
                    if booked:
                        booked.take_back(entry.boot, found.tables["attempts"]["uid"], commit, now_us)
                    turnarounds.count(retried.take(found.tables["attempts"]), entry, store, commit, now_us)
                    rows = _put(fillers, found, room, step)
                    touched |= runs.of(found.tables, one_in) if rows else set()
                    taken += rows
        cursor.last = fresh.stream_id(raw)
        slices.breathe()
        if taken >= MAX_ROWS:
            break
    for filler in fillers:
        filler.close()
    pairs.write(commit)
    retried.write(commit, step)
    if pairs.refused:
        step.skipped[TOO_MANY_WAITS] += pairs.refused
    runs.touch(store, touched, commit, now_us)
    known.write(commit, store.keys, inbox.TASKS, now_us)
    return entries[:count]


def _paired(store: Store, pairs: waits.Pairs, found: Sorted, oldest_us: int, commit: Commit, now_us: int) -> Sorted:
    """Put the waits that are whole now in the place of their beginnings and ends, and sendings where they are kept."""
    if not found.tables.keys() & {"waits", "fires"}:
        return found
    tables: Tables = {name: dict(table) for name, table in found.tables.items()}
    schema = columns.SCHEMAS["waits"]
    if "waits" in tables:
        told = [Wait._make(row) for row in columns.to_rows(schema, tables["waits"])]
        whole = pairs.pair(told)
        waits.count(whole, store, commit, now_us)
        tables["waits"] = columns.from_rows(schema, whole)
    schedule.keep(store, tables, commit)
    return shelves.sort_out(columns.encode(tables, level=0), oldest_us)


def _put(fillers: Sequence[Filler], found: Sorted, room: Memory, step: Step) -> int:
    rows = found.rows
    if found.late:
        step.skipped[LATE_ROWS] += found.late
    if not room.takes_executions:
        step.skipped[FULL] += rows
        return 0
    if rows > MAX_ENTRY_ROWS:
        step.skipped[UNDECODABLE] += 1
        return 0
    for filler, part in zip(fillers, (found.well, found.ill), strict=True):
        filler.add(part)
    step.rows += rows
    return rows
