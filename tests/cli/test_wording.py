"""Numbers as people read them."""

from __future__ import annotations

import doctest

from hypothesis import given
from hypothesis import strategies as st

from celery_monitor.cli import wording


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(wording).failed == 0


def test_unknown_is_a_dash_and_never_a_zero() -> None:
    for word in (wording.duration, wording.rate, wording.count, wording.percent, wording.size):
        assert word(None) == wording.UNKNOWN
        assert "0" in word(0)


@given(st.floats(0, 1e7))
def test_a_duration_is_never_rounded_into_the_next_unit(seconds: float) -> None:
    text = wording.duration(seconds)

    assert "1000 ms" not in text
    assert "60 s" not in text
    assert "60 m" not in text
    assert len(text) <= 10


@given(st.lists(st.one_of(st.none(), st.floats(0, 1e12)), max_size=300), st.integers(1, 60))
def test_a_spark_line_never_exceeds_its_width(values: list[float | None], width: int) -> None:
    assert len(wording.spark(values, width)) == min(len(values), width)
