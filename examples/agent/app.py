"""The assistant's Celery app and its monitor."""

from __future__ import annotations

import os

from celery import Celery

from celery_monitor import Monitor

URL = os.environ.get("AGENT_REDIS_URL", "redis://localhost:6379/0")

app = Celery("agent", broker=URL, backend=URL, include=["agent.tasks"])
app.conf.update(
    task_default_queue="agent",
    broker_connection_retry_on_startup=True,
    monitor_capture_span_data="repr",  # so that one can read what a tool was asked
    monitor_label_keys=["tier"],  # statistics per value; session and user are found again without
)

monitor = Monitor(app)
