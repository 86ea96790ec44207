"""Adds the dump of a cell to a cell without building the cell it is a dump of: half the time of a long window."""

from __future__ import annotations

from collections.abc import Collection
from itertools import accumulate
from typing import Any, Final

from celery_monitor.model import Cell
from celery_monitor.sketch import Sketch

SKETCHES: Final = ("runtime", "wait", "cpu", "memory", "turnaround")
"""The sketches of a cell: four in the order of their dumps, which follow the counts, and the last one's at the end."""
_FIRST: Final = SKETCHES[:4]
_TURNAROUND: Final = 9


def add_cell(cell: Cell, dump: list[Any], sketches: Collection[str] = SKETCHES) -> None:
    """Add what `Cell.dump` returned.

    Args:
        cell: changed.
        dump: left as it is.
        sketches: those wanted; the others stay as they are.
    """
    _add(cell.counts, dump[0])
    for at, name in enumerate(_FIRST, 1):
        if name in sketches:
            add_sketch(getattr(cell, name), dump[at])
    if len(dump) > _TURNAROUND and "turnaround" in sketches:
        add_sketch(cell.turnaround, dump[_TURNAROUND])
    for mine, its in ((cell.errors, dump[5]), (cell.reasons, dump[6]), (cell.runtime_le, dump[7])):
        if its:
            _add(mine, its)
    if dump[8]:
        _add(cell.wait_le, dump[8])


def add_outcome(cell: Cell, dump: list[Any]) -> None:
    """Add the counts and runtimes of what `Cell.dump` returned: all that is kept of a worker."""
    _add(cell.counts, dump[0])
    add_sketch(cell.runtime, dump[1])


def add_sketch(sketch: Sketch, dump: list[Any]) -> None:
    """Add what `Sketch.dump` returned; the same as merging the sketch it stands for."""
    count, total, least, most, flat = dump
    if not count and not flat:
        return
    if count and (not sketch.count or least < sketch.least):
        sketch.least = least
    if most > sketch.most:
        sketch.most = most
    sketch.count += count
    sketch.total += total
    bins = sketch.bins
    get = bins.get
    for bucket, n in zip(accumulate(flat[::2]), flat[1::2], strict=True):
        bins[bucket] = get(bucket, 0) + n


def _add(mine: dict[Any, int], its: dict[Any, int]) -> None:
    for key, n in its.items():
        mine[key] = mine.get(key, 0) + n
