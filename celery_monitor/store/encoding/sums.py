"""Adds up the counters of batches: what they tell of sketches is kept and counted series by series at the end.

Bin by bin as batches come, each would look up another place in memory. The values of one series together stay in the
processor's caches and are counted in C.
"""

from __future__ import annotations

from array import array
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, compress, repeat
from typing import Any, Final

from celery_monitor.model import Cell, Series
from celery_monitor.sketch import Sketch
from celery_monitor.store.encoding.sketch_tallies import Piece
from celery_monitor.store.encoding.tallies import BUCKETED, BUCKETS, COUNTS, SKETCHES, SUMMED, TABLES, Cells, Tallies

_MOST_NUMBERS: Final = 1_000_000
"""So many of what batches told wait to be counted: some 20 MB, a commit's 50,000 tasks come to half of it."""
_OF_ROW: Final = 4 * len(SKETCHES)


class Sums:
    """Cells of several batches, added up."""

    def __init__(self) -> None:
        self._rows: dict[int, dict[Series, _Row]] = {}
        self._waiting = 0

    def add(self, told: Tallies, moved: Mapping[int, int | None], worker: str = "") -> None:
        """Add a batch.

        Parameters:
            moved: bucket to the one it counts in, None for none; those that are missing stay where they are.
            worker: node name of the worker whose tasks these are; what it did is the sum of them.
        """
        rows = self._of(told, moved)
        plain = all(kind.plain for kind in told.kinds)
        waiting = [row.plain if plain else row.mixed for row in rows]
        columns = chain.from_iterable(kind[:4] for kind in told.kinds)
        deque(map(list.append, waiting, zip(*columns, strict=True)), maxlen=0)
        for name, table in zip(COUNTS, told.counts, strict=True):
            counts = [getattr(row.cell, name) for row in rows]
            for key, ns in table.items():
                for count, n in zip(counts, ns, strict=True):
                    if n:
                        count[key] = count.get(key, 0) + n
        tables = [getattr(row.cell, name) for name in TABLES for row in rows]
        every = chain.from_iterable(map(repeat, compress(tables, told.sizes), filter(None, told.sizes)))
        for table, key, n in zip(every, told.keys, told.ns, strict=True):
            table[key] = table.get(key, 0) + n
        for at, name, n in told.errors:
            errors = rows[at].cell.errors
            errors[name] = errors.get(name, 0) + n
        if worker:
            self._add_to_worker(told, moved, worker, plain=plain)
        self._waiting += _OF_ROW * len(rows) + sum(kind.layout.values for kind in told.kinds)
        if self._waiting > _MOST_NUMBERS:
            self._count()

    def cells(self) -> Cells:
        """Return everything."""
        self._count()
        return {at: {series: row.whole() for series, row in rows.items()} for at, rows in self._rows.items()}

    def _add_to_worker(self, told: Tallies, moved: Mapping[int, int | None], worker: str, *, plain: bool) -> None:
        """Add what a worker did to its own row: its tasks' counts and sketches, no reasons, no Prometheus buckets."""
        first = 0
        for bucket, size, tasks in told.buckets:
            at = moved.get(bucket, bucket)
            if at is not None and tasks:
                own = _row(self._rows.setdefault(at, {}), ("worker", worker))
                end = first + tasks
                *others, turnaround = told.kinds
                one = [kind.together(first, end, near=False) for kind in others]
                one.append(turnaround.together(first, end, near=True))
                (own.plain if plain else own.mixed).append(tuple(chain.from_iterable(one)))
                counts = own.cell.counts
                for key, ns in told.counts[0].items():
                    counts[key] = counts.get(key, 0) + sum(ns[first:end])
            first += size

    def _of(self, told: Tallies, moved: Mapping[int, int | None]) -> list[_Row]:
        """Return the row in which each of a batch counts."""
        found: list[_Row] = []
        for bucket, rows, _ in told.buckets:
            at = moved.get(bucket, bucket)
            known = {} if at is None else self._rows.setdefault(at, {})
            found += [_row(known, told.series[number]) for number in told.which[len(found) : len(found) + rows]]
        return found

    def _count(self) -> None:
        self._waiting = 0
        for rows in self._rows.values():
            for row in rows.values():
                row.count()


class _Row:
    """A series in a bucket: its cell, and what batches told of its sketches that is not counted yet.

    Attributes:
        plain, mixed: piece, least, most and rest of each sketch, behind each other; the pieces of `plain` are bytes.
    """

    __slots__ = ("bucketed", "cell", "mixed", "plain", "summed")

    def __init__(self, series: Series) -> None:
        self.cell = Cell()
        self.bucketed, self.summed = series[0] in BUCKETED, series[0] in SUMMED
        self.plain: list[tuple[Any, ...]] = []
        self.mixed: list[tuple[Any, ...]] = []

    def count(self) -> None:
        """Count what waits."""
        for waiting, counted in ((self.plain, _of_values), (self.mixed, _of_either)):
            if waiting:
                self._take(list(zip(*waiting, strict=True)), counted)
                waiting.clear()

    def whole(self) -> Cell:
        """Return the cell; what was told of a Prometheus bucket may have come to nothing."""
        if self.bucketed:
            for name, _ in BUCKETS.values():
                table = getattr(self.cell, name)
                for key in [key for key, n in table.items() if not n]:
                    del table[key]
        return self.cell

    def _take(self, columns: Sequence[Sequence[Any]], counted: Callable[[Iterable[Piece]], dict[int, int]]) -> None:
        totals: dict[str, int] = {}
        for name, at in zip(SKETCHES, range(0, _OF_ROW, 4), strict=True):
            pieces, *ends = columns[at : at + 4]
            if name == "turnaround" and self.summed:
                totals[name] = sum(ends[-1]) + totals["runtime"] + totals["wait"]
            else:
                totals[name] = sum(map(sum, ends))
            if any(pieces):
                bins = counted(pieces)
                if self.bucketed and name in BUCKETS:
                    self._bucket(name, bins)
                least, most = min(compress(ends[0], pieces)), max(map(max, ends[:2]))
                _add(getattr(self.cell, name), bins, totals[name], least, most)

    def _bucket(self, name: str, bins: dict[int, int]) -> None:
        """Add values to the Prometheus buckets in which they are if their bins are in one each."""
        table, buckets = BUCKETS[name]
        into = getattr(self.cell, table)
        for key, n in bins.items():
            bucket = buckets[key + 1]
            into[bucket] = into.get(bucket, 0) + n


def _add(sketch: Sketch, bins: dict[int, int], total: int, least: int, most: int) -> None:
    known = sketch.bins
    sketch.least = min(sketch.least, least) if known else least
    sketch.most = max(sketch.most, most) if known else most
    sketch.total += total
    sketch.count += sum(bins.values())
    if not known:
        sketch.bins = bins
        return
    for key, n in bins.items():
        known[key] = known.get(key, 0) + n


def _of_values(pieces: Iterable[Piece]) -> dict[int, int]:
    return Counter(array("h", b"".join(pieces)))


def _of_either(pieces: Iterable[Piece]) -> dict[int, int]:
    bins = Counter(array("h", b"".join(piece for piece in pieces if isinstance(piece, bytes))))
    for piece in pieces:
        if not isinstance(piece, bytes):
            for key, n in zip(*piece, strict=True):
                bins[key] += n
    return bins


def _row(known: dict[Series, _Row], series: Series) -> _Row:
    row = known.get(series)
    if row is None:
        row = known[series] = _Row(series)
    return row
