from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from celery_monitor.store import seen


@given(st.lists(st.integers(1, 60), max_size=80))
def test_spans_hold_what_was_added_and_nothing_else(numbers: list[int]) -> None:
    spans: seen.Spans = []
    for n in numbers:
        if not seen.holds(spans, n):
            seen.add(spans, n)

    assert [n for n in range(62) if seen.holds(spans, n)] == sorted(set(numbers))
    assert spans == sorted(spans)


def test_too_many_holes_close_the_oldest() -> None:
    spans: seen.Spans = []
    for n in range(2, 2 * seen.MAX_SPANS + 10, 2):
        seen.add(spans, n)

    assert len(spans) == 2 * seen.MAX_SPANS
    assert seen.holds(spans, 3)
    assert not seen.holds(spans, 2 * seen.MAX_SPANS - 1)


def test_a_batch_is_remembered_for_two_days() -> None:
    day = 86_400_000_000

    assert set(seen.days(10 * day)) == {8, 9, 10, 11}


def test_a_batch_that_was_folded_by_a_clock_ahead_is_remembered_by_one_behind() -> None:
    midnight = 10 * 86_400_000_000

    assert seen.days(midnight)[0] in seen.days(midnight - 1)
