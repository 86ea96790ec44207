"""Who is told, and that nobody is kept waiting."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import pytest

from celery_monitor.alerts.judge import Transition
from celery_monitor.alerts.notifiers import LogNotifier, notify_all


def change(state: str = "firing", severity: str = "warning") -> Transition:
    text = "mail: 212 messages waiting (rule backlog: > 200)"
    return Transition("backlog", "mail", state, severity, 212.0, 200.0, "messages", text, 1, 2)


@pytest.mark.parametrize(
    ("transition", "level"),
    [
        (change(), logging.WARNING),
        (change(severity="critical"), logging.ERROR),
        (change("resolved", "critical"), logging.INFO),
    ],
)
def test_the_log_gets_one_line_with_the_level_of_the_severity(
    transition: Transition, level: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "celery_monitor.alerts")

    LogNotifier().notify([transition])

    (record,) = caplog.records
    assert record.levelno == level
    assert transition.text in record.getMessage()
    assert transition.state in record.getMessage()


def test_a_notifier_that_fails_is_logged_and_the_next_is_told(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def notify(self, transitions: Sequence[Transition]) -> None:
            raise OSError("no route")

    class Kept:
        told: Sequence[Transition] = ()

        def notify(self, transitions: Sequence[Transition]) -> None:
            self.told = transitions

    kept = Kept()

    notify_all([Broken(), kept], [change()])

    assert kept.told == [change()]
    assert "notifier Broken failed" in caplog.text
