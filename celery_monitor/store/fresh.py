"""Which entries of a stream are new: heads read, duplicates and broken ones put aside."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from celery_monitor.store import inbox, seen
from celery_monitor.store.connection import Store
from celery_monitor.store.encoding.packing import Undecodable
from celery_monitor.store.inbox import Entry
from celery_monitor.store.report import UNDECODABLE, Step
from celery_monitor.store.seen import Seen

T = TypeVar("T")
RawEntries = list[tuple[bytes, dict[bytes, bytes]]]


def heads(entries: RawEntries, step: Step) -> list[Entry]:
    """Return the heads of entries; those without one are counted."""
    found = []
    for entry_id, fields in entries:
        entry = twice(partial(inbox.head, entry_id, fields), step)
        if entry is not None:
            found.append(entry)
    return found


def seen_before(store: Store, kind: str, entries: list[Entry], now_us: int) -> Seen:
    """Return what is known of the batches of these entries' boots."""
    boots = list(dict.fromkeys(e.boot for e in entries))
    if not boots:
        return Seen([], [[] for _ in seen.days(now_us)])
    with store.translated():
        pipe = store.client.pipeline(transaction=False)
        seen.ask(pipe, store.keys, kind, boots, now_us)
        return Seen(boots, pipe.execute())


def take(known: Seen, entry: Entry, step: Step) -> bool:
    """Return whether an entry's batch is new, and count it."""
    if not known.take(entry.boot, entry.n):
        step.duplicates += 1
        return False
    step.batches += 1
    return True


def twice(decode: Callable[[], T], step: Step) -> T | None:
    """Return what `decode` returns; what fails twice is counted and None: it must not stop the fold for ever."""
    for _ in range(2):
        try:
            return decode()
        except Undecodable:
            continue
    step.skipped[UNDECODABLE] += 1
    return None


def stream_id(entry: tuple[bytes, Any]) -> str:
    """Return a raw entry's id."""
    return entry[0].decode()
