"""Adds ends to the counters of labels: a cell for each value of the keys that are listed for it.

Series are ``("label", key, value)``. Values come from user code: an agent counts `MOST_VALUES` of each key, the others
as "other". A later correction finds the labels of the end it corrects for as long as `_REMEMBERED` labelled ends.
"""

from __future__ import annotations

from typing import Final

from celery_monitor.agent import tally
from celery_monitor.model import Attempt, Metrics, Series
from celery_monitor.signals import labels
from celery_monitor.store.rollups.lifetime import MOST_VALUES, OTHER

_REMEMBERED: Final = 5000


class Labelled:
    """The labels of one instance's attempts."""

    def __init__(self) -> None:
        self._values: dict[str, set[str]] = {}
        self._of: dict[bytes, tuple[Series, ...]] = {}

    def series(self, text: str) -> tuple[Series, ...]:
        """Return the series of labels."""
        return tuple(("label", key, self._known(key, value)) for key, value in labels.read(text).items())

    def note(self, uid: bytes, series: tuple[Series, ...]) -> None:
        """Remember the series of the labels of an attempt, which is about to be counted or was counted with them."""
        if len(self._of) >= _REMEMBERED:
            del self._of[next(iter(self._of))]
        self._of[uid] = series

    def count(self, metrics: Metrics, row: Attempt) -> None:
        """Add an end, if its attempt has labels."""
        series = self._of.get(row.uid)
        if series and not row.flags & tally.INFRASTRUCTURE:
            tally.add(metrics, row, series)

    def correct(self, metrics: Metrics, booked: Attempt, row: Attempt) -> None:
        """Replace an end that was added."""
        series = self._of.get(row.uid)
        if series and not row.flags & tally.INFRASTRUCTURE:
            tally.swap(metrics, booked, row, series)

    def _known(self, key: str, value: str) -> str:
        values = self._values.setdefault(key, set())
        if value not in values and len(values) >= MOST_VALUES:
            return OTHER
        values.add(value)
        return value
