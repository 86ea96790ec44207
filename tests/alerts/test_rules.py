"""The rules, and what a user may change about them."""

from __future__ import annotations

import doctest
from typing import Any

import pytest

from celery_monitor.alerts import rules as module
from celery_monitor.alerts.rules import DEFAULTS, load_rules
from celery_monitor.errors import ConfigurationError


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(module).failed == 0


def test_without_changes_all_default_rules_are_enabled() -> None:
    assert load_rules(None) == load_rules({}) == dict(DEFAULTS)
    assert set(DEFAULTS) == {
        "success_share", "backlog", "queue_unserved", "worker_lost", "beat_lost", "schedule_missed", "host_cpu",
        "host_memory", "host_disk",
    }  # fmt: skip


def test_a_change_keeps_what_it_does_not_name() -> None:
    rule = load_rules({"host_cpu": {"threshold": 0.5, "severity": "critical"}})["host_cpu"]

    assert (rule.threshold, rule.severity, rule.for_seconds) == (0.5, "critical", 60)
    assert rule.clear_at == pytest.approx(0.45)


def test_a_rule_that_is_switched_off_is_gone() -> None:
    assert "backlog" not in load_rules({"backlog": {"enabled": False}})


@pytest.mark.parametrize("rule", DEFAULTS.values(), ids=lambda rule: rule.name)
def test_no_value_is_bad_and_good_at_once(rule: module.Rule) -> None:
    assert not rule.bad(rule.threshold)
    assert rule.good(rule.clear_at)
    assert not rule.bad(rule.clear_at)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"backlogg": {}}, ["'backlogg'", "did you mean 'backlog'"]),
        ({"backlog": {"treshold": 5}}, ["'backlog'", "'treshold'", "did you mean 'threshold'"]),
        ({"backlog": 5}, ["'backlog'", "5 is not a dict"]),
        ({"backlog": {"threshold": "many"}}, ["['threshold']", "'many'", "a number from 0"]),
        ({"backlog": {"threshold": float("inf")}}, ["inf", "finite"]),
        ({"backlog": {"for_seconds": -1}}, ["['for_seconds']", "-1"]),
        ({"backlog": {"enabled": 1}}, ["['enabled']", "True or False"]),
        ({"host_cpu": {"threshold": 80}}, ["80", "0.8 for 80 %"]),
        ({"host_cpu": {"severity": "bad"}}, ["'bad'", "'warning' or 'critical'"]),
        ({"backlog": {"threshold": 10, "clear": 11}}, ["['clear']", "11", "at or below the threshold"]),
        ({"success_share": {"clear": 0.5}}, ["['clear']", "0.5", "at or above the threshold"]),
    ],
)
def test_what_is_not_accepted_is_named_with_the_accepted_form(changes: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_rules(changes)

    assert str(caught.value).startswith("monitor_alerts")
    assert [word for word in words if word not in str(caught.value)] == []


def test_sentences_read_as_on_the_page() -> None:
    assert DEFAULTS["success_share"].sentence("shop.charge", 0.912) == (
        "shop.charge: 91.2 % succeeded (rule success_share: < 95 %)"
    )
    assert DEFAULTS["worker_lost"].sentence("celery@a", 12.0) == (
        "celery@a: 12 s overdue with its heartbeat (rule worker_lost: > 5 s)"
    )


@pytest.mark.parametrize(
    ("rule", "value", "told"),
    [
        ("success_share", 0.9499, "94.99 %"), ("success_share", 0.9, "90 %"), ("success_share", 0.95, "95 %"),
        ("host_cpu", 0.8004, "80.04 %"), ("host_cpu", 1.0, "100 %"), ("host_cpu", 0.0, "0 %"),
        ("worker_lost", 5.1, "5.1 s"), ("backlog", 1000.0, "1000 messages"),
    ],
)  # fmt: skip
def test_a_sentence_never_shows_the_threshold_as_what_is_beyond_it(rule: str, value: float, told: str) -> None:
    assert DEFAULTS[rule].sentence("it", value).startswith(f"it: {told} ")
