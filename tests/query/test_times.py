from __future__ import annotations

from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_monitor.errors import BadRequest
from celery_monitor.query.times import iso, parse_iso

MOMENTS = st.integers(1, 4 * 10**15) | st.integers(1, 4 * 10**9).map(lambda at_s: at_s * 1_000_000)


@given(MOMENTS)
def test_a_time_comes_back_to_the_microsecond(at_us: int) -> None:
    assert parse_iso("since", iso(at_us) or "") == at_us


@given(MOMENTS, MOMENTS)
def test_texts_sort_as_the_times_do_and_are_of_one_form(one: int, other: int) -> None:
    texts = [iso(one) or "", iso(other) or ""]
    assert [datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc) for text in texts]
    assert len(texts[0]) == len(texts[1]) == len("2025-11-20T12:00:03.120000Z")
    assert (one < other, one == other) == (texts[0] < texts[1], texts[0] == texts[1])


def test_a_time_without_an_offset_is_utc() -> None:
    assert parse_iso("since", "2025-11-20T12:00:00") == parse_iso("since", "2025-11-20T13:00:00+01:00")


def test_what_is_no_time_is_refused() -> None:
    with pytest.raises(BadRequest, match="since: 'yesterday' is not a time"):
        parse_iso("since", "yesterday")


def test_hostile_numbers_give_none_and_do_not_raise() -> None:
    assert iso(1 << 62) is None
    assert iso(-5) is None
