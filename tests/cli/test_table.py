"""Tables that fit."""

from __future__ import annotations

import doctest

from hypothesis import given
from hypothesis import strategies as st

from celery_monitor.cli import table as module
from celery_monitor.cli.table import columns, table

CELL = st.text(st.characters(categories=("L", "N")), max_size=30)


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(module).failed == 0


@given(st.lists(st.tuples(CELL, CELL, CELL), max_size=5), st.integers(20, 120))
def test_no_line_is_wider_than_asked_for(rows: list[tuple[str, str, str]], width: int) -> None:
    assert all(columns(line) <= width for line in table(["Tasks", "ended", "failed"], rows, width))


def test_numbers_stand_under_their_title_to_the_right() -> None:
    lines = table(["Tasks", "ended"], [["a", "1"], ["b", "1 000 000"]], 40)

    assert [line.rindex(end) + len(end) for line, end in zip(lines, ("ended", "1", "000"), strict=True)] == [16] * 3


def test_numbers_stand_in_line_also_beside_signs_that_take_two_columns() -> None:
    lines = table(["Tasks", "ended"], [["注文.確認", "1"], ["shop.a_long_name", "22"]], 40)

    assert [columns(line) for line in lines] == [23, 23, 23]
