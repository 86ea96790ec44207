"""Who is told when an alert begins to fire or is resolved."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Protocol

from celery_monitor.alerts.judge import Transition
from celery_monitor.alerts.state import FIRING

logger = logging.getLogger("celery_monitor.alerts")


class Notifier(Protocol):
    """Tells somebody about transitions; called once per judgement, in the ticker's thread."""

    def notify(self, transitions: Sequence[Transition]) -> None:
        """Tell these; may raise, what it raises is logged and nobody else is kept waiting for it."""


class LogNotifier:
    """Writes one line per transition: critical as ERROR, other alerts as WARNING, resolved as INFO."""

    def notify(self, transitions: Sequence[Transition]) -> None:
        """Write the lines."""
        for change in transitions:
            logger.log(_level(change), "alert %s (%s): %s", change.state, change.severity, change.text)


def notify_all(notifiers: Iterable[Notifier], transitions: Sequence[Transition]) -> None:
    """Hand transitions to every notifier; one that fails is logged and does not stop the others."""
    if not transitions:
        return
    for notifier in notifiers:
        try:
            notifier.notify(transitions)
        except Exception:
            logger.exception("notifier %s failed", type(notifier).__name__)


def _level(change: Transition) -> int:
    if change.state != FIRING:
        return logging.INFO
    return logging.ERROR if change.severity == "critical" else logging.WARNING
