"""Batches added up by columns are batches merged cell by cell."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from celery_monitor.model import Cell, Metrics
from celery_monitor.store.encoding import sums, tallies
from celery_monitor.store.encoding.sums import Sums
from tests.store.encoding.test_tallies import some, told
from tests.store.test_properties import SERIES, cells, dumped, something

WORKER = ("worker", "celery@z")
_BATCH = st.dictionaries(st.sampled_from([10, 20]), st.dictionaries(st.sampled_from(SERIES), cells(), max_size=3))


def test_numbers_that_wait_are_counted_before_they_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sums, "_MOST_NUMBERS", 0)
    test_batches_added_by_columns_are_batches_merged_cell_by_cell()
    test_a_workers_own_cell_is_the_sum_of_its_tasks_whatever_else_is_in_a_batch()


@settings(max_examples=50)
@given(st.lists(_BATCH, max_size=3))
def test_batches_added_by_columns_are_batches_merged_cell_by_cell(batches: list[tallies.Cells]) -> None:
    merged, added = Metrics(), Sums()
    for batch in batches:
        merged.merge(Metrics(batch))
        added.add(told(batch), {})
    found = added.cells()
    told_of, expected = ({at: row for at, row in of.items() if row} for of in (found, merged.cells))
    assert dumped(something(told_of)) == dumped(something(expected))


@settings(max_examples=50)
@given(st.lists(_BATCH, max_size=3))
def test_a_workers_own_cell_is_the_sum_of_its_tasks_whatever_else_is_in_a_batch(batches: list[tallies.Cells]) -> None:
    merged, added = Metrics(), Sums()
    for batch in batches:
        for at, row in batch.items():
            for series, cell in row.items():
                if series[0] == "task":
                    merged.merge(Metrics({at: {WORKER: kept_of_workers(cell)}}))
        added.add(told(batch), {}, WORKER[1])
    found = {at: {WORKER: row[WORKER]} for at, row in added.cells().items() if WORKER in row}
    assert dumped(something(found)) == dumped(something(merged.cells))


def kept_of_workers(cell: Cell) -> Cell:
    kept = Cell.load(cell.dump())
    kept.errors, kept.reasons, kept.runtime_le, kept.wait_le = {}, {}, {}, {}
    return kept


def test_a_worker_counts_in_the_bucket_its_tasks_are_moved_to() -> None:
    added = Sums()
    added.add(told(some()), {10: None, 30: 20}, WORKER[1])
    assert added.cells()[20][WORKER].counts == {1: 2}


def test_buckets_count_where_they_are_moved_to_or_nowhere() -> None:
    added = Sums()
    added.add(told(some()), {10: None, 30: 20})
    assert dumped(added.cells()) == dumped({20: some()[30]})


def test_a_sum_beyond_64_bits_is_told_as_far_as_it_goes() -> None:
    batch = some()
    batch[10][SERIES[0]].runtime.total = 1 << 80
    added = Sums()
    added.add(told(batch), {})
    assert added.cells()[10][SERIES[0]].runtime.total > 1 << 61
