"""Totals since ever, per task name and queue and per label: one blob, written in the fold's commit, never expiring.

Counters for Prometheus may not reset, so these do not come from the tiers. Sketches keep count, sum and extremes and
lose their bins: quantiles since ever answer no question, and the blob is rewritten at every tick.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from celery_monitor.model import Cell, Series
from celery_monitor.store.encoding import dumps, packing
from celery_monitor.store.encoding.packing import Undecodable
from celery_monitor.store.rollups import tiers

VERSION: Final = 1
MOST_VALUES: Final = 50
"""Of a label's key; what is beyond counts under `OTHER`."""
OTHER: Final = "other"
_OF_LABELS: Final = 4
"""Labels have so many times less series than tasks at most: their values are made by users."""
_PARTS: Final = 3


@dataclass(slots=True)
class Lifetime:
    """The totals.

    Attributes:
        since_us: start of the first bucket ever counted; 0 when nothing was.
        cells: ("task", name, queue) to its dump.
        labels: ("label", key, value) to its dump, of the keys that are listed for it. They count the same attempts
            again, so they are apart.
    """

    since_us: int = 0
    cells: tiers.Raw = field(default_factory=dict)
    labels: tiers.Raw = field(default_factory=dict)

    def add(self, bucket: int, part: tiers.Part, most: int = tiers.MAX_SERIES) -> None:
        """Add the task cells of one bucket (s); beyond `most` series new ones count under `tiers.OTHER`."""
        at_us = bucket * 1_000_000
        self.since_us = min(self.since_us or at_us, at_us)
        tiers.absorb(self.cells, {series: without_bins(cell) for series, cell in part.items()}, most)

    def add_labels(self, part: tiers.Part, most: int = tiers.MAX_SERIES) -> None:
        """Add the cells of labels; of each key `MOST_VALUES` values count as such, the others under `OTHER`."""
        for series, cell in part.items():
            if len(series) != _PARTS:
                continue
            tiers.absorb(self.labels, {self._known(series, most // _OF_LABELS): without_bins(cell)})

    def _known(self, series: Series, most: int) -> Series:
        if series in self.labels:
            return series
        values = sum(key == series[1] for _, key, _ in self.labels)
        if values < MOST_VALUES and len(self.labels) < most:
            return series
        other = ("label", series[1], OTHER)
        return other if other in self.labels or len(self.labels) < most + MOST_VALUES else ("label", OTHER, OTHER)

    def merge(self, other: Lifetime) -> None:
        """Add the totals of another shard."""
        self.since_us = min(self.since_us or other.since_us, other.since_us or self.since_us)
        tiers.absorb(self.cells, other.loaded())
        # Each value as its shard counts it: one that went over to the others by and by would make a counter fall.
        tiers.absorb(self.labels, other.labelled())

    def loaded(self) -> dict[Series, Cell]:
        """Return the totals of tasks as cells."""
        return _loaded(self.cells)

    def labelled(self) -> dict[Series, Cell]:
        """Return the totals of labels as cells."""
        return _loaded(self.labels)

    def dump(self) -> bytes:
        """Return the blob."""
        rows = [list(raw.items()) for raw in (self.cells, self.labels)]
        return packing.deflate(packing.pack([VERSION, self.since_us, *rows]), 1)


def load(raw: bytes | None) -> Lifetime:
    """Return the totals in their blob, empty ones for None.

    Raises:
        Undecodable: broken, or of a newer version.
    """
    if raw is None:
        return Lifetime()
    try:
        version, since_us, rows, *more = packing.unpack(packing.inflate(raw))
        if version != VERSION:
            raise Undecodable(f"lifetime of version {version!r}; this release reads {VERSION}")
        return Lifetime(int(since_us), _checked(rows), _checked(more[0] if more else ()))
    except packing.BROKEN as e:
        raise Undecodable(f"lifetime: {e}") from e


def _loaded(raw: tiers.Raw) -> dict[Series, Cell]:
    part: tiers.Part = {}
    tiers.merge_raw(part, raw)
    return part


def _checked(rows: Iterable[tuple[list[str], Any]]) -> tiers.Raw:
    found = tiers.checked(rows)
    if any(len(series) != _PARTS for series in found):
        raise Undecodable("lifetime: a task without a queue, or a label without key and value")
    return found


def without_bins(cell: Cell) -> Cell:
    """Return a cell whose sketches have no bins, and which has all else of another one."""
    copy = Cell()
    copy.counts, copy.errors, copy.reasons = cell.counts, cell.errors, cell.reasons
    copy.runtime_le, copy.wait_le = cell.runtime_le, cell.wait_le
    for name in dumps.SKETCHES:
        mine, its = getattr(copy, name), getattr(cell, name)
        mine.count, mine.total, mine.least, mine.most = its.count, its.total, its.least, its.most
    return copy
