"""Adds spans and measures to the counters of a batch, and keeps the books of waits that a dead process left open.

Series are ``("span", name, kind)`` and ``("measure", name, kind, unit)``, with values in `runtime`: microseconds, and
millionths of the unit. Names come from user code: an agent counts `MOST_NAMES` of each, the others as "other".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from celery_monitor.agent.tally import bucket_of
from celery_monitor.details import Measure, Span, Wait
from celery_monitor.model import Attempt, Cell, Metrics, Series
from celery_monitor.signals.record import State

MOST_NAMES: Final = 300
OTHER: Final = "other"
_MOST_OPEN: Final = 5000
_MILLIONTHS: Final = 1_000_000
_LARGEST: Final = 10**18
_SUCCESS, _FAILURE = int(State.SUCCESS), int(State.FAILURE)


class Insides:
    """What one instance knows of names and open waits."""

    def __init__(self) -> None:
        self._names: dict[str, set[str]] = {"span": set(), "measure": set()}
        self._open: dict[bytes, dict[bytes, Wait]] = {}

    def count(self, metrics: Metrics, table: str, row: Any) -> None:
        """Add a row to the counters, if its table has any."""
        if table == "spans":
            self._span(metrics, row)
        elif table == "measures":
            self._measure(metrics, row)
        elif table == "waits" and row.uid:
            self._follow(row)

    def _span(self, metrics: Metrics, row: Span) -> None:
        cell = _cell(metrics, row.at_us, ("span", self._known("span", row.name), row.kind))
        state = _FAILURE if row.failed else _SUCCESS
        cell.counts[state] = cell.counts.get(state, 0) + 1
        if row.failed and row.exception:
            cell.errors[row.exception] = cell.errors.get(row.exception, 0) + 1
        cell.runtime.add(row.duration_us)

    def _measure(self, metrics: Metrics, row: Measure) -> None:
        cell = _cell(metrics, row.at_us, ("measure", self._known("measure", row.name), row.kind, row.unit))
        cell.counts[_SUCCESS] = cell.counts.get(_SUCCESS, 0) + 1
        value = round(row.value * _MILLIONTHS)
        cell.runtime.add(max(min(value, _LARGEST), -_LARGEST))

    def _known(self, kind: str, name: str) -> str:
        names = self._names[kind]
        if name in names:
            return name
        if len(names) >= MOST_NAMES:
            return OTHER
        names.add(name)
        return name

    def _follow(self, row: Wait) -> None:
        if not row.ended_us:
            if len(self._open) < _MOST_OPEN:
                self._open.setdefault(row.uid, {})[row.key] = row
            return
        known = self._open.get(row.uid)
        if known is not None:
            known.pop(row.key, None)
            if not known:
                del self._open[row.uid]

    def abandoned(self, attempts: Iterable[Attempt]) -> Iterator[Wait]:
        """Yield the ends of waits that were open in attempts which have ended: their process could not say so."""
        if not self._open:
            return
        for row in attempts:
            for wait in self._open.pop(row.uid, {}).values():
                at_us = max(row.started_us + max(row.runtime_us, 0), wait.begun_us)
                yield wait._replace(at_us=at_us, ended_us=at_us, outcome="abandoned")


def _cell(metrics: Metrics, at_us: int, series: Series) -> Cell:
    cells = metrics.cells.setdefault(bucket_of(at_us), {})
    cell = cells.get(series)
    if cell is None:
        cell = cells[series] = Cell()
    return cell
