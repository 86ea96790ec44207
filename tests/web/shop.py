"""An app as users have it: its tasks and one line of ours. The broker comes from CELERY_BROKER_URL."""

from __future__ import annotations

from celery import Celery

from celery_monitor import Monitor

app = Celery("shop")
app.conf.update(task_default_queue="orders", broker_connection_retry_on_startup=True)
monitor = Monitor(app)

HOSTILE = 'shop.<img src=x onerror="document.title=1">'


@app.task(name="shop.charge")
def charge(amount: int) -> int:
    return amount


@app.task(name="shop.deliver")
def deliver() -> None:
    raise ConnectionError("the webhook does not answer")


@app.task(name=HOSTILE)
def hostile() -> None:
    """A name that is text, whatever it looks like."""
