"""The ledger: what is sent is held against what was due."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_monitor.analytics import ledger
from celery_monitor.analytics.ledger import (
    DUPLICATE,
    LATE,
    MISSED,
    ON_TIME,
    OUTAGE,
    STUCK,
    UNSENT,
    UNSURE,
    Booking,
    Totals,
)
from celery_monitor.details import Fire

S = 1_000_000
A, B = b"beat-aaa", b"beat-bbb"


def fire(at_s: float, key: bytes = A, *, every_s: float = 10, **fields: Any) -> Fire:
    at = round(at_s * S)
    values = {
        "id": b"\x00%d" % at, "run": b"", "key": key, "entry": "e", "task": "t", "beat": "beat@a", "error": "",
        "at_us": at, "due_us": at, "next_us": at + round(every_s * S), "skipped": 0,
    }  # fmt: skip
    return Fire(**{**values, **fields})


def slots(first: int, last: int, every_s: float = 10) -> list[int]:
    return list(range(first, last + 1, round(every_s * S)))


def book(*fires: Fire, now_s: float = 0, **how: Any) -> list[tuple[str, int, str]]:
    lines = ledger.book(fires, slots, round((now_s or fires[-1].at_us / S) * S), **how)
    return [(line.state, line.count, line.reason) for line in lines]


def test_a_beat_that_does_its_work_is_on_time() -> None:
    assert book(*(fire(100 + 10.01 * n) for n in range(4))) == [(ON_TIME, 1, "")] * 4


def test_what_comes_after_a_quarter_of_the_interval_is_late_and_five_seconds_are_the_most() -> None:
    assert book(fire(100), fire(113))[1] == (LATE, 1, "")
    assert book(fire(100), fire(112))[1] == (ON_TIME, 1, "")
    hourly = [fire(0, every_s=3600), fire(3606, every_s=3600)]
    (_, line) = ledger.book(hourly, lambda a, b: slots(a, b, 3600), 3606 * S)
    assert (line.state, line.drift_us) == (LATE, 6 * S)


def test_times_without_a_beat_were_missed_and_the_next_sending_stands_for_the_last() -> None:
    assert book(fire(100), fire(141, B)) == [(ON_TIME, 1, ""), (MISSED, 3, OUTAGE), (ON_TIME, 1, "")]
    assert book(fire(100), fire(141, A))[1] == (MISSED, 3, STUCK), "the same process: it did not find the time"


def test_what_a_restarted_beat_knows_to_have_skipped_counts_before_anything_else_is_known() -> None:
    assert book(fire(141, skipped=3, due_us=110 * S)) == [(MISSED, 3, UNSURE), (ON_TIME, 1, "")]


def test_a_second_beat_s_sendings_are_duplicates_however_the_two_are_shifted() -> None:
    one = [fire(100 + 10 * n) for n in range(5)]
    for shift in (0.01, 2, 5, 7):
        two = [fire(100 + shift + 10 * n, B) for n in range(5)]
        states = [state for state, *_ in book(*sorted(one + two, key=lambda f: f.at_us))]
        assert states.count(DUPLICATE) == 5, shift
        assert MISSED not in states


def test_an_entry_that_is_overdue_now_is_missed_unless_it_was_switched_off() -> None:
    assert book(fire(100), now_s=135)[-1] == (MISSED, 3, OUTAGE)
    assert book(fire(100), now_s=135, beats={A})[-1] == (MISSED, 3, STUCK)
    assert book(fire(100), now_s=112) == [(ON_TIME, 1, "")], "not yet: it may be on its way"
    assert book(fire(100), now_s=135, ends=False) == [(ON_TIME, 1, "")]


def test_what_could_not_be_sent_says_why_and_claims_its_time() -> None:
    lines = book(fire(100), fire(110, error="OperationalError: refused", id=b""), fire(120))
    assert [state for state, *_ in lines] == [ON_TIME, UNSENT, ON_TIME]
    assert lines[1][2] == "OperationalError: refused"


def test_a_run_that_has_not_ended_is_overlapped_by_the_next_ones() -> None:
    lines = ledger.book([fire(100 + 10 * n) for n in range(4)], slots, 130 * S)
    ends = {b"\x00%d" % (100 * S): 125 * S, b"\x00%d" % (110 * S): 111 * S, b"\x00%d" % (120 * S): 0}

    found = ledger.overlapping(lines, lambda packed: ends.get(packed))

    assert [line.overlaps for line in found] == [False, True, True, True]


@given(
    st.lists(st.tuples(st.floats(0, 500), st.sampled_from([A, B])), min_size=1, max_size=40),
    st.floats(0, 200),
)
def test_every_sending_has_one_line_and_nothing_is_expected_twice(
    times: list[tuple[float, bytes]], after: float
) -> None:
    fires = sorted((fire(at, key) for at, key in times), key=lambda f: f.at_us)
    totals = Totals()
    lines: list[Booking] = ledger.book(fires, slots, fires[-1].at_us + round(after * S))
    for line in lines:
        totals.add(line)
    assert [line.fire for line in lines if line.fire] == fires
    assert totals.sent == len(fires)
    assert totals.expected == totals.sent - totals.counts[DUPLICATE] + totals.counts[MISSED]
    span_s = (fires[-1].at_us - fires[0].at_us) / S + after
    assert totals.expected <= span_s / 7.5 + 2, "a claim lasts three quarters of the interval at least"


@pytest.mark.parametrize("n", [1, 3])
def test_an_unknown_next_time_claims_nothing(n: int) -> None:
    assert book(*(fire(100 + at, next_us=0) for at in range(n))) == [(ON_TIME, 1, "")] * n
