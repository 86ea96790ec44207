"""The columnar form of a batch's counters: what most cells have in common is told once, and added up by columns.

A cell is nine tables of (key, number), one for each of `FIELDS`: states, reasons, Prometheus buckets and the bins of
sketches. All tables of a kind lie behind each other, row by row: their sizes, their keys, their numbers. Beside each
sketch that has bins lie its least value, by how much the greatest is above it, and what its sum is above both, which
is nothing for one value or two. Integers are as in `store.columns`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import chain, compress, islice, repeat
from operator import add, sub
from typing import Any, Final, NamedTuple

from celery_monitor.model import Cell, Series
from celery_monitor.store import integers, shapes
from celery_monitor.store.packing import Undecodable
from celery_monitor.store.shapes import LARGEST

TABLES: Final = ("counts", "reasons", "runtime_le", "wait_le")
SKETCHES: Final = ("runtime", "wait", "cpu", "memory", "turnaround")
FIELDS: Final = (*TABLES, *SKETCHES)
_OF_WORKERS: Final = (FIELDS.index("counts"), *range(len(TABLES), len(FIELDS)))
"""What is kept of a worker: no reasons, and no Prometheus buckets."""
MAX_ROWS: Final = 100_000
MAX_KEYS: Final = 1_000_000
_KEY_BITS: Final = 12
_FIELD_BITS: Final = 4
_KEYS: Final = range(-1, (1 << _KEY_BITS) - 1)
"""-1 is the bin of zero, and the reason of runs that stand for others; no number of 64 bits has a bin beyond 1200."""
_MASK: Final = (1 << _KEY_BITS) - 1

Cells = dict[int, dict[Series, Cell]]
"""Bucket (s) to its cells."""


class Tallies(NamedTuple):
    """A batch's cells in columns, checked: adding them cannot fail.

    Attributes:
        buckets: start (s) of each bucket and how many rows it has.
        series: each once.
        which: of each row, a number in `series`.
        sizes: of each table of each row.
        keys, ns: of all tables.
        least, spread, rest: of each sketch that has bins.
        errors: row, exception type, number.
    """

    buckets: list[tuple[int, int]]
    series: list[Series]
    which: list[int]
    sizes: list[int]
    keys: list[int]
    ns: list[int]
    least: list[int]
    spread: list[int]
    rest: list[int]
    errors: list[tuple[int, str, int]]


def encode(cells: Cells) -> list[Any]:
    """Return cells as `decode` reads them, ready for msgpack."""
    rows = [cell for row in cells.values() for cell in row.values()]
    series: dict[Series, int] = {}
    which = [series.setdefault(one, len(series)) for row in cells.values() for one in row]
    sketches = [getattr(cell, name) for name in SKETCHES for cell in rows]
    tables = [getattr(cell, name) for name in TABLES for cell in rows] + [sketch.bins for sketch in sketches]
    full = [sketch for sketch in sketches if sketch.bins]
    least, most = [sketch.least for sketch in full], [sketch.most for sketch in full]
    spread = list(map(sub, most, least))
    above = map(sub, [sketch.total for sketch in full], least)
    numbers = (
        which, list(map(len, tables)), list(chain.from_iterable(tables)),
        list(chain.from_iterable(table.values() for table in tables)),
        least, spread, [a - m if s else a for a, m, s in zip(above, most, spread, strict=True)],
    )  # fmt: skip
    errors = [(at, name, n) for at, cell in enumerate(rows) for name, n in cell.errors.items()]
    return [[(at, len(row)) for at, row in cells.items()], list(series), list(map(_column, numbers)), errors]


def decode(raw: Any) -> Tallies:
    """Return cells in their columns.

    Raises:
        Undecodable: they do not belong together; other errors of `packing.BROKEN` for another form.
    """
    buckets, series, (which, sizes, keys, ns, least, spread, rest), errors = raw
    starts = [(bucket(at), _count(rows, MAX_ROWS)) for at, rows in buckets]
    rows = _count(sum(n for _, n in starts), MAX_ROWS)
    known = list(map(name, series))
    numbers, lengths = integers.read(which, rows), integers.read(sizes, rows * len(FIELDS))
    _within(numbers, which, range(len(known)))
    _within(lengths, sizes, range(MAX_KEYS))
    every = _count(sum(lengths), MAX_KEYS)
    places = integers.read(keys, every)
    _within(places, keys, _KEYS)
    full = sum(map(bool, islice(lengths, rows * len(TABLES), None)))
    low, wide, above = (integers.read(column, full) for column in (least, spread, rest))
    found = [_error(rows, *error) for error in errors]
    return Tallies(starts, known, numbers, lengths, places, integers.read(ns, every), low, wide, above, found)


class Sums:
    """Cells of several batches, added up by columns; cells are made of them once, at the end."""

    def __init__(self) -> None:
        self._rows: dict[int, dict[Series, int]] = {}
        self._count = 0
        self._ns: defaultdict[int, int] = defaultdict(int)  # by row, field and key
        self._own: defaultdict[int, defaultdict[int, int]] = defaultdict(partial(defaultdict, int))  # of workers
        self._extremes: dict[int, list[int]] = {}  # least, most, sum by row and field
        self._errors: defaultdict[tuple[int, str], int] = defaultdict(int)

    def add(self, told: Tallies, moved: Mapping[int, int | None], worker: str = "") -> None:
        """Add a batch.

        Parameters:
            moved: bucket to the one it counts in, None for none; those that are missing stay where they are.
            worker: node name of the worker whose tasks these are; what it did is the sum of them.
        """
        rows = self._numbered(told, moved)
        bases = [row | field << _KEY_BITS for field in range(len(FIELDS)) for row in rows]
        every = chain.from_iterable(map(repeat, compress(bases, told.sizes), filter(None, told.sizes)))
        ns = self._ns
        for at, n in zip(map(add, every, told.keys), told.ns, strict=True):
            ns[at] += n
        first = len(rows) * len(TABLES)
        sketches = compress(islice(bases, first, None), islice(told.sizes, first, None))
        self._widen(zip(sketches, told.least, told.spread, told.rest, strict=True))
        for row, name, n in told.errors:
            self._errors[rows[row], name] += n
        if worker:
            self._add_to_worker(told, moved, worker)

    def _add_to_worker(self, told: Tallies, moved: Mapping[int, int | None], worker: str) -> None:
        """Add what a worker did to its own row, table by table: a batch is of one bucket or two."""
        rows, first = len(told.which), 0
        of_tasks = [each[0] == "task" for each in told.series]
        for bucket, size in told.buckets:
            at = moved.get(bucket, bucket)
            mine = [of_tasks[number] for number in told.which[first : first + size]]
            if at is not None and any(mine):
                own = self._row(self._rows.setdefault(at, {}), ("worker", worker))
                self._put(told, own, [False] * first + mine + [False] * (rows - first - size))
            first += size

    def _put(self, told: Tallies, own: int, mine: Sequence[bool]) -> None:
        """Add some tables of some rows to one row of ours."""
        rows, every, at, full = len(mine), all(mine), 0, 0
        for field in range(len(FIELDS)):
            sizes = told.sizes[field * rows : (field + 1) * rows]
            until = at + sum(sizes)
            if field in _OF_WORKERS:
                picked = repeat(True) if every else chain.from_iterable(map(repeat, mine, sizes))
                table = self._own[own | field << _KEY_BITS]
                for key, n, wanted in zip(told.keys[at:until], told.ns[at:until], picked, strict=False):
                    if wanted:
                        table[key] += n
            at = until
            if field >= len(TABLES):
                until = full + rows - sizes.count(0)
                having = list(compress(mine, sizes))
                ends = (list(compress(each[full:until], having)) for each in (told.least, told.spread, told.rest))
                self._widen(_together(own | field << _KEY_BITS, *ends))
                full = until

    def _row(self, known: dict[Series, int], series: Series) -> int:
        row = known.get(series)
        if row is None:
            self._count += 1
            row = known[series] = self._count << _KEY_BITS + _FIELD_BITS
        return row

    def _numbered(self, told: Tallies, moved: Mapping[int, int | None]) -> list[int]:
        """Return each row's number here, in the place that it has in a key."""
        found: list[int] = []
        for bucket, rows in told.buckets:
            at = moved.get(bucket, bucket)
            known = {} if at is None else self._rows.setdefault(at, {})
            numbers = told.which[len(found) : len(found) + rows]
            found += [self._row(known, told.series[number]) for number in numbers]
        return found

    def _widen(self, told: Any) -> None:
        extremes = self._extremes
        for at, least, spread, rest in told:
            most = least + spread
            total = least + rest + most if spread else least + rest
            known = extremes.get(at)
            if known is None:
                extremes[at] = [least, most, total]
                continue
            if least < known[0]:
                known[0] = least
            if most > known[1]:
                known[1] = most
            known[2] += total

    def cells(self) -> Cells:
        """Return everything."""
        found = {at: {series: Cell() for series in rows} for at, rows in self._rows.items()}
        own = {row: found[at][series] for at, rows in self._rows.items() for series, row in rows.items()}
        tables: dict[int, dict[int, int]] = {}
        for row, cell in own.items():
            for field, name in enumerate(FIELDS):
                one = getattr(cell, name)
                tables[row >> _KEY_BITS | field] = one.bins if field >= len(TABLES) else one
        for at, n in self._ns.items():
            # -1 became the last key of the field before.
            table = tables.get(at + 1 >> _KEY_BITS)
            if table is not None:
                table[(at + 1 & _MASK) - 1] = n
        for at, numbers in self._own.items():
            tables[at >> _KEY_BITS].update(numbers)
        for at, (least, most, total) in self._extremes.items():
            cell_of = own.get(at >> _KEY_BITS + _FIELD_BITS << _KEY_BITS + _FIELD_BITS)
            if cell_of is not None:
                sketch = getattr(cell_of, FIELDS[at >> _KEY_BITS & (1 << _FIELD_BITS) - 1])
                sketch.least, sketch.most, sketch.total = least, most, total
                sketch.count = sum(sketch.bins.values())
        for (row, name), n in self._errors.items():
            if row in own:
                own[row].errors[name] = n
        return found


def _together(at: int, least: list[int], spread: list[int], rest: list[int]) -> list[tuple[int, int, int, int]]:
    """Return what the ends of several sketches come to, as those of one; nothing for none."""
    if not least:
        return []
    most = list(map(add, least, spread))
    total = sum(least) + sum(rest) + sum(compress(most, spread))
    low, high = min(least), max(most)
    return [(at, low, high - low, total - low - (high if high > low else 0))]


def _column(values: list[int]) -> list[Any]:
    if not values:
        return [0, None, 0, b""]
    if not -LARGEST <= min(values) <= max(values) <= LARGEST:
        values = [max(-LARGEST, min(value, LARGEST)) for value in values]
    return integers.write(values)


def _within(values: Sequence[int], raw: Sequence[Any], bounds: range) -> None:
    """Refuse a column with numbers out of bounds; how narrow it is mostly tells that there are none."""
    least, first, width, _ = raw
    if first is None and bounds.start <= least and least + (1 << 8 * width) <= bounds.stop:
        return
    if values and not (bounds.start <= min(values) and max(values) < bounds.stop):
        raise Undecodable(f"numbers from {min(values)} to {max(values)} for {bounds}")


def bucket(raw: Any) -> int:
    """Return the start of a bucket (s), checked."""
    if not isinstance(raw, int) or not 0 <= raw < 1 << 33:
        raise Undecodable(f"bucket {raw!r}")
    return raw // 10 * 10


def _count(raw: Any, most: int) -> int:
    if not isinstance(raw, int) or not 0 <= raw <= most:
        raise Undecodable(f"{raw!r} rows or keys; there are {most} at most")
    return raw


def name(raw: Any) -> Series:
    """Return a series, checked."""
    "".join(raw)  # a TypeError for what is no text
    if not raw or raw.__class__ is not list:
        raise Undecodable(f"series {raw!r}")
    return tuple(raw)


def _error(rows: int, row: Any, name: Any, n: Any) -> tuple[int, str, int]:
    if not (_is_int(row) and 0 <= row < rows and isinstance(name, str) and _is_int(n)):
        raise Undecodable(f"{n!r} of {name!r} in row {row!r}")
    return row, name, n


_is_int: Final = shapes.checker(int)
