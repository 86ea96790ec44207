"""The figures of a cell against what they are made from."""

from __future__ import annotations

import doctest
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_monitor.analytics import figures as module
from celery_monitor.analytics.figures import counts, durations, figures
from celery_monitor.model import FINAL, PUBLISHED, UNFAILED, Cell
from celery_monitor.signals.record import State
from celery_monitor.sketch import Sketch

ENDS = [state for state in State if state is not State.STARTED]


def cell_of(**states: int) -> Cell:
    cell = Cell()
    cell.counts = {State[name.upper()]: n for name, n in states.items()}
    return cell


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(module).failed == 0


@given(st.dictionaries(st.sampled_from(ENDS), st.integers(0, 10**9)))
def test_the_outcomes_always_add_up_to_ended(by_state: dict[State, int]) -> None:
    cell = Cell()
    cell.counts = {PUBLISHED: 7, **by_state}

    row = counts(cell)

    outcomes = ("succeeded", "failed", "retried", "revoked", "lost", "other")
    assert sum(row[name] for name in outcomes) == row["ended"] == sum(by_state.values())
    assert row["published"] == 7


@pytest.mark.parametrize("state", ENDS)
def test_each_end_is_counted_under_exactly_one_outcome(state: State) -> None:
    row = counts(cell_of(**{state.name: 3}))

    assert [n for name, n in row.items() if n and name != "ended"] == [3]
    if state in FINAL - UNFAILED and state is not State.LOST:
        assert row["failed"] == 3


def test_a_retry_decides_nothing_about_success() -> None:
    assert figures(cell_of(success=9, failure=1, retry=90), 10)["success_ratio"] == 0.9


def test_a_lost_task_counts_against_success() -> None:
    assert figures(cell_of(success=1, lost=1), 10)["success_ratio"] == 0.5


def test_unknown_is_none_and_never_zero() -> None:
    empty = figures(Cell(), 60)

    assert (empty["ended"], empty["rate_per_second"], empty["success_ratio"]) == (0, 0.0, None)
    unknown = dict.fromkeys(("avg", "min", "max", "p50", "p95", "p99"))
    assert empty["runtime_seconds"] == {"count": 0, "total": 0.0, **unknown}
    assert (empty["memory_peak_bytes"], empty["errors"]) == (None, {})


def test_memory_is_in_bytes_and_errors_are_sorted_by_count() -> None:
    cell = cell_of(failure=4)
    cell.memory.add(1024)
    cell.errors = {"KeyError": 1, "ValueError": 3}

    row = figures(cell, 60)

    assert row["memory_peak_bytes"] == 1024 * 1024
    assert list(row["errors"].items()) == [("ValueError", 3), ("KeyError", 1)]


@given(st.lists(st.integers(1, 10**10), min_size=1, max_size=200))
def test_percentiles_are_within_two_percent_of_a_measured_duration(values: list[int]) -> None:
    sketch = Sketch()
    for value in values:
        sketch.add(value)

    row = durations(sketch)

    ordered = sorted(values)
    for name, q in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
        exact = ordered[max(0, ceil(q * len(ordered) - 1e-9) - 1)] / 1e6
        # Numbers are rounded to the microsecond.
        assert abs(row[name] - exact) <= 0.0201 * exact + 1e-6
    assert row["min"] <= row["p50"] <= row["p95"] <= row["p99"] <= row["max"]
    assert row["total"] == pytest.approx(sum(values) / 1e6)
