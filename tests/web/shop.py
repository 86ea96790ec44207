"""An app as users have it: its tasks and one line of ours. The broker comes from CELERY_BROKER_URL."""

from __future__ import annotations

import logging
import os
import signal
import time
from typing import Any

from celery import Celery, Task, chain, chord, group
from celery.schedules import crontab

from celery_monitor import Monitor, measure, span, wait_begin, workflow

app = Celery("shop")
app.conf.update(
    task_default_queue="orders",
    broker_connection_retry_on_startup=True,
    worker_lost_wait=1.0,  # s until a child that was killed is given up
    monitor_flush_interval=0.2,
    monitor_capture_arguments=True,
    monitor_capture_results=True,
)
app.conf.beat_schedule = {
    "each second": {"task": "shop.charge", "schedule": 1.0, "args": (1,)},
    '<img src=x onerror="document.title=1">': {
        "task": "shop.charge",
        "schedule": crontab(hour=4, minute=0),
        "args": (2,),
    },
}
monitor = Monitor(app)

MARKUP = '<img src=x onerror="document.title=1">'
HOSTILE = f"shop.{MARKUP}"
LONG = "shop.regional.inventory_synchronisation.tasks.synchronise_everything_with_the_warehouse_of_the_north"
NIGHTLY = "nightly report"
log = logging.getLogger("shop")


@app.task(name="shop.charge")
def charge(amount: int) -> int:
    return amount


@app.task(name="shop.tally")
def tally(amount: int) -> int:
    """Do what `shop.charge` does; nothing else publishes it, so that its ends can be counted."""
    return amount


@app.task(name="shop.audit")
def audit() -> None:
    """Do nothing, once: one test waits for its first end."""


@app.task(name="shop.deliver")
def deliver() -> None:
    raise ConnectionError("the webhook does not answer")


@app.task(name=HOSTILE)
def hostile() -> None:
    """A name that is text, whatever it looks like."""


@app.task(name=LONG)
def synchronise() -> None:
    """A name that is longer than a phone is wide."""


@app.task(name="shop.tour")
def tour() -> None:
    """A workflow of a step with a long name."""
    with workflow("tour"):
        group(synchronise.si(), synchronise.si()).apply_async()


@app.task(name="shop.fetch")
def fetch(source: str) -> list[int]:
    with span("read " + source, kind="db"):
        log.warning("%s is slow", source, extra={"source": source})
        time.sleep(0.02)
    measure("rows", 3)
    return [1, 2, 3]


@app.task(name="shop.row")
def row(rows: list[int] | None, number: int) -> int:
    return number


@app.task(name="shop.collect")
def collect(rows: list[int]) -> int:
    return len(rows)


@app.task(name="shop.render", bind=True, max_retries=2)
def render(self: Task[Any, Any], rows: int) -> None:
    """Fail once, then succeed."""
    if self.request.retries == 0:
        raise self.retry(exc=ConnectionError("the renderer is busy"), countdown=0.1)
    time.sleep(0.1)


@app.task(name="shop.held")
def held(_: object, gate: str) -> None:
    """Run until somebody sets the key."""
    backend: Any = app.backend
    while not backend.client.exists(gate):
        time.sleep(0.05)


@app.task(name="shop.shout")
def shout() -> None:
    """Put markup wherever a task can put text."""
    with span(MARKUP, kind=MARKUP):
        log.error("logged %s", MARKUP, extra={"extra": MARKUP})
    measure(MARKUP, 1.0, unit=MARKUP)
    raise RuntimeError(MARKUP)


@app.task(name="shop.die")
def die() -> None:
    """Kill the child that runs it, as the kernel does when memory is out."""
    os.kill(os.getpid(), signal.SIGKILL)


@app.task(name="shop.night")
def night(rows: int, gate: str = "") -> str:
    """Publish a report's run: a chain with a chord in it, and a step that runs until `gate` is set."""
    tail = [held.si(None, gate)] if gate else []
    with workflow(NIGHTLY, description="what the boss reads at 8", tenant="acme") as flow:
        header = group(row.s(n) for n in range(rows))
        chain(fetch.s("orders"), chord(header, collect.s()), render.s(), *tail, charge.si(1)).apply_async()
    return flow.run_id


@app.task(name="shop.attack")
def attack() -> str:
    """Publish a run whose every name is markup."""
    with workflow(MARKUP, description=MARKUP, note=MARKUP) as flow:
        chain(shout.si(), hostile.si()).apply_async()
        hostile.delay()
    wait_begin(flow.run_id, MARKUP)
    return flow.run_id
