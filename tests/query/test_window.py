from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_monitor.errors import BadRequest
from celery_monitor.query import window
from tests.store.batches import NOW_US


@given(st.integers(60, window.MOST_S), st.integers(10**15, 2 * 10**15))
def test_a_window_is_at_least_what_was_asked_in_few_points(seconds: int, now_us: int) -> None:
    found = window.parse(f"{seconds}s", now_us)

    assert found.clamped is None
    assert seconds <= found.span_s <= seconds + found.step_s + 1
    assert len(found.points) <= 182
    assert len(found.points) >= min(60, seconds // 10)
    assert found.start_s % found.step_s == 0
    assert found.end_s * 1_000_000 >= now_us
    assert found.slot(found.end_s - 10) == len(found.points) - 1
    assert 0 <= found.spark_slot(found.end_s - 10) == found.sparks - 1
    assert found.before_s <= found.start_s - (found.end_s - found.start_s)
    assert found.before_s % found.step_s == 0


@pytest.mark.parametrize("text", ["5x", "", "h", "1.5h", "-1h", "1h30m", "99999999999d", "٣h"])
def test_what_is_no_duration_is_refused_with_the_accepted_form(text: str) -> None:
    with pytest.raises(BadRequest, match="give 1m to 92d, like 15m, 6h or 7d") as caught:
        window.parse(text, NOW_US)
    assert caught.value.code == "bad_window"


@pytest.mark.parametrize(("text", "seconds"), [("1s", 60), ("365d", 92 * 86_400)])
def test_a_window_out_of_range_is_clamped_and_says_why(text: str, seconds: int) -> None:
    found = window.parse(text, NOW_US)

    assert found.seconds == seconds
    assert found.clamped is not None
    assert text in found.clamped
