from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_monitor.errors import BadRequest
from celery_monitor.query.times import iso, parse_iso


@given(st.integers(1, 4 * 10**12))
def test_a_time_to_the_millisecond_comes_back(at_ms: int) -> None:
    assert parse_iso("since", iso(at_ms * 1000) or "") == at_ms * 1000


def test_a_time_without_an_offset_is_utc() -> None:
    assert parse_iso("since", "2025-11-20T12:00:00") == parse_iso("since", "2025-11-20T13:00:00+01:00")


def test_what_is_no_time_is_refused() -> None:
    with pytest.raises(BadRequest, match="since: 'yesterday' is not a time"):
        parse_iso("since", "yesterday")


def test_hostile_numbers_give_none_and_do_not_raise() -> None:
    assert iso(1 << 62) is None
    assert iso(-5) is None
