"""Times and durations as the JSON API writes them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from celery_monitor.errors import BadRequest
from celery_monitor.timestamps import iso

__all__ = ["iso", "parse_iso", "seconds"]

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def parse_iso(name: str, text: str) -> int:
    """Return a point in time in us since the epoch; a time without an offset is UTC.

    Raises:
        BadRequest: not ISO-8601.
    """
    try:
        moment = datetime.fromisoformat(text.strip().replace("Z", "+00:00").replace("z", "+00:00"))
    except ValueError:
        raise BadRequest(
            "bad_time", f"{name}: {text[:40]!r} is not a time; give ISO-8601 like 2026-11-20T12:00:00Z"
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return (moment - _EPOCH) // timedelta(microseconds=1)


def seconds(us: int | None) -> float | None:
    """Return a duration in seconds; None for one that is unknown (-1).

    >>> seconds(1_500_000), seconds(-1)
    (1.5, None)
    """
    return None if us is None or us < 0 else us / 1e6
