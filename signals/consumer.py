"""Hears of messages that cannot be decoded: Celery acknowledges them with a log line and sends no signal."""

from __future__ import annotations

from typing import Any

from celery import bootsteps

from celery_monitor.signals import facts
from celery_monitor.signals.guard import guarded


@guarded
def on_decode_error(message: Any, exc: BaseException, **_: Any) -> None:
    """Note a message whose body is not what its headers say."""
    facts.rejected(message, exc)


class DecodeErrors(bootsteps.Step):
    """A step of the worker's consumer that listens in on its decode errors; what Celery does about them stays."""

    def __init__(self, parent: Any, **kwargs: Any) -> None:
        super().__init__(parent, **kwargs)
        handle = parent.on_decode_error

        def heard(message: Any, exc: BaseException) -> Any:
            on_decode_error(message=message, exc=exc)
            return handle(message, exc)

        parent.on_decode_error = heard
