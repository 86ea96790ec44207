"""Cells in columns come to the same as the cells, and columns that do not belong together are refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from celery_monitor.model import Cell, Metrics
from celery_monitor.store import packing, tallies
from celery_monitor.store.tallies import Sums
from tests.store.test_properties import SERIES, cells, dumped

WORKER = ("worker", "celery@z")
_BATCH = st.dictionaries(st.sampled_from([10, 20]), st.dictionaries(st.sampled_from(SERIES), cells(), max_size=3))


def told(batch: tallies.Cells) -> tallies.Tallies:
    return tallies.decode(packing.unpack(packing.pack(tallies.encode(batch))))


@settings(max_examples=50)
@given(st.lists(_BATCH, max_size=3))
def test_batches_added_by_columns_are_batches_merged_cell_by_cell(batches: list[tallies.Cells]) -> None:
    merged, sums = Metrics(), Sums()
    for batch in batches:
        merged.merge(Metrics(batch))
        sums.add(told(batch), {})
    found = sums.cells()
    assert dumped({at: row for at, row in found.items() if row}) == dumped(
        {at: row for at, row in merged.cells.items() if row}
    )


@settings(max_examples=50)
@given(st.lists(_BATCH, max_size=3))
def test_a_workers_own_cell_is_the_sum_of_its_tasks_whatever_else_is_in_a_batch(batches: list[tallies.Cells]) -> None:
    merged, sums = Metrics(), Sums()
    for batch in batches:
        for at, row in batch.items():
            for series, cell in row.items():
                if series[0] == "task":
                    merged.merge(Metrics({at: {WORKER: kept_of_workers(cell)}}))
        sums.add(told(batch), {}, WORKER[1])
    found = {at: {WORKER: row[WORKER]} for at, row in sums.cells().items() if WORKER in row}
    assert dumped(found) == dumped(merged.cells)


def kept_of_workers(cell: Cell) -> Cell:
    kept = Cell.load(cell.dump())
    kept.errors, kept.reasons, kept.runtime_le, kept.wait_le = {}, {}, {}, {}
    return kept


def test_a_worker_counts_in_the_bucket_its_tasks_are_moved_to() -> None:
    sums = Sums()
    sums.add(told(some()), {10: None, 30: 20}, WORKER[1])
    assert sums.cells()[20][WORKER].counts == {1: 2}


def some() -> tallies.Cells:
    cell = Cell()
    cell.counts, cell.errors = {1: 2}, {"ValueError": 1}
    for value in (0, 7, 4000):
        cell.runtime.add(value)
    return {10: {SERIES[0]: cell}, 30: {SERIES[0]: cell, SERIES[1]: Cell()}}


def test_buckets_count_where_they_are_moved_to_or_nowhere() -> None:
    sums = Sums()
    sums.add(told(some()), {10: None, 30: 20})
    assert dumped(sums.cells()) == dumped({20: some()[30]})


def test_a_sum_beyond_64_bits_is_told_as_far_as_it_goes() -> None:
    batch = some()
    batch[10][SERIES[0]].runtime.total = 1 << 80
    sums = Sums()
    sums.add(told(batch), {})
    assert sums.cells()[10][SERIES[0]].runtime.total > 1 << 61


def column(at: int, *raw: Any) -> Callable[[list[Any]], None]:
    def change(cells: list[Any]) -> None:
        cells[2][at] = list(raw)

    return change


def error(*told: Any) -> Callable[[list[Any]], None]:
    return lambda cells: cells[3].append(told)


@pytest.mark.parametrize(
    "broken",
    [
        column(0, 2, None, 0, b""),  # a series that is not there
        column(1, -1, None, 0, b""),
        column(1, 1 << 40, None, 0, b""),  # more keys than memory
        column(2, 1 << 20, None, 0, b""),  # a bin that no number has
        column(3, 0, None, 1, b"\0"),
        column(4, "x", None, 0, b""),
        error(3, "ValueError", 1),
        error(0, "ValueError", "many"),
        error(0, 7, 1),
        lambda cells: cells[0].append([40, 1 << 40]),
        lambda cells: cells[0].append(["ten", 0]),
        lambda cells: cells[1].append([7]),
        lambda cells: cells[1].append("text"),
    ],
)
def test_columns_that_do_not_belong_together_are_refused(broken: Callable[[list[Any]], None]) -> None:
    raw = packing.unpack(packing.pack(tallies.encode(some())))
    broken(raw)
    with pytest.raises(packing.BROKEN):
        tallies.decode(raw)
