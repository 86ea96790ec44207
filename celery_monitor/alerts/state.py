"""The states of an alert: pending while the condition must last, firing, resolved; pure, time passed in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from celery_monitor.alerts.rules import Rule

PENDING: Final = "pending"
FIRING: Final = "firing"
RESOLVED: Final = "resolved"

ABSENT_US: Final = 60_000_000
"""A subject nothing was heard of for this long is no longer alerted about; shorter gaps are late samples."""

GAP_US: Final = 180_000_000
"""Nobody knows how a level was between two readings so far apart: three of the longest intervals between ticks."""

KEEP_US: Final = 3_600_000_000
"""A resolved alert stays to be seen for an hour."""


@dataclass(frozen=True, slots=True)
class AlertState:
    """One rule's state for one subject.

    Attributes:
        since_us: when the condition began to hold.
        changed_us: when `state` was entered.
        seen_us: the last reading.
        threshold, unit, severity, text: as the rule said then, so that a reader needs no rules.
    """

    rule: str
    subject: str
    state: str
    value: float
    threshold: float
    unit: str
    severity: str
    text: str
    since_us: int
    changed_us: int
    seen_us: int


def step(rule: Rule, subject: str, value: float, state: AlertState | None, now_us: int) -> AlertState | None:
    """Return the state after one reading, None for "nothing is wrong and nothing was".

    >>> rule = Rule("backlog", 200, "messages", "waiting", for_seconds=30)
    >>> first = step(rule, "mail", 300, None, 0); first.state
    'pending'
    >>> second = step(rule, "mail", 300, first, 30_000_000); second.state
    'firing'
    >>> step(rule, "mail", 190, second, 31_000_000).state, step(rule, "mail", 100, second, 31_000_000).state
    ('firing', 'resolved')
    """
    if state is None or state.state == RESOLVED:
        if rule.bad(value):
            return _begun(rule, subject, value, now_us)
        return kept(state, now_us)
    if state.state == PENDING and now_us - state.seen_us >= GAP_US:
        return _begun(rule, subject, value, now_us) if rule.bad(value) else None
    seen = _seen(rule, state, value, now_us)
    if state.state == FIRING:
        return replace(seen, state=RESOLVED, changed_us=now_us) if rule.good(value) else seen
    if not rule.bad(value):
        return None
    return replace(seen, state=FIRING, changed_us=now_us) if _lasted(rule, state, now_us) else seen


def absent(state: AlertState, now_us: int) -> AlertState | None:
    """Return the state of a subject without a reading: as it was for a minute, then resolved or forgotten."""
    if state.state == RESOLVED:
        return kept(state, now_us)
    if now_us - state.seen_us < ABSENT_US:
        return state
    if state.state == PENDING:
        return None
    return closed(state, now_us, f"{state.subject}: not measured any more (rule {state.rule})")


def closed(state: AlertState, now_us: int, text: str) -> AlertState:
    """Return a firing alert resolved for a reason that is no reading."""
    return replace(state, state=RESOLVED, changed_us=now_us, text=text)


def kept(state: AlertState | None, now_us: int) -> AlertState | None:
    """Return a resolved state until its hour is over."""
    return state if state is not None and now_us - state.changed_us < KEEP_US else None


def _begun(rule: Rule, subject: str, value: float, now_us: int) -> AlertState:
    return AlertState(
        rule=rule.name,
        subject=subject,
        state=PENDING if rule.for_seconds > 0 else FIRING,
        value=value,
        threshold=rule.threshold,
        unit=rule.unit,
        severity=rule.severity,
        text=rule.sentence(subject, value),
        since_us=now_us,
        changed_us=now_us,
        seen_us=now_us,
    )


def _seen(rule: Rule, state: AlertState, value: float, now_us: int) -> AlertState:
    begun = _begun(rule, state.subject, value, now_us)
    return replace(begun, state=state.state, since_us=state.since_us, changed_us=state.changed_us)


def _lasted(rule: Rule, state: AlertState, now_us: int) -> bool:
    return now_us - state.since_us >= rule.for_seconds * 1e6
