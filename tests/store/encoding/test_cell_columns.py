from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_monitor.model import Cell, Series
from celery_monitor.signals.record import bin_of
from celery_monitor.sketch import Sketch
from celery_monitor.store.encoding import cell_columns, packing
from celery_monitor.store.encoding.cell_columns import Columns
from celery_monitor.store.encoding.packing import Undecodable
from celery_monitor.store.rollups import tiers

SERIES: list[Series] = [("task", "a", "q"), ("task", "b", "q"), ("task", "a", "r")]
values = st.integers(0, 10) | st.integers(0, 10**6) | st.integers(0, 1 << 46)


@st.composite
def cells(draw: st.DrawFn) -> Cell:
    """A cell as it may come to be: with corrections, sums without buckets, and sums up to 63 bits."""
    cell = Cell()
    cell.counts = draw(st.dictionaries(st.integers(0, 14), st.integers(-5, 50), max_size=3))
    cell.errors = draw(st.dictionaries(st.sampled_from(["A", "B"]), st.integers(0, 5)))
    cell.reasons = draw(st.dictionaries(st.integers(-1, 9), st.integers(0, 5)))
    for value in draw(st.lists(values, max_size=6)):
        cell.runtime.add(value, times=draw(st.sampled_from([1, 1, 3, 300, 70_000])))
        cell.wait.add(value // 3)
    for value in draw(st.lists(values, max_size=2)):
        cell.wait.add(value, times=-1)
    if draw(st.booleans()):
        cell.cpu.add_lanes(2, 9, 4, 5, 0)
        cell.memory.bins = {draw(st.sampled_from([-7, 4000, 12])): 1}
    return cell


parts = st.dictionaries(st.sampled_from(SERIES), cells(), max_size=3)


def dumped(part: tiers.Part) -> dict[Series, list[object]]:
    return {series: cell.dump() for series, cell in sorted(part.items())}


@given(parts, parts)
def test_adding_columns_is_adding_the_cells_they_were_made_of(mine: tiers.Part, others: tiers.Part) -> None:
    expected: tiers.Part = {}
    tiers.merge(expected, mine)
    tiers.merge(expected, others)
    found: tiers.Part = {}
    tiers.merge(found, mine)

    Columns(cell_columns.encode(others)).add_to(found)

    assert dumped(found) == dumped(expected)
    for series, cell in expected.items():
        assert found[series].runtime.quantiles((0.1, 0.5, 1.0)) == cell.runtime.quantiles((0.1, 0.5, 1.0))


@given(parts)
def test_what_is_not_asked_for_is_not_added(part: tiers.Part) -> None:
    found: tiers.Part = {}

    Columns(cell_columns.encode(part)).add_to(found, ("wait",), lambda series: series[2] == "q")

    assert found.keys() == {series for series in part if series[2] == "q"}
    for series, cell in found.items():
        expected = Sketch()
        expected.merge(part[series].wait)  # of what was taken back entirely only the greatest stays
        assert cell.wait.dump() == expected.dump()
        assert cell.counts == part[series].counts
        assert cell.runtime.empty


@given(st.integers(0, 10**15))
def test_the_lane_of_a_value_is_its_bucket_and_one(value: int) -> None:
    assert cell_columns.lane(value) == bin_of(value) + 1


def test_a_sketch_of_a_newer_release_is_passed_over() -> None:
    cell = Cell()
    cell.runtime.add(5)
    cell.wait.add(7)
    version, head, sketches, ends, bins, odd = packing.unpack(cell_columns.encode({SERIES[0]: cell}))
    renamed = {{"runtime": "of the future"}.get(name, name): widths for name, widths in sketches.items()}
    found: tiers.Part = {}

    Columns(packing.pack([version, head, renamed, ends, bins, odd, "more"])).add_to(found)

    assert found[SERIES[0]].wait.dump() == cell.wait.dump()
    assert found[SERIES[0]].runtime.empty


@given(parts, st.data())
def test_broken_columns_add_nothing_or_all(part: tiers.Part, data: st.DataObject) -> None:
    raw = bytearray(cell_columns.encode(part))
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    found: tiers.Part = {}
    try:
        Columns(bytes(raw)).add_to(found)
    except Undecodable:
        assert found == {}


def test_a_version_that_is_not_known_is_refused() -> None:
    version, *rest = packing.unpack(cell_columns.encode({}))

    with pytest.raises(Undecodable, match="version 3"):
        Columns(packing.pack([version + 1, *rest]))
