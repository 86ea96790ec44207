"""Sketches: merging is addition in any order and grouping; a quantile is within 2 % of the value with its rank."""

from __future__ import annotations

from math import ceil

import msgpack
from hypothesis import given
from hypothesis import strategies as st

from celery_monitor.model import Cell
from celery_monitor.sketch import Sketch
from celery_monitor.store.encoding import dumps

values = st.integers(0, 30 * 86_400 * 1_000_000)
lists = st.lists(values, max_size=60)
ALPHA = 0.02


def sketch(of: list[int]) -> Sketch:
    made = Sketch()
    for value in of:
        made.add(value)
    return made


def merged(*sketches: Sketch) -> Sketch:
    total = Sketch()
    for one in sketches:
        total.merge(one)
    return total


@given(lists, lists, lists)
def test_merging_is_associative_and_commutative(a: list[int], b: list[int], c: list[int]) -> None:
    x, y, z = sketch(a), sketch(b), sketch(c)
    whole = sketch(a + b + c).dump()
    assert merged(merged(x, y), z).dump() == whole
    assert merged(x, merged(y, z)).dump() == whole
    assert merged(z, y, x).dump() == whole


@given(st.lists(values, min_size=1, max_size=200), st.lists(st.floats(0, 1), min_size=1, max_size=5))
def test_a_quantile_is_within_two_percent(of: list[int], qs: list[float]) -> None:
    ordered = sorted(of)
    for q, found in zip(sorted(qs), sketch(of).quantiles(sorted(qs)), strict=True):
        true = ordered[max(0, ceil(q * len(of) - 1e-9) - 1)]  # so many of them are no higher
        assert found is not None
        assert abs(found - true) <= ALPHA * true * (1 + 1e-9)


@given(lists, lists)
def test_any_window_is_as_exact_as_its_parts(a: list[int], b: list[int]) -> None:
    both = merged(sketch(a), sketch(b))
    assert (both.count, both.total) == (len(a + b), sum(a + b))
    if a + b:
        assert (both.least, both.most) == (min(a + b), max(a + b))


@given(lists)
def test_encoding_and_decoding_is_the_identity(of: list[int]) -> None:
    packed = msgpack.unpackb(msgpack.packb(sketch(of).dump()))
    assert Sketch.load(packed).dump() == sketch(of).dump()


@given(lists, lists)
def test_taking_back_leaves_the_bins_and_the_sum_of_the_others(kept: list[int], back: list[int]) -> None:
    made = sketch(kept + back)
    for value in back:
        made.add(value, times=-1)
    assert {b: n for b, n in made.bins.items() if n} == sketch(kept).bins
    assert (made.count, made.total) == (len(kept), sum(kept))


def test_nothing_has_no_quantile() -> None:
    assert Sketch().quantiles((0.0, 1.0)) == [None, None]


@given(lists, lists)
def test_a_cell_keeps_every_sketch_and_old_dumps_have_no_turnaround(first: list[int], second: list[int]) -> None:
    cell = Cell()
    for sketch_, of in ((cell.runtime, first), (cell.turnaround, second)):
        for value in of:
            sketch_.add(value)
    dump = msgpack.unpackb(msgpack.packb(cell.dump()), strict_map_key=False)
    again = Cell()
    dumps.add_cell(again, dump)
    dumps.add_cell(again, dump[:9])
    assert Cell.load(dump).dump() == cell.dump()
    assert again.turnaround.dump() == cell.turnaround.dump()
    assert again.runtime.count == 2 * cell.runtime.count
