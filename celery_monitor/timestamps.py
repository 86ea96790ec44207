"""Points in time as the text that programs read: one form and one width, so that texts sort as times do."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - UTC, written as Z


def iso(at_us: int | None) -> str | None:
    """Return a point in time (us since the epoch) as ISO-8601 in UTC, always with six digits; None for none.

    >>> iso(1763640003_120_000), iso(1763640000_000_000), iso(0)
    ('2025-11-20T12:00:03.120000Z', '2025-11-20T12:00:00.000000Z', None)
    """
    if not at_us or not 0 < at_us < 1 << 57:
        return None
    return (_EPOCH + timedelta(microseconds=at_us)).isoformat(timespec="microseconds") + "Z"
