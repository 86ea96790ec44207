from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from celery_monitor.analytics.heatmap import heatmap
from celery_monitor.sketch import Sketch

columns = st.lists(st.lists(st.integers(1, 10**11), max_size=20), max_size=5)


def sketch(values: list[int]) -> Sketch:
    made = Sketch()
    for value in values:
        made.add(value)
    return made


@given(columns, st.integers(1, 50))
def test_every_value_is_counted_once_between_its_bounds(values: list[list[int]], most: int) -> None:
    found = heatmap([sketch(column) for column in values], most)
    bounds = found["bounds"]
    assert len(bounds) <= most + 1
    assert bounds == sorted(bounds)
    for column, counts in zip(values, found["counts"], strict=True):
        slack = 1e-6  # bounds are rounded to the nanosecond
        for row, n in enumerate(counts):
            low, high = bounds[row] * (1 - slack) - 1e-9, bounds[row + 1] * (1 + slack) + 1e-9
            assert n <= sum(low < us / 1e6 <= high for us in column)
        assert sum(counts) == len(column)


def test_zeros_are_in_the_first_row() -> None:
    found = heatmap([sketch([0, 0, 1_000_000])], 10)
    assert (found["counts"], found["bounds"][0]) == ([[3]], 0.0)


def test_what_was_taken_back_is_not_counted() -> None:
    made = sketch([5, 5_000])
    made.add(5, times=-1)
    assert sum(heatmap([made])["counts"][0]) == 1
