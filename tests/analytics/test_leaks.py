"""A leak is what grows in most runs; one big growth, noise and memory given back are none."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from celery_monitor.analytics.leaks import Growth, leak, max_tasks_per_child


def growth(values: list[float]) -> Growth:
    return Growth(len(values), sum(values), sum(value * value for value in values))


@given(st.integers(20, 2000), st.floats(10, 5000))
def test_a_steady_leak_is_found_and_measured(runs: int, kib: float) -> None:
    found = leak(growth([kib] * runs))
    assert found.leaks
    assert abs(found.kib_per_run - kib) < 1e-6 * kib


@given(st.integers(20, 2000), st.floats(1000, 500_000))
def test_memory_that_is_taken_once_is_no_leak(runs: int, kib: float) -> None:
    assert not leak(growth([kib] + [0.0] * (runs - 1))).leaks


def test_runs_that_are_not_looked_at_are_runs_of_a_child_all_the_same() -> None:
    leaky = Growth(100, 102400.0, 100 * 1024.0**2)
    assert max_tasks_per_child([leaky._replace(beside=900)], 0) == 640
    assert leak(leaky._replace(beside=900)) == leak(leaky)


def test_noise_around_nothing_is_rarely_called_a_leak() -> None:
    order = random.Random(3)
    called = sum(leak(growth([order.gauss(0, 500) for _ in range(300)])).leaks for _ in range(200))
    assert called <= 2


def test_a_leak_under_noise_is_found_with_more_runs() -> None:
    order = random.Random(4)
    few, many = ([order.gauss(200, 1000) for _ in range(n)] for n in (30, 5000))
    assert leak(growth(few)).confidence in {"none", "low"}
    assert leak(growth(many)).confidence == "high"


@given(st.integers(20, 500), st.floats(64, 4096), st.integers(0, 1_000_000))
def test_a_child_that_is_replaced_as_suggested_grows_by_no_more_than_its_room(
    runs: int, kib: float, resident: int
) -> None:
    n = max_tasks_per_child([growth([kib] * runs)], resident)
    assert n is not None
    assert n == 1 or n * kib <= max(resident, 64 * 1024) * 1.001
