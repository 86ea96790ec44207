"""What a bucket of one part is for who reads it: rows or columns of a blob, or cells that are in no blob yet."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, Protocol

from celery_monitor.model import Series
from celery_monitor.store.encoding import dumps
from celery_monitor.store.encoding.cell_columns import Columns
from celery_monitor.store.rollups import tiers
from celery_monitor.store.rollups.tiers import Part, Raw

Levels = dict[str, list[Any]]
"""Gauge name to its dump."""


class Bucket(Protocol):
    """Cells, or gauges, of some series."""

    def counted(self) -> Iterable[tuple[Series, dict[int, int]]]:
        """Return the `Cell.counts` of each series; its sketches stay undecoded."""

    def levels(self) -> Iterable[tuple[Series, Levels]]:
        """Return the gauges of each series."""

    def add_to(
        self, part: Part, sketches: Collection[str] = dumps.SKETCHES, of: Callable[[Series], bool] | None = None
    ) -> None:
        """Add the cells, with these sketches, of the series that are wanted; or all gauges.

        Raises:
            Undecodable: nothing is added then.
        """


class Rows:
    """A blob of dumps by series; of cells, or of gauges."""

    def __init__(self, raw: Raw) -> None:
        self._raw = raw

    def counted(self) -> Iterator[tuple[Series, dict[int, int]]]:
        """Yield the counts of each series."""
        for series, dump in self._raw.items():
            yield series, dump[0]

    def levels(self) -> Iterable[tuple[Series, Levels]]:
        """Return the gauges of each series."""
        return self._raw.items()

    def add_to(
        self, part: Part, sketches: Collection[str] = dumps.SKETCHES, of: Callable[[Series], bool] | None = None
    ) -> None:
        """Add all that is wanted to a part."""
        raw = self._raw if of is None else {series: dump for series, dump in self._raw.items() if of(series)}
        tiers.merge_raw(part, raw, sketches)


class Cells:
    """Cells, or gauges, by series."""

    def __init__(self, part: Mapping[Series, Any]) -> None:
        self._part = part

    def counted(self) -> Iterator[tuple[Series, dict[int, int]]]:
        """Yield the counts of each series."""
        for series, cell in self._part.items():
            yield series, cell.counts

    def levels(self) -> Iterator[tuple[Series, Levels]]:
        """Yield the gauges of each series."""
        for series, level in self._part.items():
            yield series, tiers.dump_of(level)

    def add_to(
        self, part: Part, sketches: Collection[str] = dumps.SKETCHES, of: Callable[[Series], bool] | None = None
    ) -> None:
        """Add all that is wanted to a part, and the other sketches with it."""
        del sketches
        tiers.merge(part, {series: value for series, value in self._part.items() if of is None or of(series)})


def opened(raw: bytes | None) -> Bucket:
    """Return what is in a blob; nothing for None.

    Raises:
        Undecodable: broken, or of a newer version.
    """
    if raw is not None and tiers.is_columns(raw):
        return Columns(raw)
    return Rows(tiers.load(raw))
