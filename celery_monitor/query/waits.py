"""Waits for something outside: those that are open with their age, and those that have ended, newest first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from celery_monitor.details import Wait
from celery_monitor.query import paging, rows
from celery_monitor.query.rows import Blocks, Candidate
from celery_monitor.query.run import wait as shown
from celery_monitor.store.connection import Store
from celery_monitor.store.encoding.blob import Blob
from celery_monitor.store.rows import waits as open_table

STATES: Final = ["OPEN", "ENDED"]
_OPEN: Final = 1 << 62
"""Added to the time of an open wait in its cursor: open ones stand before all that have ended."""


class Place(NamedTuple):
    """Where a wait stands: an open one at its beginning, the others at their end."""

    at_us: int
    tie: bytes
    row: Wait | None


@dataclass(frozen=True, slots=True)
class Filters:
    """What is asked for; None means any."""

    state: str | None = None
    name: str | None = None
    limit: int = paging.DEFAULT_LIMIT
    before: tuple[int, bytes] | None = None


def parse(
    *, state: str | None = None, name: str | None = None, limit: int | str | None = None, cursor: str | None = None
) -> Filters:
    """Return filters from what a face was given.

    Raises:
        BadRequest: not of the accepted form.
    """
    return Filters(
        paging.one_of("state", state, STATES), name or None, paging.limit(limit), paging.position(cursor)
    )  # fmt: skip


def pending(store: Store, now_us: int) -> list[Wait]:
    """Return the waits that are open, the oldest first; one whose end is only waiting to be folded is not.

    Raises:
        StoreError: the store does not answer.
    """
    if not open_table.open_waits(store):
        return []
    ends: dict[bytes, int] = {}
    for end in rows.unfolded(rows.tail(store, now_us), "waits"):
        if end.ended_us and not end.begun_us:
            ends[end.key] = max(end.ended_us, ends.get(end.key, 0))
    # Looked at after what is not folded: what was folded meanwhile is gone from the table.
    return [wait for wait in open_table.open_waits(store) if ends.get(wait.key, 0) < wait.begun_us]


def page(store: Store, filters: Filters, now_us: int) -> dict[str, Any]:
    """Return how many waits are open, and a page of waits: the open ones first, then those that have ended.

    Raises:
        StoreError: the store does not answer.
    """
    still_open = pending(store, now_us)
    out: list[dict[str, Any]] = []
    last: Place | None = None
    following: str | None = None
    for place in _places(store, still_open, filters, now_us):
        if len(out) == filters.limit:
            following = paging.cursor(last)
            break
        if place.row is not None:
            out.append(shown(place.row, now_us))
            last = place
    return {"open": len(still_open), "waits": out, "next": following}


def _places(store: Store, still_open: Iterable[Wait], filters: Filters, now_us: int) -> Iterator[Place]:
    before = filters.before
    if filters.state != "ENDED":
        mine = [w for w in still_open if filters.name in {None, w.name}]
        places = sorted((Place(_OPEN + w.begun_us, w.key, w) for w in mine), key=lambda p: p[:2], reverse=True)
        yield from (p for p in places if before is None or p[:2] < before)
    if filters.state != "OPEN":
        stored = Blocks(store, rows.tail(store, now_us))
        found: dict[Candidate, Wait] = {}

        def matches(blob: Blob) -> Iterator[Candidate]:
            return _matches(blob, filters, found)

        ended = stored.newest_first(matches, lambda info: before is None or info.oldest_us <= before[0])
        places_ = (Place(c.at_us, c.tie, found.pop(c, None)) for c in ended)
        yield from (p for p in places_ if before is None or p[:2] < before)


def _matches(blob: Blob, filters: Filters, found: dict[Candidate, Wait]) -> Iterator[Candidate]:
    """Yield the waits of a blob that are whole, and keep their rows; halves lie in what is not folded yet."""
    if not blob.rows("waits"):
        return
    names, begun, ended = (blob.column("waits", column) for column in ("name", "begun_us", "ended_us"))
    at = [i for i, name in enumerate(names) if begun[i] and ended[i] and filters.name in {None, name}]
    for values in blob.pick("waits", at):
        row = Wait._make(values)
        candidate = Candidate(row.at_us, row.key, row.id)
        found[candidate] = row
        yield candidate
