"""Adds the dump of a cell to a cell without building the cell it is a dump of: half the time of a long window."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from celery_monitor.model import Cell
from celery_monitor.sketch import Sketch
from celery_monitor.store.encoding.packing import Undecodable
from celery_monitor.store.encoding.shapes import LARGEST

SKETCHES: Final = ("runtime", "wait", "cpu", "memory", "turnaround")
"""The sketches of a cell: four in the order of their dumps, which follow the counts, and the last one's at the end."""
_FIRST: Final = SKETCHES[:4]
_TURNAROUND: Final = 9


def checked(dump: list[Any], bound: float = LARGEST) -> list[Any]:
    """Return what `Cell.dump` returned if every number in it is one: a text would break the merge, not the decode.

    Parameters:
        bound: what they may come to.

    Raises:
        Undecodable: numbers are no numbers, or too large; other errors of `packing.BROKEN` for another form.
    """
    if dump.__class__ is not list or len(dump) < _TURNAROUND:
        raise Undecodable(f"cell {dump!r:.40}")
    every = 0
    for numbers in (dump[0], *dump[6:9]):
        if numbers:
            every += sum(numbers) + sum(numbers.values())
        elif numbers != {}:
            raise Undecodable(f"counts {numbers!r}")
    if dump[5] != {}:
        "".join(dump[5])
        every += sum(dump[5].values())
    for count, total, least, most, flat in (*dump[1:5], *dump[9:10]):
        if flat.__class__ is not list or len(flat) % 2:
            raise Undecodable(f"sketch of {flat!r:.40}")
        every += sum(flat, count + total + least + most)
    if not -bound < every < bound:
        raise Undecodable(f"numbers that come to {every}")
    return dump


def checked_levels(levels: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Return gauges by name if every number in their dumps is one.

    Raises:
        Undecodable: numbers are not finite, or too large; other errors of `packing.BROKEN` for another form.
    """
    "".join(levels)
    for count, least, most, total, last, last_us in levels.values():
        if not -LARGEST < count + least + most + total + last + last_us < LARGEST:
            raise Undecodable(f"a gauge of {count} samples up to {most}")
    return levels


def add_cell(cell: Cell, dump: list[Any], sketches: Collection[str] = SKETCHES) -> None:
    """Add what `Cell.dump` returned.

    Args:
        cell: changed.
        dump: left as it is.
        sketches: those wanted; the others stay as they are.
    """
    _add(cell.counts, dump[0])
    if sketches is SKETCHES:
        add_sketch(cell.runtime, dump[1])
        add_sketch(cell.wait, dump[2])
        add_sketch(cell.cpu, dump[3])
        add_sketch(cell.memory, dump[4])
    else:
        for at, name in enumerate(_FIRST, 1):
            if name in sketches:
                add_sketch(getattr(cell, name), dump[at])
    if len(dump) > _TURNAROUND and "turnaround" in sketches:
        add_sketch(cell.turnaround, dump[_TURNAROUND])
    if dump[5]:
        _add(cell.errors, dump[5])
    if dump[6]:
        _add(cell.reasons, dump[6])
    if dump[7]:
        _add(cell.runtime_le, dump[7])
    if dump[8]:
        _add(cell.wait_le, dump[8])


def add_counts(cell: Cell, counts: dict[int, int], errors: dict[str, int], reasons: dict[int, int]) -> None:
    """Add what a cell knows beside its sketches."""
    _add(cell.counts, counts)
    if errors:
        _add(cell.errors, errors)
    if reasons:
        _add(cell.reasons, reasons)


def add_sketch(sketch: Sketch, dump: list[Any]) -> None:
    """Add what `Sketch.dump` returned; the same as merging the sketch it stands for."""
    count, total, least, most, flat = dump
    if not count and not flat:
        return
    before = sketch.count
    if count and (not before or least < sketch.least):
        sketch.least = least
    if most > sketch.most:
        sketch.most = most
    sketch.count = before + count
    sketch.total += total
    bins = sketch.bins
    bucket, pairs = 0, iter(flat)
    for step, n in zip(pairs, pairs, strict=True):
        bucket += step
        bins[bucket] = bins[bucket] + n if bucket in bins else n


def _add(mine: dict[Any, int], its: dict[Any, int]) -> None:
    for key, n in its.items():
        mine[key] = mine.get(key, 0) + n
