"""The states of an alert over time."""

from __future__ import annotations

import doctest

from hypothesis import given
from hypothesis import strategies as st

from celery_monitor.alerts import state as module
from celery_monitor.alerts.rules import MESSAGES, Rule
from celery_monitor.alerts.state import (
    ABSENT_US,
    FIRING,
    KEEP_US,
    PENDING,
    RESOLVED,
    AlertState,
    absent,
    step,
)

S = 1_000_000
RULE = Rule("backlog", 200, MESSAGES, "waiting", clear=150, for_seconds=30)
AT_ONCE = Rule("backlog", 200, MESSAGES, "waiting", clear=150)


def walk(rule: Rule, values: list[tuple[int, float]]) -> list[str | None]:
    """Return the states after readings given as (seconds, value)."""
    state: AlertState | None = None
    out: list[str | None] = []
    for at_s, value in values:
        state = step(rule, "mail", value, state, at_s * S)
        out.append(state.state if state else None)
    return out


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(module).failed == 0


def test_the_threshold_itself_is_still_good() -> None:
    assert walk(AT_ONCE, [(0, 200), (1, 201)]) == [None, FIRING]


def test_a_condition_fires_only_after_it_has_lasted() -> None:
    assert walk(RULE, [(0, 300), (29, 300), (30, 300)]) == [PENDING, PENDING, FIRING]


def test_one_good_reading_starts_the_wait_anew() -> None:
    assert walk(RULE, [(0, 300), (20, 100), (25, 300), (40, 300), (55, 300)]) == [
        PENDING, None, PENDING, PENDING, FIRING,
    ]  # fmt: skip


def test_what_was_not_looked_at_for_a_while_does_not_count_as_lasting() -> None:
    """Nobody ticked for hours: two bad readings with nothing between them are no half minute."""
    assert walk(RULE, [(0, 300), (7200, 300), (7229, 300), (7230, 300)]) == [PENDING, PENDING, PENDING, FIRING]
    assert walk(RULE, [(0, 300), (7200, 100)]) == [PENDING, None]
    assert walk(RULE, [(0, 300), (120, 300)]) == [PENDING, FIRING], "ticks a minute apart, one late, leave none"


def test_between_threshold_and_clear_a_firing_alert_keeps_firing() -> None:
    assert walk(AT_ONCE, [(0, 300), (1, 190), (2, 210), (3, 151), (4, 150)]) == [
        FIRING, FIRING, FIRING, FIRING, RESOLVED,
    ]  # fmt: skip


def test_a_resolved_alert_fires_again_from_its_new_beginning() -> None:
    fired = step(AT_ONCE, "mail", 300, None, 0)
    resolved = step(AT_ONCE, "mail", 0, fired, 5 * S)
    again = step(AT_ONCE, "mail", 300, resolved, 9 * S)

    assert again is not None
    assert (again.state, again.since_us, again.changed_us) == (FIRING, 9 * S, 9 * S)


def test_a_firing_alert_keeps_its_beginning_and_shows_the_last_value() -> None:
    fired = step(RULE, "mail", 300, step(RULE, "mail", 250, None, 0), 30 * S)
    later = step(RULE, "mail", 400, fired, 60 * S)

    assert later is not None
    assert (later.since_us, later.changed_us, later.seen_us, later.value) == (0, 30 * S, 60 * S, 400)
    assert "400 messages waiting" in later.text


def test_a_resolved_alert_is_kept_for_an_hour() -> None:
    resolved = step(AT_ONCE, "mail", 0, step(AT_ONCE, "mail", 300, None, 0), 5 * S)

    assert step(AT_ONCE, "mail", 0, resolved, 5 * S + KEEP_US - 1) == resolved
    assert step(AT_ONCE, "mail", 0, resolved, 5 * S + KEEP_US) is None


def test_a_subject_without_readings_is_resolved_after_a_minute_and_says_so() -> None:
    fired = step(AT_ONCE, "mail", 300, None, 0)
    assert fired is not None

    assert absent(fired, ABSENT_US - 1) == fired
    gone = absent(fired, ABSENT_US)

    assert gone is not None
    assert gone.state == RESOLVED
    assert "not measured any more" in gone.text


def test_a_pending_subject_without_readings_is_forgotten() -> None:
    pending = step(RULE, "mail", 300, None, 0)
    assert pending is not None

    assert absent(pending, ABSENT_US) is None


@given(st.lists(st.tuples(st.integers(0, 60), st.floats(0, 400)), max_size=30))
def test_whatever_the_readings_a_firing_alert_was_bad_for_its_whole_wait(
    steps: list[tuple[int, float]],
) -> None:
    now, bad_since, state = 0, None, None
    for pause, value in steps:
        now += pause * S
        before, state = state, step(RULE, "mail", value, state, now)
        bad_since = (now if bad_since is None else bad_since) if RULE.bad(value) else None
        if state and state.state == FIRING and (before is None or before.state != FIRING):
            assert bad_since is not None
            assert now - bad_since >= RULE.for_seconds * S
