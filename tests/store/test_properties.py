"""What the fold relies on: merging is addition in any order and grouping, and what is written is what is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from celery_monitor.model import Cell, Gauge, Metrics, Series
from celery_monitor.store import inbox
from celery_monitor.store.encoding import columns, dumps, packing
from celery_monitor.store.encoding.blob import Blob
from celery_monitor.store.encoding.columns import SCHEMAS, Schema
from celery_monitor.store.rollups import lifetime, tiers
from celery_monitor.store.rollups.lifetime import Lifetime
from celery_monitor.store.rollups.tiers import TASKS

SERIES = (("task", "a", "q"), ("task", "b", "q"), ("worker", "celery@a"), ("workflow", "daily"))
NUMBERS = st.integers(0, 10**9)
SKETCHES = ("runtime", "wait", "cpu", "memory", "turnaround")
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "i": st.one_of(st.integers(0, 300), st.integers(-(2**60), 2**60)),
    "t": st.text(max_size=8),
    "d": st.one_of(st.just(b""), st.binary(min_size=16, max_size=16), st.binary(min_size=1, max_size=20)),
    "u": st.binary(min_size=12, max_size=12),
    "b": st.binary(max_size=16),
    "f": st.floats(allow_nan=False, allow_infinity=False),
}


@st.composite
def cells(draw: st.DrawFn) -> Cell:
    cell = Cell()
    cell.counts = draw(st.dictionaries(st.integers(0, 14), st.integers(-5, 50), max_size=3))
    cell.reasons = draw(st.dictionaries(st.integers(-1, 9), st.integers(-5, 50), max_size=3))
    cell.errors = draw(st.dictionaries(st.text(max_size=3), st.integers(0, 5), max_size=2))
    cell.runtime_le = draw(st.dictionaries(st.integers(0, 9), st.integers(0, 5), max_size=2))
    cell.wait_le = draw(st.dictionaries(st.integers(0, 9), st.integers(0, 5), max_size=2))
    for name in SKETCHES:
        for value in draw(st.lists(NUMBERS, max_size=3)):
            getattr(cell, name).add(value)
    return cell


@st.composite
def gauges(draw: st.DrawFn) -> Gauge:
    """Whole numbers: sums of floats depend on their order in the last digit."""
    gauge = Gauge()
    for value, at_us in draw(st.lists(st.tuples(st.integers(-50, 50), st.integers(0, 3)), max_size=4)):
        gauge.add(float(value), at_us)
    return gauge


@st.composite
def totals(draw: st.DrawFn) -> Lifetime:
    made = Lifetime()
    parts = st.dictionaries(st.sampled_from(SERIES[:2]), cells(), max_size=2)
    for bucket, part in draw(st.lists(st.tuples(st.integers(1, 99), parts), max_size=2)):
        made.add(bucket * 10, part)
        made.add_labels({("label", *series[1:]): cell for series, cell in part.items()})
    return made


def merged(make: Callable[[], Any], *parts: Any) -> Any:
    whole = make()
    for part in parts:
        whole.merge(part)
    return whole


def told(value: Any) -> Any:
    """Return what a reader sees of it, whatever order it was put together in."""
    if isinstance(value, Lifetime):
        whole = value.loaded() | value.labelled()
        return value.since_us, {series: cell.dump() for series, cell in sorted(whole.items())}
    return value.dump()


def assert_adds(make: Callable[[], Any], a: Any, b: Any, c: Any) -> None:
    expected = told(merged(make, a, b, c))
    assert told(merged(make, c, b, a)) == told(merged(make, b, c, a)) == expected, "the order does not matter"
    assert told(merged(make, a, merged(make, b, c))) == expected, "the grouping does not matter"
    assert told(merged(make, merged(make, a, b), make(), c)) == expected, "nothing adds nothing"


@given(cells(), cells(), cells())
def test_cells_merge_in_any_order_and_grouping(a: Cell, b: Cell, c: Cell) -> None:
    assert_adds(Cell, a, b, c)


@given(gauges(), gauges(), gauges())
def test_gauges_merge_in_any_order_and_grouping(a: Gauge, b: Gauge, c: Gauge) -> None:
    assert_adds(Gauge, a, b, c)


@settings(max_examples=30)
@given(totals(), totals(), totals())
def test_lifetimes_merge_in_any_order_and_grouping(a: Lifetime, b: Lifetime, c: Lifetime) -> None:
    assert_adds(Lifetime, a, b, c)


@settings(max_examples=30)
@given(totals())
def test_a_lifetime_comes_back_as_it_was_written(made: Lifetime) -> None:
    assert told(lifetime.load(made.dump())) == told(made)


@given(cells(), cells())
def test_adding_a_dump_is_merging_its_cell(mine: Cell, other: Cell) -> None:
    expected, found = merged(Cell, mine, other), merged(Cell, mine)

    dumps.add_cell(found, dumps.checked(packing.unpack(packing.pack(other.dump()))))

    assert found.dump() == expected.dump()
    assert Cell.load(packing.unpack(packing.pack(other.dump()))).dump() == other.dump()


@given(
    st.dictionaries(st.integers(0, 9), st.dictionaries(st.sampled_from(SERIES), cells(), max_size=2), max_size=2),
    st.dictionaries(st.integers(0, 9), st.dictionaries(st.text(max_size=3), gauges(), max_size=2), max_size=2),
)
def test_counters_come_back_as_they_went_in(rows: dict[int, Any], levels: dict[int, Any]) -> None:
    made = Metrics({10 * b: row for b, row in rows.items()}, {10 * b: {("queue", "q"): g} for b, g in levels.items()})

    found = inbox.decode_metrics(inbox.encode_metrics(made))

    assert dumped(something(found.cells)) == dumped(something(made.cells))
    assert dumped(found.gauges) == dumped(made.gauges)


def dumped(buckets: Mapping[int, Mapping[Series, Any]]) -> dict[int, dict[Series, Any]]:
    return {b: {series: tiers.dump_of(value) for series, value in row.items()} for b, row in buckets.items()}


def something(buckets: Mapping[int, Mapping[Series, Cell]]) -> dict[int, dict[Series, Cell]]:
    """Return cells without the keys of which there is nothing: that is the same as no such key, and is not sent."""
    return {b: {series: _something(cell) for series, cell in row.items()} for b, row in buckets.items()}


def _something(cell: Cell) -> Cell:
    copy = deepcopy(cell)
    for name in ("counts", "reasons", "runtime_le", "wait_le"):
        setattr(copy, name, {key: n for key, n in getattr(copy, name).items() if n})
    return copy


@given(st.dictionaries(st.sampled_from(SERIES[:2]), cells(), min_size=1, max_size=2))
def test_a_rollup_comes_back_without_what_only_totals_since_ever_have(part: dict[Any, Cell]) -> None:
    raw: tiers.Raw = {}
    tiers.absorb(raw, part, tiers.most_series(TASKS))

    found = tiers.load(tiers.dump(raw))

    for series, cell in part.items():
        cell.runtime_le, cell.wait_le = {}, {}
        assert Cell.load(found[series]).dump() == cell.dump()


def rows_of(schema: Schema) -> st.SearchStrategy[list[tuple[Any, ...]]]:
    """Few distinct rows, many repetitions: constants, short tables and long ones all occur."""
    one = st.tuples(*(VALUES[code] for code in schema.columns.values()))
    return st.lists(one, min_size=1, max_size=5).flatmap(lambda some: st.lists(st.sampled_from(some), max_size=30))


@given(st.sampled_from(sorted(SCHEMAS)).flatmap(lambda n: st.tuples(st.just(n), rows_of(SCHEMAS[n]))), st.booleans())
def test_rows_of_every_table_come_back_as_they_were_written(named: tuple[str, list[Any]], whole: bool) -> None:
    name, rows = named

    blob = Blob(columns.encode({name: columns.from_rows(SCHEMAS[name], rows)}, whole=whole))

    assert columns.to_rows(SCHEMAS[name], blob.columns(name)) == rows
