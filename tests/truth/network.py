"""An app whose broker and results are a Redis on TCP; its tasks speak to a peer, to that Redis themselves, or not."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import redis
from celery import Celery

from celery_monitor import Monitor
from tests.peer import connected, exchange, trusting, wire

PORT = "NETWORK_PORT"
TLS_PORT = "NETWORK_TLS_PORT"
CERTIFICATE = "NETWORK_CERTIFICATE"
LARGE = "x" * 100_000

app = Celery("network")
app.conf.update(
    monitor_flush_interval=0.3, monitor_tick_interval=1.0, monitor_resources=["network"], monitor_capture_results=True,
    broker_connection_retry_on_startup=True, worker_send_task_events=True, task_send_sent_event=True,
)  # fmt: skip
Monitor(app)
ready = threading.Barrier(2)


@app.task(name="fetch")
def fetch(up: int, down: int) -> str:
    with connected(int(os.environ[PORT])) as connection:
        exchange(connection, up, down)
    return LARGE


@app.task(name="fetch_tls")
def fetch_tls(up: int, down: int) -> tuple[int, int]:
    """Return what the kernel says."""
    with connected(int(os.environ[TLS_PORT]), trusting(Path(os.environ[CERTIFICATE]))) as connection:
        exchange(connection, up, down)
        return wire(connection)


@app.task(name="together")
def together(up: int, down: int) -> None:
    """Move bytes while another attempt of the same process does."""
    with connected(int(os.environ[PORT])) as connection:
        for _ in range(10):
            ready.wait(30)
            exchange(connection, up, down)


@app.task(name="quiet", bind=True)
def quiet(self: Any) -> str:
    """Have Celery publish, store and read."""
    self.update_state(state="HALF", meta=LARGE)
    assert app.AsyncResult(self.request.id).info == LARGE
    innocent.delay(LARGE)
    return LARGE


@app.task(name="innocent", ignore_result=True)
def innocent(_: str) -> None:
    """Do nothing."""


@app.task(name="own", ignore_result=True)
def own() -> None:
    """Speak to the same server by a client of the task's own."""
    with redis.Redis.from_url(str(app.conf.broker_url)) as client:
        client.set("key", LARGE)
