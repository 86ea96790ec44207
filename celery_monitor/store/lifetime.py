"""Totals per task name and queue since ever: one blob, written in the fold's commit, never expiring.

Counters for Prometheus may not reset, so these do not come from the tiers. Sketches keep count, sum and extremes and
lose their bins: quantiles since ever answer no question, and the blob is rewritten at every tick.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from celery_monitor.model import Cell, Series
from celery_monitor.store import packing, tiers
from celery_monitor.store.packing import Undecodable

VERSION = 1


@dataclass(slots=True)
class Lifetime:
    """The totals.

    Attributes:
        since_us: start of the first bucket ever counted; 0 when nothing was.
        cells: ("task", name, queue) to its dump.
    """

    since_us: int = 0
    cells: tiers.Raw = field(default_factory=dict)

    def add(self, bucket: int, part: tiers.Part, most: int = tiers.MAX_SERIES) -> None:
        """Add the task cells of one bucket (s); beyond `most` series new ones count under `tiers.OTHER`."""
        at_us = bucket * 1_000_000
        self.since_us = min(self.since_us or at_us, at_us)
        tiers.absorb(self.cells, {series: without_bins(cell) for series, cell in part.items()}, most)

    def merge(self, other: Lifetime) -> None:
        """Add the totals of another shard."""
        self.since_us = min(self.since_us or other.since_us, other.since_us or self.since_us)
        tiers.absorb(self.cells, other.loaded())

    def loaded(self) -> dict[Series, Cell]:
        """Return the totals as cells."""
        part: tiers.Part = {}
        tiers.merge_raw(part, self.cells)
        return part

    def dump(self) -> bytes:
        """Return the blob."""
        return packing.deflate(packing.pack([VERSION, self.since_us, list(self.cells.items())]), 1)


def load(raw: bytes | None) -> Lifetime:
    """Return the totals in their blob, empty ones for None.

    Raises:
        Undecodable: broken, or of a newer version.
    """
    if raw is None:
        return Lifetime()
    try:
        version, since_us, rows = packing.unpack(packing.inflate(raw))
        if version != VERSION:
            raise Undecodable(f"lifetime of version {version!r}; this release reads {VERSION}")
        return Lifetime(int(since_us), tiers.checked(rows))
    except packing.BROKEN as e:
        raise Undecodable(f"lifetime: {e}") from e


def without_bins(cell: Cell) -> Cell:
    """Return a copy of a cell whose sketches have no bins."""
    copy = Cell()
    copy.merge(cell)
    for sketch in (copy.runtime, copy.wait, copy.cpu, copy.memory, copy.turnaround):
        sketch.bins = {}
    return copy
