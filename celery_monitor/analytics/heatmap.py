"""Durations over time as a heatmap: for each column of time how many lay within each of a few bounds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from celery_monitor.signals.record import GAMMA
from celery_monitor.sketch import Sketch

MOST_ROWS: Final = 40


def heatmap(columns: Sequence[Sketch], most: int = MOST_ROWS) -> dict[str, Any]:
    """Return the bounds in seconds and the counts by column of sketches of microseconds.

    Neighbouring bins of the sketches are put together, so many that there are `most` rows or fewer; counts are exact.

    Returns:
        `bounds`, one more than there are rows, ascending; row i holds what is above ``bounds[i]`` and up to
        ``bounds[i + 1]`` (the first one zeros too); `counts`, for each column a list of rows. Both empty for no values.

    >>> s = Sketch(); [s.add(us) for us in (900_000, 1_000_000, 4_000_000)] and None
    >>> found = heatmap([s, Sketch()], 3)
    >>> found["counts"], found["bounds"][0] < 0.9, found["bounds"][-1] >= 4.0
    ([[2, 0, 1], [0, 0, 0]], True, True)
    """
    bins = {bucket for sketch in columns for bucket, n in sketch.bins.items() if n > 0}
    if not bins:
        return {"bounds": [], "counts": [[] for _ in columns]}
    known = {bucket for bucket in bins if bucket >= 0} or {0}
    low, high = min(known), max(known)
    wide = -(-(high - low + 1) // most)
    rows = -(-(high - low + 1) // wide)
    bounds = [round(GAMMA ** (low + row * wide - 1) / 1e6, 9) for row in range(rows + 1)]
    if min(bins) < 0:
        bounds[0] = 0.0
    return {"bounds": bounds, "counts": [_counted(sketch, low, wide, rows) for sketch in columns]}


def _counted(sketch: Sketch, low: int, wide: int, rows: int) -> list[int]:
    counts = [0] * rows
    for bucket, n in sketch.bins.items():
        if n > 0:
            counts[max(bucket - low, 0) // wide] += n
    return counts
