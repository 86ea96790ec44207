"""Payment calls to a gateway that is slow now and then, and a webhook whose receiver is broken."""

from __future__ import annotations

import random
from typing import Any

from celery import shared_task
from celery.utils.log import get_task_logger

from celery_monitor import measure, span
from shop.effort import wait_for

log = get_task_logger(__name__)


class GatewayTimeoutError(Exception):
    """The payment gateway did not answer; worth another try."""


class CardDeclinedError(Exception):
    """The bank said no; final."""


class WebhookRefusedError(Exception):
    """The receiver of a webhook answered with an error."""


@shared_task(
    bind=True,
    name="shop.payments.charge",
    autoretry_for=(GatewayTimeoutError,),
    retry_backoff=False,
    default_retry_delay=1,
    max_retries=4,
)
def charge(self: Any, order: int) -> int:
    """Charge a card: one call in eight times out and is retried, one in fifty is declined."""
    with span("charge", kind="api") as call:
        call.set(api="gateway.example")
        wait_for(0.05)
        if random.random() < 1 / 8:
            call.set(status=504)
            log.warning("order %s: the gateway is slow", order)
            raise GatewayTimeoutError(f"order {order}: gateway said 504")
        call.set(status=200)
    if random.random() < 1 / 50:
        raise CardDeclinedError(f"order {order}: insufficient funds")
    measure("revenue", random.randint(5, 250), unit="EUR")
    return order


@shared_task(bind=True, name="shop.payments.webhook", max_retries=2, default_retry_delay=2)
def webhook(self: Any, order: int) -> None:
    """Tell the accounting system; it refuses one call in three, for ever."""
    wait_for(0.03)
    if order % 3 == 0:
        raise self.retry(exc=WebhookRefusedError(f"order {order}: https://accounting.example said 500"))
