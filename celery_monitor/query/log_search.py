"""Log records of all executions, the newest first: by level, task, run and text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from celery_monitor.details import Log
from celery_monitor.query import logs, paging, rows
from celery_monitor.query.rows import Blocks, Candidate
from celery_monitor.signals.record import fixed_id, pack_id
from celery_monitor.store.connection import Store
from celery_monitor.store.encoding.blob import Blob
from celery_monitor.store.rows.blocks import Info

SEARCHED: Final = 50_000
"""Records looked at for one page: a text that almost nothing has ends with a cursor to go on from."""
_STOP: Final = b"\0stop"
"""In the place of an id: nothing older was looked at."""


@dataclass(frozen=True, slots=True)
class Filters:
    """What is asked for; None means any.

    Attributes:
        text: in small letters; anywhere in a record's message, logger, extra or exception.
        before: only what is older than this (time in us, tie), where the last page ended.
    """

    level: int = 0
    task: str | None = None
    text: str | None = None
    run: bytes | None = None
    since_us: int | None = None
    until_us: int | None = None
    limit: int = 100
    before: tuple[int, bytes] | None = None


def parse(
    *,
    level: str | None = None,
    task: str | None = None,
    text: str | None = None,
    run: str | None = None,
    since: str | None = None,
    until: str | None = None,
    limit: int | str | None = None,
    cursor: str | None = None,
) -> Filters:
    """Return filters from what a face was given.

    Raises:
        BadRequest: not of the accepted form.
    """
    return Filters(
        level=logs.level_of(level),
        task=task or None,
        text=text.lower() if text else None,
        run=fixed_id(pack_id(run)) if run else None,
        **paging.bounds(since, until, limit, cursor, 100),
    )


def page(store: Store, filters: Filters, now_us: int) -> dict[str, Any]:
    """Return a page of records and the cursor of the next.

    Raises:
        StoreError: the store does not answer.
    """
    search = _Search(filters)
    stored = Blocks(store, rows.tail(store, now_us))
    shown: list[dict[str, Any]] = []
    place: Candidate | None = None
    for candidate in search.candidates(stored):
        if candidate.id == _STOP:
            return {"logs": shown, "next": paging.cursor(candidate)}
        if candidate == place:
            continue  # said twice in one microsecond
        if len(shown) == filters.limit:
            return {"logs": shown, "next": paging.cursor(place)}
        shown.append(logs.shown(search.found[candidate[:2]]))
        place = candidate
    return {"logs": shown, "next": None}


class _Search:
    """One search; remembers the records it has found until they are shown."""

    def __init__(self, filters: Filters) -> None:
        self._filters = filters
        self._looked = 0
        self.found: dict[tuple[int, bytes], Log] = {}

    def candidates(self, stored: Blocks) -> Iterator[Candidate]:
        """Yield the records that are meant, the newest first; doubles are left in."""
        if self._filters.run is None:
            return stored.newest_first(self._of_blob, partial(_worth, filters=self._filters))
        of_run = (row for _, _, row in stored.rows_of([self._filters.run], ("logs",), "run"))
        return iter(sorted(map(self._candidate, filter(self._wanted, of_run)), reverse=True))

    def _of_blob(self, blob: Blob) -> Iterator[Candidate]:
        """Yield a blob's records; instead of those beyond `SEARCHED` the place where the next page begins."""
        size = blob.rows("logs")
        times = blob.column("logs", "at_us") if size else []
        if not size or (self._filters.before is not None and min(times) > self._filters.before[0]):
            return
        place = Candidate(max(times) + 1, b"", _STOP)
        # What lies at the cursor is looked at always, so each page ends below the one before it.
        if self._looked >= SEARCHED and (self._filters.before is None or place[:2] < self._filters.before):
            yield place
            return
        self._looked += size
        levels, tasks = blob.column("logs", "level"), blob.column("logs", "task")
        level, task = self._filters.level, self._filters.task
        at = [n for n in range(size) if levels[n] >= level and (task is None or tasks[n] == task)]
        yield from map(self._candidate, filter(self._wanted, map(Log._make, blob.pick("logs", at))))

    def _candidate(self, row: Log) -> Candidate:
        candidate = Candidate(row.at_us, logs.tie(row), row.id)
        self.found[candidate[:2]] = row
        return candidate

    def _wanted(self, row: Log) -> bool:
        """Return whether a record is asked for, and lies below the cursor."""
        asked = self._filters
        if row.level < asked.level or (asked.task is not None and row.task != asked.task):
            return False
        if (asked.since_us is not None and row.at_us < asked.since_us) or (
            asked.until_us is not None and row.at_us > asked.until_us
        ):
            return False
        if asked.before is not None and (row.at_us, logs.tie(row)) >= asked.before:
            return False
        texts = (row.message, row.logger, row.extra, row.exception)
        return asked.text is None or any(asked.text in text.lower() for text in texts)


def _worth(info: Info, filters: Filters) -> bool:
    if filters.since_us is not None and info.newest_us < filters.since_us:
        return False
    if filters.until_us is not None and info.oldest_us > filters.until_us:
        return False
    if filters.before is not None and info.oldest_us > filters.before[0]:
        return False
    return info.may_log(filters.task, filters.level)
