"""Gives messages AMQP's own timestamp, from which RabbitMQ tells the age of the oldest; connected for AMQP only."""

from __future__ import annotations

from time import time
from typing import Any

from celery import signals

from celery_monitor.signals.guard import guarded

_ID = "celery_monitor.timestamps"


@guarded
def on_before_task_publish_timestamp(properties: Any = None, **_: Any) -> None:
    """Set the message property `timestamp`, in whole seconds as AMQP has it; a user's own stays."""
    if isinstance(properties, dict):
        properties.setdefault("timestamp", int(time()))


def connect() -> None:
    """Connect the receiver."""
    signals.before_task_publish.connect(on_before_task_publish_timestamp, weak=False, dispatch_uid=_ID)


def disconnect() -> None:
    """Take the receiver off again."""
    signals.before_task_publish.disconnect(dispatch_uid=_ID)
