from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_monitor.errors import BadRequest
from celery_monitor.query import window
from celery_monitor.query.times import iso
from celery_monitor.store.rollups.tiers import TIERS, WORKERS, keep_s
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


@given(st.integers(1, window.MOST_S - 1), st.integers(1, window.MOST_S))
def test_a_stretch_of_time_is_covered_in_whole_steps_that_are_still_kept(ago: int, length: int) -> None:
    now_s = NOW_US // 1_000_000
    since, until = now_s - ago, min(now_s - ago + length, now_s)
    found = window.asked("24h", NOW_US, iso(since * 1_000_000), iso(until * 1_000_000))

    assert found.start_s <= since < until <= found.end_s
    assert found.start_s % found.step_s == 0
    assert found.slot(found.end_s - 10) == len(found.points) - 1
    assert 0 <= found.spark_slot(found.end_s - 10) == found.sparks - 1
    finest = next(t for t in TIERS if found.step_s % t.step_s == 0 and found.start_s % t.step_s == 0)
    kept = [t for t in TIERS if found.step_s % t.step_s == 0 and now_s - since < t.keep_s]
    assert kept, f"nothing of {finest} reaches so far back"
    assert found.until_us is None or found.until_us < NOW_US


def test_a_stretch_that_is_none_is_refused() -> None:
    for since, until in ((None, "2025-11-20T11:00:00Z"), ("2025-11-20T11:00:00Z", "2025-11-20T11:00:00Z")):
        with pytest.raises(BadRequest) as caught:
            window.asked("1h", NOW_US, since, until)
        assert caught.value.code == "bad_window"
    with pytest.raises(BadRequest, match="since: is not before"):
        window.asked("1h", NOW_US, "2025-11-20T12:01:00Z", None)


def test_a_stretch_finer_than_what_is_kept_says_so() -> None:
    found = window.asked("1h", NOW_US, "2025-11-18T11:00:00Z", "2025-11-18T11:05:00Z")
    assert (found.step_s, found.clamped) == (600, "Of that time nothing finer than 10m is kept")
    assert window.asked("1h", NOW_US, "2025-11-20T11:00:00Z", "2025-11-20T11:05:00Z").step_s == 10


@pytest.mark.parametrize(("since_s", "last"), [(10, None), (30, 30.0), (60, 60.0)])
def test_the_last_point_is_as_wide_as_it_has_lasted_and_tells_no_rate_while_it_is_young(
    since_s: int, last: float | None
) -> None:
    found = window.parse("1h", (NOW_US // 60_000_000 * 60 + since_s) * 1_000_000)

    assert found.widths[-1] == last
    assert set(found.widths[:-1]) == {60.0}
    assert len(found.widths) == len(found.points)


def test_what_a_bucket_holds_was_last_seen_at_its_end_or_now_but_not_behind_the_window() -> None:
    found = window.parse("1h", NOW_US)

    assert found.last_at(0) is None
    assert found.last_at(NOW_US // 1_000_000 - 60) == iso(NOW_US - NOW_US % 1_000_000 - 60_000_001)
    assert found.last_at(NOW_US // 1_000_000 + 60) == iso(NOW_US)


def test_the_last_point_of_a_time_that_is_past_is_whole() -> None:
    found = window.asked("1h", NOW_US, iso(NOW_US - 7200 * 1_000_000), iso(NOW_US - 3600 * 1_000_000))

    assert set(found.widths) == {float(found.step_s)}


@given(st.integers(1, window.MOST_S - 1), st.integers(1, window.MOST_S))
def test_a_workers_window_is_in_steps_that_are_still_kept_of_workers(ago: int, length: int) -> None:
    now_s = NOW_US // 1_000_000
    since, until = now_s - ago, min(now_s - ago + length, now_s)
    asked = window.asked("24h", NOW_US, iso(since * 1_000_000), iso(until * 1_000_000))
    found = window.of_workers(asked)

    assert found.start_s <= since < until <= found.end_s
    assert found.start_s % found.step_s == 0
    assert found.slot(found.end_s - 10) == len(found.points) - 1
    for step in (found.step_s, found.spark_s):
        assert any(step % t.step_s == 0 and now_s - asked.start_s < keep_s(t, WORKERS) for t in TIERS) or (
            step % TIERS[-1].step_s == 0
        )
