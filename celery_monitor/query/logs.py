"""Log records of an execution or of a whole run, the oldest first."""

from __future__ import annotations

import logging
from typing import Any, Final

from celery_monitor.details import Log
from celery_monitor.errors import BadRequest
from celery_monitor.query import paging, rows
from celery_monitor.query.rows import Blocks
from celery_monitor.query.texts import parsed
from celery_monitor.query.times import iso
from celery_monitor.signals.record import unpack_id
from celery_monitor.store.connection import Store

_LEVELS: Final = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40, "CRITICAL": 50}


def page(
    store: Store,
    key: bytes,
    by: str,
    now_us: int,
    *,
    level: str | None = None,
    limit: int | str | None = None,
    cursor: str | None = None,
) -> dict[str, Any]:
    """Return a page of records of at least a level, and the cursor of the next.

    Parameters:
        key: of an execution (`by` is "id") or of a run ("run").

    Raises:
        BadRequest: not of the accepted form.
        StoreError: the store does not answer.
    """
    least, most, after = level_of(level), paging.limit(limit, 200), paging.position(cursor)
    stored = Blocks(store, rows.tail(store, now_us))
    found = sorted({(row.at_us, tie(row), row) for _, _, row in stored.rows_of([key], ("logs",), by)})
    wanted = [p for p in found if p[2].level >= least and (after is None or p[:2] > after)]
    following = paging.cursor(_Place(wanted[most - 1])) if len(wanted) > most else None
    return {"logs": [shown(row) for _, _, row in wanted[:most]], "next": following}


class _Place:
    def __init__(self, found: tuple[int, bytes, Log]) -> None:
        self.at_us, self.tie = found[:2]


def tie(row: Log) -> bytes:
    """Return what tells records of one microsecond apart, whatever block they lie in."""
    return row.uid + row.level.to_bytes(4, "big", signed=True) + row.message.encode("utf-8", "replace")[:100]


def shown(row: Log) -> dict[str, Any]:
    """Return a record as the API shows it."""
    return {
        "at": iso(row.at_us),
        "level": logging.getLevelName(row.level),
        "logger": row.logger,
        "message": row.message,
        "extra": parsed(row.extra),
        "exception": row.exception or None,
        "id": unpack_id(row.id) or None,
        "uid": row.uid.hex() if any(row.uid) else None,
        "task": row.task or None,
        "workflow": row.workflow or None,
        "worker": row.worker or None,
    }


def level_of(text: str | None) -> int:
    """Return the number of a level's name, 0 for none.

    Raises:
        BadRequest: another name.
    """
    if not text:
        return 0
    if text.upper() not in _LEVELS:
        raise BadRequest("bad_level", f"level: {text[:40]!r} is none; give one of {', '.join(_LEVELS)}")
    return _LEVELS[text.upper()]
