"""Cells come back from their columns as they went in, and columns that do not belong together are refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_monitor.model import Cell, Series
from celery_monitor.store.encoding import packing, tallies
from celery_monitor.store.encoding.sums import Sums
from tests.store.test_properties import SERIES, dumped, something


def told(batch: tallies.Cells) -> tallies.Tallies:
    return tallies.decode(packing.unpack(packing.pack(tallies.encode(batch))))


def some() -> tallies.Cells:
    cell = Cell()
    cell.counts, cell.errors = {1: 2}, {"ValueError": 1}
    for value in (0, 7, 4000):
        cell.runtime.add(value)
    return {10: {SERIES[0]: cell}, 30: {SERIES[0]: cell, SERIES[1]: Cell()}}


TASK = SERIES[0]
_VALUES = st.one_of(st.integers(-3, 300), st.integers(10_000, 40_000), st.integers(0, 1 << 50))
_TIMES = st.sampled_from([1, 1, 1, 1, 2, 9, -1])


@st.composite
def _near_each_other(draw: st.DrawFn) -> Cell:
    """What agents tell most: many values in few bins, Prometheus buckets that follow, corrections now and then."""
    cell = Cell()
    for name in tallies.SKETCHES:
        for value, times in draw(st.lists(st.tuples(_VALUES, _TIMES), max_size=8)):
            getattr(cell, name).add(value, times=times)
    for sketch, (name, buckets) in tallies.BUCKETS.items():
        table = getattr(cell, name)
        for key, n in getattr(cell, sketch).bins.items():
            at = buckets[key + 1] + draw(st.sampled_from([0, 0, 0, 1]))
            table[at] = table.get(at, 0) + n
    return cell


@given(st.dictionaries(st.sampled_from([TASK, SERIES[1], SERIES[3], ("span", "a", "db")]), _near_each_other()))
def test_cells_come_back_as_they_went_in(row: dict[Series, Cell]) -> None:
    sums = Sums()
    sums.add(told({10: row}), {})
    assert dumped(something(sums.cells())) == dumped(something({10: row}))


def test_values_of_few_bins_are_told_by_their_numbers() -> None:
    cell = Cell()
    cell.memory.add(60_000, times=1_000_000)
    assert len(packing.pack(tallies.encode({10: {TASK: cell}}))) < 200


def test_what_was_joined_while_redis_was_away_can_be_read() -> None:
    row: dict[Series, Cell] = {}
    for number in range(100):
        cell = row["task", f"t{number}", "q"] = Cell()
        for name in tallies.SKETCHES:
            for key in range(700):
                getattr(cell, name).add(3**20, bucket=key, times=5)  # 1.75 million values, 350,000 bins
    assert sum(kind.layout.values for kind in told({10: row}).kinds) == 350_000


def test_what_follows_from_a_bin_is_not_told() -> None:
    cell = Cell()
    for _ in range(9):
        cell.runtime.add(30_000)
        cell.wait.add(200_000)
        cell.turnaround.add(230_000)
    cell.runtime_le, cell.wait_le = {3: 9}, {2: 9}
    counts = told({10: {TASK: cell}})
    assert (counts.keys, counts.ns, counts.kinds[-1].rest) == ([], [], [0])


def test_of_tasks_and_others_tasks_are_the_first_of_their_bucket() -> None:
    row = {("failure", "f", "ValueError", ""): Cell(), TASK: some()[10][TASK]}
    found = told({10: row})
    assert (found.buckets, found.series) == ([(10, 2, 1)], [TASK, ("failure", "f", "ValueError", "")])


def put(*path: int, value: Any) -> Callable[[list[Any]], None]:
    def change(cells: list[Any]) -> None:
        for at in path[:-1]:
            cells = cells[at]
        cells[path[-1]] = value

    return change


def error(*told: Any) -> Callable[[list[Any]], None]:
    return lambda cells: cells[5].append(told)


@pytest.mark.parametrize(
    "broken",
    [
        put(3, value=[2, None, 0, b""]),  # a series that is not there
        put(2, value=[[], [], []]),
        put(2, 0, value=[["one", [1, b"\0\0\0"]]]),
        put(2, 0, value=[[1, [1, b"\0\0"]]]),  # fewer numbers than rows
        put(2, 0, value=[[n, [1, b"\0\0\0"]] for n in range(-1, 5000)]),
        put(4, 0, value=[1, b"\xff" * 6]),
        put(4, 0, value=[4, b"\x7f" * 24]),  # more keys than memory
        put(4, 1, value=[2, b"\xff\x7f"]),  # a bucket that there cannot be
        put(6, value=[]),
        put(6, 0, value=[None, [1, b""], [1, b""]]),
        put(6, 0, value=[4000, bytes(6), None]),  # a bin that no number has
        put(6, 0, value=[-1, bytes(6) + b"\x7f" * 6, None]),
        put(6, 0, value=["x", bytes(6), None]),
        put(6, 0, value=[-1, "text", None]),
        put(6, 0, value=[-1, bytes(7), None]),
        put(7, 0, value=[1, b"\xff" * 15]),
        put(7, 0, value=[4, b"\x7f" * 60]),
        put(7, 1, value=[8, b"\x7f" * 120]),
        put(7, 1, value=[3, bytes(45)]),
        error(3, "ValueError", 1),
        error(0, "ValueError", "many"),
        error(0, 7, 1),
        lambda cells: cells[0].append([40, 1 << 40]),
        lambda cells: cells[0].append(["ten", 0]),
        lambda cells: cells[1].append([7]),
        lambda cells: cells[1].append("text"),
        lambda cells: cells[1].insert(0, ["span", "a", "db"]),  # a series of tasks behind others
    ],
)
def test_columns_that_do_not_belong_together_are_refused(broken: Callable[[list[Any]], None]) -> None:
    raw = packing.unpack(packing.pack(tallies.encode(some())))
    broken(raw)
    with pytest.raises(packing.BROKEN):
        tallies.decode(raw)


@pytest.mark.parametrize("numbers", [[4094], [-1, 4094], [-1, 300], [1100, 1101]])
def test_every_bin_that_there_can_be_is_told(numbers: list[int]) -> None:
    cell = Cell()
    for key in numbers:
        cell.cpu.add(7, bucket=key)
    sums = Sums()
    sums.add(told({10: {TASK: cell}}), {})
    assert sums.cells()[10][TASK].dump() == cell.dump()
