"""Records arguments and results, when asked for; its receivers are connected only then, so that others pay nothing."""

from __future__ import annotations

from time import time_ns
from typing import Any

from celery import signals

from celery_monitor.signals import attempts, content, owner
from celery_monitor.signals.guard import guarded
from celery_monitor.signals.inside import CONTENT, CONTENT_TEXTS, pack_texts
from celery_monitor.signals.record import Kind


@guarded
def on_task_prerun_arguments(sender: Any, args: Any = None, kwargs: Any = None, **_: Any) -> None:
    """Note what a task was called with, before its body can change it."""
    attempt = attempts.current()
    if attempt is not None and not content.excludes_task(attempt.task):
        _put(attempt, content.arguments(sender, args, kwargs), "")


@guarded
def on_task_success_result(result: Any = None, **_: Any) -> None:
    """Note what a task returned."""
    attempt = attempts.current()
    if attempt is not None and not content.excludes_task(attempt.task):
        _put(attempt, "", content.text(result))


def _put(attempt: attempts.Open, arguments: str, result: str) -> None:
    mine = owner.of(attempt)
    payload = CONTENT.pack(time_ns() // 1000) + mine.block + pack_texts(CONTENT_TEXTS, arguments, result)
    owner.put(Kind.CONTENT, payload)


def connect() -> None:
    """Connect what the settings ask for, behind the receivers that open and before those that end an attempt."""
    if content.rules.arguments:
        signals.task_prerun.connect(on_task_prerun_arguments, weak=False, dispatch_uid="celery_monitor.arguments")
    if content.rules.results:
        signals.task_success.connect(on_task_success_result, weak=False, dispatch_uid="celery_monitor.results")


def disconnect() -> None:
    """Take the receivers off again."""
    signals.task_prerun.disconnect(dispatch_uid="celery_monitor.arguments")
    signals.task_success.disconnect(dispatch_uid="celery_monitor.results")
