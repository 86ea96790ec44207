from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from celery_monitor.model import Cell, Gauge
from celery_monitor.store.rollups import tiers
from celery_monitor.store.rollups.tiers import ALL, GAUGES, OTHER, STEPS, TASKS, WORKERS

SERIES = [("task", "a", "q"), ("task", "b", "q"), ("task", "a", "r")]


@st.composite
def cells(draw: st.DrawFn) -> Cell:
    cell = Cell()
    cell.counts = draw(st.dictionaries(st.integers(0, 14), st.integers(-5, 50), max_size=3))
    cell.errors = draw(st.dictionaries(st.sampled_from(["A", "B"]), st.integers(0, 5)))
    for value in draw(st.lists(st.integers(0, 10**9), max_size=4)):
        cell.runtime.add(value)
        cell.wait.add(value // 2)
    return cell


parts = st.dictionaries(st.sampled_from(SERIES), cells(), max_size=3)


def dumped(part: tiers.Part) -> dict:
    return {series: cell.dump() for series, cell in sorted(part.items())}


@given(st.lists(parts, min_size=3, max_size=3))
def test_parts_merge_in_any_order_and_grouping(three: list[tiers.Part]) -> None:
    a, b, c = three
    left: tiers.Part = {}
    for part in (a, b, c):
        tiers.merge(left, part)
    inner: tiers.Part = {}
    tiers.merge(inner, c)
    tiers.merge(inner, b)
    right: tiers.Part = {}
    tiers.merge(right, inner)
    tiers.merge(right, a)

    assert dumped(left) == dumped(right)


@given(parts, parts)
def test_adding_to_a_blob_is_adding_to_its_part(a: tiers.Part, b: tiers.Part) -> None:
    expected: tiers.Part = {}
    tiers.merge(expected, a)
    tiers.merge(expected, b)
    raw: tiers.Raw = {}
    tiers.absorb(raw, a)
    raw = tiers.load(tiers.dump(raw))
    tiers.absorb(raw, b)
    found: tiers.Part = {}
    tiers.merge_raw(found, tiers.load(tiers.dump(raw)))

    assert dumped(found) == dumped(expected)


@given(parts)
def test_reading_a_blob_twice_gives_the_same(part: tiers.Part) -> None:
    raw: tiers.Raw = {}
    tiers.absorb(raw, part)
    before = repr(raw)

    for _ in range(2):
        sums: tiers.Part = {}
        tiers.merge_raw(sums, raw)
        tiers.merge_raw(sums, raw)

    assert repr(raw) == before


def test_the_parts_of_a_batch_are_where_readers_look() -> None:
    cell = Cell()
    cell.counts = {1: 2}
    gauge = Gauge()
    gauge.add(3.0, 1)
    found: tiers.Parts = {}
    named = (SERIES[0], SERIES[1], ("worker", "w"), ("future kind", "x"))

    tiers.place(found, 10, dict.fromkeys(named, cell))
    tiers.collect(found, 10, [(("queue", "q"), {"backlog": gauge.dump()})])
    found = tiers.with_sums(found)

    assert set(found) == {(10, TASKS), (10, ALL), (10, WORKERS), (10, GAUGES)}
    assert found[10, ALL][("all",)].counts == {1: 4}


def test_too_many_names_count_under_one() -> None:
    raw: tiers.Raw = {("task", f"t{n}", "q"): Cell().dump() for n in range(tiers.MAX_SERIES)}
    cell = Cell()
    cell.counts = {1: 1}

    tiers.absorb(raw, {("task", "one too many", "q"): cell, ("task", "another", "q"): cell, ("task", "t1", "q"): cell})

    assert len(raw) == tiers.MAX_SERIES + 1
    assert Cell.load(raw["task", OTHER, "q"]).counts == {1: 2}
    assert Cell.load(raw["task", "t1", "q"]).counts == {1: 1}


@given(st.integers(0, 10**6), st.integers(0, 10**5), st.integers(0, 110_000), st.sampled_from([STEPS, STEPS[:3], [60]]))
def test_a_cover_is_the_window_exactly(start: int, length: int, rolled: int, steps: tuple[int, ...]) -> None:
    start, end = start * 10, (start + length % 3000) * 10
    written = {step: (start + rolled) // step * step for step in STEPS[1:]}

    found = tiers.cover(start, end, written, steps)

    at = start
    for step, bucket in found:
        assert bucket == at
        assert bucket % step == 0
        assert step == 10 or (step in steps and bucket + step <= written[step])
        at += step
    assert at == max(start, end)


@given(
    st.integers(0, 10**5), st.integers(1, 3000), st.integers(0, 110_000),
    st.lists(st.integers(0, 10**5), min_size=4, max_size=4),
)  # fmt: skip
def test_a_cover_without_the_buckets_that_had_to_go_holds_the_window(
    start: int, length: int, rolled: int, gone: list[int]
) -> None:
    start, end = start * 10, (start + length) * 10
    written = {step: (start + rolled) // step * step for step in STEPS[1:]}
    pairs = list(zip(STEPS[:-1], STEPS[1:], gone, strict=True))
    cut: dict[int, int] = {}
    for finer, coarser, at in reversed(pairs):  # a tier goes after those that are finer
        least = max(cut.values(), default=0)
        cut[finer] = max(least, min(at // coarser * coarser, written[coarser]))

    found = tiers.cover(start, end, written, STEPS, cut)

    at = found[0][1]
    assert at <= start
    for step, bucket in found:
        assert bucket == at, "no gap, and nothing twice"
        assert bucket >= cut.get(step, 0)
        assert step == 10 or bucket + step <= written[step]
        at += step
    assert at >= end


def test_a_blob_that_is_too_big_keeps_its_sums_and_the_series_with_most_in_them() -> None:
    raw: tiers.Raw = {}
    for n in range(300):
        cell = Cell()
        cell.counts = {1: n + 1}
        cell.runtime.add(1000 * n)
        tiers.absorb(raw, {("task", f"t{n:03d}", f"q{n}"): cell})
    whole = len(tiers.dump(raw))

    data = tiers.dump_within(raw, whole // 4)

    assert len(data) <= whole // 4
    found = {series: Cell.load(dump) for series, dump in tiers.load(data).items()}
    assert sum(cell.ended for cell in found.values()) == 300 * 301 // 2
    assert ("task", "t299", "q299") in found
    assert ("task", "t000", "q0") not in found
    assert found["task", OTHER, OTHER].ended > 0
    assert len(tiers.dump_within(raw, 1)) > 1, "one series is as big as it is"
    assert raw.keys() == {("task", OTHER, OTHER)}
