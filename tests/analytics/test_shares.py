"""How a workflow's time divides among its steps."""

from __future__ import annotations

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_monitor.analytics import shares as module
from celery_monitor.analytics.shares import shares
from celery_monitor.model import Cell


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(module).failed == 0


@given(st.dictionaries(st.text(max_size=3), st.lists(st.integers(0, 10**9), max_size=5), max_size=6))
def test_shares_add_up_to_one_or_nothing_ran(runtimes: dict[str, list[int]]) -> None:
    steps = {name: Cell() for name in runtimes}
    for name, values in runtimes.items():
        for value in values:
            steps[name].runtime.add(value)

    result = shares(steps)

    assert result.keys() == runtimes.keys()
    total = sum(map(sum, runtimes.values()))
    assert sum(result.values()) == pytest.approx(1.0 if total else 0.0)
    assert all(0 <= share <= 1 for share in result.values())
