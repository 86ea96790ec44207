"""Counts ends with an exception by its fingerprint: exactly, whatever of their rows is kept.

Series are ``("failure", fingerprint, exception, message)`` with the masked message, and where they happened:
``("failure_task", task, queue, fingerprint)`` and ``("failure_worker", hostname, fingerprint)``. What fails is user
code, which may never fail twice in the same way: a batch counts `MOST` kinds of a bucket, the others as `OTHER`.
"""

from __future__ import annotations

from typing import Final

from celery_monitor.agent.fingerprint import normalised
from celery_monitor.model import Attempt, Cell, Series

MOST: Final = 200
OTHER: Final = "(other)"
_MESSAGE: Final = 120


def book(cells: dict[Series, Cell], row: Attempt, times: int) -> None:
    """Add (1) or take back (-1) an end in the cells of its bucket."""
    for series in _series(row, cells):
        counts = cells.setdefault(series, Cell()).counts
        counts[row.state] = counts.get(row.state, 0) + times


def _series(row: Attempt, cells: dict[Series, Cell]) -> tuple[Series, Series, Series]:
    fingerprint = row.fingerprint
    what: Series = ("failure", fingerprint, row.exception, normalised(row.message)[:_MESSAGE])
    if what not in cells and sum(series[0] == "failure" for series in cells) >= MOST:
        fingerprint, what = OTHER, ("failure", OTHER, OTHER, OTHER)
    return what, ("failure_task", row.task, row.queue, fingerprint), ("failure_worker", row.worker, fingerprint)
