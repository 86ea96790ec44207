"""Judgements over several subjects and changing rules."""

from __future__ import annotations

import doctest

from celery_monitor.alerts import judge as module
from celery_monitor.alerts.judge import Reading, States, judge
from celery_monitor.alerts.rules import MESSAGES, load_rules

S = 1_000_000
RULES = load_rules({"backlog": {"threshold": 200, "clear": 150}})


def backlog(queue: str, n: float) -> Reading:
    return Reading("backlog", queue, n, MESSAGES)


def fired() -> States:
    return judge([backlog("mail", 300)], RULES, {}, S)[0]


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(module).failed == 0


def test_nothing_wrong_leaves_nothing_behind() -> None:
    assert judge([backlog("mail", 3)], RULES, {}, S) == ({}, [])


def test_each_subject_has_its_own_state() -> None:
    states, changes = judge([backlog("mail", 300), backlog("default", 3), backlog("pdf", 201)], RULES, {}, S)

    assert [(c.subject, c.state) for c in changes] == [("mail", "firing"), ("pdf", "firing")]
    assert set(states) == {("backlog", "mail"), ("backlog", "pdf")}


def test_a_transition_is_told_once() -> None:
    states, _ = judge([backlog("mail", 301)], RULES, fired(), 2 * S)

    assert judge([backlog("mail", 302)], RULES, states, 3 * S)[1] == []


def test_pending_is_no_transition() -> None:
    rules = load_rules({"backlog": {"for_seconds": 10}})

    states, changes = judge([backlog("mail", 300)], rules, {}, S)

    assert [state.state for state in states.values()] == ["pending"]
    assert changes == []


def test_a_resolved_alert_tells_value_and_time() -> None:
    _, (change,) = judge([backlog("mail", 12)], RULES, fired(), 9 * S)

    assert (change.state, change.value, change.since_us, change.at_us) == ("resolved", 12, S, 9 * S)
    assert change.text == "mail: 12 messages waiting (rule backlog: > 200)"


def test_a_rule_that_is_switched_off_resolves_what_it_fired() -> None:
    states, changes = judge([backlog("mail", 300)], {}, fired(), 2 * S)

    assert [(c.state, c.text) for c in changes] == [("resolved", "mail: rule backlog was turned off")]
    assert judge([], {}, states, 3 * S)[1] == []


def test_readings_of_rules_nobody_enabled_are_ignored() -> None:
    assert judge([Reading("unheard_of", "x", 1e9, MESSAGES)], RULES, {}, S) == ({}, [])
