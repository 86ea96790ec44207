"""The alert rules: the defaults, and what `monitor_alerts` may change about them."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from celery_monitor.errors import ConfigurationError

SEVERITIES: Final = ("warning", "critical")
RATIO: Final = "ratio"
MESSAGES: Final = "messages"
SECONDS: Final = "seconds"


@dataclass(frozen=True, slots=True)
class Rule:
    """When a measured level is bad, for how long it must be so, and when it is good again.

    Attributes:
        name: what `monitor_alerts` and the alerts call it.
        threshold: the last good value, in `unit`.
        unit: `RATIO` (0..1), `MESSAGES` or `SECONDS`.
        phrase: what follows the value in a sentence, like "waiting".
        below: True when low values are the bad ones.
        clear: a firing alert resolves at this value or better; None is a tenth better than the threshold.
        for_seconds: how long it must be bad before it fires.
        severity: one of `SEVERITIES`.
        enabled: False leaves the rule out.
    """

    name: str
    threshold: float
    unit: str
    phrase: str
    below: bool = False
    clear: float | None = None
    for_seconds: float = 0.0
    severity: str = "warning"
    enabled: bool = True

    def bad(self, value: float) -> bool:
        """Return whether a value is beyond the threshold."""
        return value < self.threshold if self.below else value > self.threshold

    def good(self, value: float) -> bool:
        """Return whether a value is good enough to end a firing alert.

        >>> [Rule("backlog", 200, MESSAGES, "waiting").good(v) for v in (190, 180)]
        [False, True]
        """
        return value >= self.clear_at if self.below else value <= self.clear_at

    @property
    def clear_at(self) -> float:
        """The value at which a firing alert resolves."""
        if self.clear is not None:
            return self.clear
        # Of a success ratio a tenth better means a tenth fewer failures.
        return 1 - 0.9 * (1 - self.threshold) if self.below else 0.9 * self.threshold

    def sentence(self, subject: str, value: float) -> str:
        """Return what a person reads.

        >>> Rule("backlog", 200, MESSAGES, "waiting").sentence("default", 212)
        'default: 212 messages waiting (rule backlog: > 200)'
        """
        sign = "<" if self.below else ">"
        limit = shown(self.threshold, self.unit, with_unit=self.unit != MESSAGES)
        return f"{subject}: {self._told(value)} {self.phrase} (rule {self.name}: {sign} {limit})"

    def _told(self, value: float) -> str:
        """Return a value with as many digits as tell on which side of the threshold it is.

        >>> Rule("success_share", 0.95, RATIO, "succeeded", below=True)._told(0.94998)
        '94.998 %'
        """
        limit = shown(self.threshold, self.unit)
        exact = (shown(value, self.unit, digits) for digits in range(1, _MOST_DIGITS))
        return next((text for text in exact if not self.bad(value) or text != limit), shown(value, self.unit))


DEFAULTS: Final[Mapping[str, Rule]] = {
    rule.name: rule
    for rule in (
        # Over the last 5 minutes, of task names with at least 20 ends in them (`readings`).
        Rule("success_share", 0.95, RATIO, "succeeded", below=True),
        Rule("backlog", 200, MESSAGES, "waiting"),
        # A worker that is being started again is no reason to wake anybody.
        Rule("queue_unserved", 0, MESSAGES, "waiting, and no worker consumes it", for_seconds=60),
        # Past the promised heartbeat. An event loop that one task holds for 5 s does look dead from outside.
        Rule("worker_lost", 5, SECONDS, "overdue with its heartbeat", severity="critical"),
        Rule("beat_lost", 5, SECONDS, "overdue with its heartbeat", severity="critical"),
        # A beat that is started again within a minute and sends what was due is no reason to wake anybody.
        Rule("schedule_missed", 60, SECONDS, "overdue, and no beat sent it"),
        # A machine may be busy for a moment; a minute of it is a state.
        Rule("host_cpu", 0.80, RATIO, "of the CPU busy", for_seconds=60),
        Rule("host_memory", 0.85, RATIO, "of the memory used", for_seconds=60),
        Rule("host_disk", 0.90, RATIO, "of the disk used", for_seconds=60),
    )
}

OF_QUEUES: Final = frozenset({"backlog", "queue_unserved"})
OF_WORKERS: Final = frozenset({"worker_lost"})
OF_HOSTS: Final = frozenset({"host_cpu", "host_memory", "host_disk"})
"""Rules by what their subjects are: a queue may have the name of a task, of a host or of an entry of beat's."""

_MOST_DIGITS: Final = 7
_CHANGEABLE: Final = ("threshold", "clear", "for_seconds", "severity", "enabled")


def load_rules(changes: Mapping[str, Any] | None) -> dict[str, Rule]:
    """Return the rules that are enabled, the setting `monitor_alerts` merged over the defaults.

    Raises:
        ConfigurationError: unknown rule or key, or a value of another form; the text names all three.

    >>> load_rules({"backlog": {"threshold": 500}})["backlog"].threshold
    500
    """
    rules = dict(DEFAULTS)
    for name, change in (changes or {}).items():
        if name not in rules:
            raise ConfigurationError(f"monitor_alerts: no rule {name!r}; {_near(name, DEFAULTS)}")
        rules[name] = _changed(rules[name], change)
    return {name: rule for name, rule in rules.items() if rule.enabled}


def markdown_table() -> str:
    """Return the default rules as docs/settings.md shows them."""
    rows = ["| rule | bad | for | good again | severity |", "|---|---|---|---|---|"]
    for rule in DEFAULTS.values():
        sign, back = ("<", "≥") if rule.below else (">", "≤")
        limit, clear = shown(rule.threshold, rule.unit), shown(rule.clear_at, rule.unit)
        bad = f"{sign} {limit} {rule.phrase}"
        rows.append(f"| `{rule.name}` | {bad} | {rule.for_seconds:g} s | {back} {clear} | {rule.severity} |")
    return "\n".join(rows) + "\n"


def shown(value: float, unit: str, digits: int = 1, *, with_unit: bool = True) -> str:
    """Return a value with its unit as the pages write it.

    >>> shown(0.912, RATIO), shown(212, MESSAGES), shown(12.3, SECONDS)
    ('91.2 %', '212 messages', '12.3 s')
    >>> shown(1, MESSAGES)
    '1 message'
    """
    number = f"{value * 100 if unit == RATIO else value:.{digits}f}".rstrip("0").removesuffix(".")
    many = "" if number == "1" else "s"
    return number + ({RATIO: " %", MESSAGES: f" message{many}", SECONDS: " s"}[unit] if with_unit else "")


def _changed(rule: Rule, change: Any) -> Rule:
    where = f"monitor_alerts[{rule.name!r}]"
    if not isinstance(change, Mapping):
        raise ConfigurationError(f"{where}: {change!r} is not a dict; {_near('', _CHANGEABLE)}")
    for key, value in change.items():
        if key not in _CHANGEABLE:
            raise ConfigurationError(f"{where}: no such key {key!r}; {_near(key, _CHANGEABLE)}")
        problem = _problem(rule, key, value)
        if problem:
            raise ConfigurationError(f"{where}[{key!r}]: {value!r} is not accepted; give {problem}")
    changed = replace(rule, **change)
    if changed.bad(changed.clear_at):
        side = "at or above" if rule.below else "at or below"
        raise ConfigurationError(
            f"{where}['clear']: {changed.clear_at} is not accepted; give a value {side} the threshold"
        )
    return changed


def _problem(rule: Rule, key: str, value: Any) -> str | None:
    """Return the accepted form when a value is not of it."""
    if key == "enabled":
        return None if isinstance(value, bool) else "True or False"
    if key == "severity":
        return None if value in SEVERITIES else " or ".join(map(repr, SEVERITIES))
    if key == "clear" and value is None:
        return None
    most = 1.0 if rule.unit == RATIO and key != "for_seconds" else math.inf
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= most:
        return "a ratio from 0 to 1, like 0.8 for 80 %" if most == 1.0 else "a number from 0"
    return None if math.isfinite(value) else "a finite number"


def _near(name: Any, known: Any) -> str:
    close = difflib.get_close_matches(str(name), list(known), n=1)
    return f"did you mean {close[0]!r}?" if close else "known: " + ", ".join(known)
