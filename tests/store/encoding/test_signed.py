"""Columns of signed integers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_monitor.store.encoding import packing, signed


@given(st.lists(st.one_of(st.integers(-128, 127), st.integers(-40_000, 40_000), st.integers(-(1 << 62), 1 << 62))))
def test_integers_come_back_as_they_went_in(values: list[int]) -> None:
    assert signed.read(packing.unpack(packing.pack(signed.write(values))), len(values)) == values


def test_what_no_64_bits_hold_is_the_largest() -> None:
    assert signed.read(signed.write([1 << 80, -(1 << 80), (1 << 62) + 1]), 3) == [1 << 62, -(1 << 62), 1 << 62]


@pytest.mark.parametrize(
    "broken", [[1, b"\0\0\0"], [3, bytes(6)], [1, "ab"], ["1", b"ab"], [8, b"\x7f" * 16], [1], None]
)
def test_what_is_no_column_is_refused(broken: object) -> None:
    with pytest.raises(packing.BROKEN):
        signed.read(broken, 2)
