"""One judgement: readings in, the new states and what changed out; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from celery_monitor.alerts.rules import Rule
from celery_monitor.alerts.state import FIRING, RESOLVED, AlertState, absent, closed, kept, step

States = dict[tuple[str, str], AlertState]
"""States by (rule, subject)."""


class Reading(NamedTuple):
    """One measured level: which rule it is for, of what, and how much in which unit."""

    rule: str
    subject: str
    value: float
    unit: str


class Transition(NamedTuple):
    """An alert began to fire or was resolved; what a notifier tells."""

    rule: str
    subject: str
    state: str  # firing, resolved
    severity: str
    value: float
    threshold: float
    unit: str
    text: str
    since_us: int
    at_us: int


def judge(
    readings: Iterable[Reading],
    rules: Mapping[str, Rule],
    states: Mapping[tuple[str, str], AlertState],
    now_us: int,
) -> tuple[States, list[Transition]]:
    """Return the states after these readings, and the transitions in the order they were found.

    Parameters:
        readings: at most one per (rule, subject); of rules that are not enabled they are ignored.
        rules: the enabled rules (`load_rules`).
        states: what the last judgement returned.
        now_us: the store's clock.

    >>> rules = {"backlog": Rule("backlog", 200, "messages", "waiting")}
    >>> states, changes = judge([Reading("backlog", "mail", 212, "messages")], rules, {}, 1)
    >>> changes[0].state, changes[0].text
    ('firing', 'mail: 212 messages waiting (rule backlog: > 200)')
    >>> judge([Reading("backlog", "mail", 250, "messages")], rules, states, 2)[1]
    []
    """
    levels = {(r.rule, r.subject): r.value for r in readings if r.rule in rules}
    after: States = {}
    changes: list[Transition] = []
    for key in [*states, *(key for key in levels if key not in states)]:
        before = states.get(key)
        state = _next(key, rules, before, levels.get(key), now_us)
        if state is None:
            continue
        after[key] = state
        if state.state in (FIRING, RESOLVED) and state.state != (before.state if before else None):
            changes.append(_transition(state))
    return after, changes


def _next(
    key: tuple[str, str],
    rules: Mapping[str, Rule],
    state: AlertState | None,
    value: float | None,
    now_us: int,
) -> AlertState | None:
    name, subject = key
    rule = rules.get(name)
    if rule is not None and value is not None:
        return step(rule, subject, value, state, now_us)
    if state is None:
        return None
    if rule is None and state.state != RESOLVED:
        return closed(state, now_us, f"{subject}: rule {name} was turned off") if state.state == FIRING else None
    return absent(state, now_us) if rule is not None else kept(state, now_us)


def _transition(state: AlertState) -> Transition:
    return Transition(
        rule=state.rule,
        subject=state.subject,
        state=state.state,
        severity=state.severity,
        value=state.value,
        threshold=state.threshold,
        unit=state.unit,
        text=state.text,
        since_us=state.since_us,
        at_us=state.changed_us,
    )
