"""The columnar form of a batch's counters: what most cells have in common is told once, and added up by columns.

Of counts and reasons there is a column for each key. All Prometheus buckets lie behind each other, row by row: how many
a row has, their keys, their numbers. Sketches are as in `sketch_tallies`, integers as in `signed`, which
series a row is of as in `columns`. Rows of tasks are the first of their bucket.

Of series that are measured like tasks, only what does not follow is told: of Prometheus buckets the values that are in
another one than their bin tells, of the sum of turnarounds what is above the sums of runtimes and waits.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, repeat
from typing import Any, Final, NamedTuple

from celery_monitor.model import Cell, Series
from celery_monitor.signals.record import runtime_le, wait_le
from celery_monitor.sketch import Sketch
from celery_monitor.store.encoding import integers, shapes, signed, sketch_tallies
from celery_monitor.store.encoding.packing import Undecodable
from celery_monitor.store.encoding.sketch_tallies import BINS, FLOORS, Kind, Layout, Told, within

COUNTS: Final = ("counts", "reasons")
TABLES: Final = ("runtime_le", "wait_le")
SKETCHES: Final = ("runtime", "wait", "cpu", "memory", "turnaround")
BUCKETED: Final = frozenset(("task", "step", "infra", "label"))
"""Kinds of series whose runtimes and waits are in Prometheus buckets, too."""
SUMMED: Final = BUCKETED | {"worker"}
"""Those whose turnarounds mostly are runtime and wait."""
MAX_ROWS: Final = 100_000
MAX_KEYS: Final = 1_000_000


def _buckets(of: Callable[[int], int]) -> tuple[int, ...]:
    """Return the Prometheus bucket of each bin, from -1 on; which one of two does not matter, but to all the same."""
    return tuple(map(of, FLOORS))


BUCKETS: Final = {"runtime": ("runtime_le", _buckets(runtime_le)), "wait": ("wait_le", _buckets(wait_le))}

_SPANS: Final = {
    kind: {at: (bisect_left(buckets, at) - 1, bisect_right(buckets, at) - 2) for at in set(buckets)}
    for kind, (_, buckets) in BUCKETS.items()
}
"""First and last bin of each of these buckets."""

Cells = dict[int, dict[Series, Cell]]
"""Bucket (s) to its cells."""


class Tallies(NamedTuple):
    """A batch's cells in columns, checked: adding them cannot fail.

    Attributes:
        buckets: start (s) of each bucket, how many rows it has, and how many of the first are of tasks.
        series: each once.
        which: of each row, a number in `series`.
        counts: of each of `COUNTS`, key to the number of each row.
        sizes: of each table of each row, of those in `TABLES`.
        keys, ns: of all tables.
        kinds: of each of `SKETCHES`.
        errors: row, exception type, number.
    """

    buckets: list[tuple[int, int, int]]
    series: list[Series]
    which: list[int]
    counts: list[dict[int, list[int]]]
    sizes: list[int]
    keys: list[int]
    ns: list[int]
    kinds: list[Kind]
    errors: list[tuple[int, str, int]]


def encode(cells: Cells) -> list[Any]:
    """Return cells as `decode` reads them, ready for msgpack."""
    ordered = [sorted(row.items(), key=_behind) for row in cells.values()]
    names = [name for row in ordered for name, _ in row]
    rows = [cell for row in ordered for _, cell in row]
    series: dict[Series, int] = {}
    which = [series.setdefault(one, len(series)) for one in names]
    bucketed = [name[0] in BUCKETED for name in names]
    sketches = _sketches(rows, [name[0] in SUMMED for name in names])
    tables: list[dict[int, int]] = []
    for kind, (table, _) in BUCKETS.items():
        values = sketches[SKETCHES.index(kind)].values
        own = [getattr(cell, table) for cell in rows]
        tables += _unlike(own, [getattr(cell, kind) for cell in rows], values, kind, bucketed)
    numbers = (
        list(map(len, tables)), list(chain.from_iterable(tables)),
        list(chain.from_iterable(table.values() for table in tables)),
    )  # fmt: skip
    sizes = list(chain.from_iterable([told.sizes for told in sketches]))
    ends = list(zip(*chain.from_iterable([told.ends for told in sketches]), strict=True)) or [(), (), ()]
    errors = [(at, name, n) for at, cell in enumerate(rows) if cell.errors for name, n in cell.errors.items()]
    return [
        [(at, len(row)) for at, row in cells.items()], list(series),
        [_by_key([getattr(cell, name) for cell in rows]) for name in COUNTS],
        integers.write(which) if which else [0, None, 0, b""], list(map(signed.write, numbers)), errors,
        [told.body for told in sketches], list(map(signed.write, (sizes, *ends))),
    ]  # fmt: skip


def decode(raw: Any) -> Tallies:
    """Return cells in their columns.

    Raises:
        Undecodable: they do not belong together; other errors of `packing.BROKEN` for another form.
    """
    buckets, series, counts, which, tables, errors, *sketches = raw
    starts = [(bucket(at), _count(rows, MAX_ROWS)) for at, rows in buckets]
    rows = _count(sum(n for _, n in starts), MAX_ROWS)
    known = list(map(shapes.series, series))
    numbers = integers.read(which, rows)
    within(numbers, range(len(known)))
    return Tallies(
        _with_tasks(starts, known, numbers), known, numbers, _read_counts(counts, rows),
        *_read_tables(tables, rows), _read_sketches(sketches, rows), [_error(rows, *error) for error in errors],
    )  # fmt: skip


def _behind(row: tuple[Series, Cell]) -> bool:
    return row[0][0] != "task"


def _by_key(tables: Sequence[dict[int, int]]) -> list[list[Any]]:
    keys = sorted(set().union(*tables))
    return [[key, signed.write([table.get(key, 0) for table in tables])] for key in keys]


def _read_counts(raw: Any, rows: int) -> list[dict[int, list[int]]]:
    return [_read_by_key(each, rows) for each, _ in zip(raw, COUNTS, strict=True)]


def _read_by_key(raw: Any, rows: int) -> dict[int, list[int]]:
    _count(len(raw) * rows, MAX_KEYS * 4)  # most of them nothing
    found = {key: signed.read(ns, rows) for key, ns in raw}
    within(list(found), BINS)
    return found


def _sketches(rows: Sequence[Cell], summed: Sequence[bool]) -> list[Told]:
    """Return what is told of each kind of sketch."""
    found = {name: sketch_tallies.tell([getattr(cell, name) for cell in rows]) for name in SKETCHES[:-1]}
    runs, waits = found["runtime"].sizes, found["wait"].sizes
    near = [
        (cell.runtime.total if run else 0) + (cell.wait.total if wait else 0) if like else None
        for cell, run, wait, like in zip(rows, runs, waits, summed, strict=True)
    ]
    return [*found.values(), sketch_tallies.tell([cell.turnaround for cell in rows], near)]


def _read_tables(raw: Any, rows: int) -> tuple[list[int], list[int], list[int]]:
    sizes, keys, ns = raw
    lengths, every = _sizes(sizes, rows * len(TABLES))
    found = signed.read(keys, every)
    within(found, BINS)
    return lengths, found, signed.read(ns, every)


def _read_sketches(raw: Any, rows: int) -> list[Kind]:
    bodies, (lengths, *ends) = raw
    sizes, _ = _sizes(lengths, rows * len(SKETCHES))
    low, high, rest = (signed.read(each, len(sizes)) for each in ends)
    kinds: list[Kind] = []
    for number, body in zip(range(len(SKETCHES)), bodies, strict=True):
        of = slice(number * rows, (number + 1) * rows)
        same = kinds and kinds[-1].layout.sizes == sizes[of]
        layout = kinds[-1].layout if same else Layout(sizes[of])
        kinds.append(sketch_tallies.read(body, layout, low[of], high[of], rest[of]))
    return kinds


def _unlike(
    tables: Sequence[dict[int, int]],
    sketches: Sequence[Sketch],
    values: Sequence[list[int]] | None,
    kind: str,
    wanted: Sequence[bool],
) -> Iterator[dict[int, int]]:
    """Yield what is in other Prometheus buckets than the bins of a sketch tell: of most series nothing is.

    Parameters:
        values: as in `sketch_tallies.Told`.
    """
    buckets, spans = BUCKETS[kind][1], _SPANS[kind]
    for table, sketch, own, like in zip(tables, sketches, values or repeat(None), wanted, strict=False):
        if not like:
            yield table
        elif own is not None and _follows(table, own, spans):
            yield {}
        else:
            found = dict(table)
            for key, n in sketch.bins.items():
                at = buckets[key + 1]
                found[at] = found.get(at, 0) - n
            yield {at: n for at, n in found.items() if n}


def _follows(table: dict[int, int], values: list[int], spans: dict[int, tuple[int, int]]) -> bool:
    """Return whether so many of the values, which are in order, have bins of each Prometheus bucket."""
    every = 0
    for at, n in table.items():
        first, last = spans.get(at, (0, -2))
        if bisect_right(values, last) - bisect_left(values, first) != n:
            return False
        every += n
    return every == len(values)


def _with_tasks(
    buckets: Sequence[tuple[int, int]], series: Sequence[Series], which: Sequence[int]
) -> list[tuple[int, int, int]]:
    """Return buckets, their rows and how many of these are of tasks."""
    found, first = [], 0
    of_tasks = [name[0] == "task" for name in series]
    for at, rows in buckets:
        mine = [of_tasks[number] for number in which[first : first + rows]]
        tasks = sum(mine)
        if not all(mine[:tasks]):
            raise Undecodable(f"a series of tasks behind others in bucket {at}")
        found.append((at, rows, tasks))
        first += rows
    return found


def _sizes(raw: Any, rows: int) -> tuple[list[int], int]:
    """Return how long so many pieces are, and all of them together."""
    found = signed.read(raw, rows)
    within(found, range(MAX_KEYS))
    return found, _count(sum(found), MAX_KEYS)


def bucket(raw: Any) -> int:
    """Return the start of a bucket (s), checked."""
    if not isinstance(raw, int) or not 0 <= raw < 1 << 33:
        raise Undecodable(f"bucket {raw!r}")
    return raw // 10 * 10


def _count(raw: Any, most: int) -> int:
    if not isinstance(raw, int) or not 0 <= raw <= most:
        raise Undecodable(f"{raw!r} rows or keys; there are {most} at most")
    return raw


def _error(rows: int, row: Any, name: Any, n: Any) -> tuple[int, str, int]:
    if not (_is_int(row) and 0 <= row < rows and isinstance(name, str) and _is_int(n)):
        raise Undecodable(f"{n!r} of {name!r} in row {row!r}")
    return row, name, n


_is_int: Final = shapes.checker(int)
