"""An order's way: checked, reserved, paid, packed, announced; one chain per order."""

from __future__ import annotations

import random

from celery import chain, shared_task

from celery_monitor import measure, wait, workflow
from shop import mail, payments
from shop.effort import think, wait_for


class OutOfStockError(Exception):
    """The warehouse has none left; nothing to retry."""


@shared_task(name="shop.orders.validate")
def validate(order: int) -> int:
    """Check address and basket: a little CPU."""
    think(0.004)
    return order


@shared_task(name="shop.orders.reserve")
def reserve(order: int) -> int:
    """Reserve the goods; one order in sixty cannot be served."""
    wait_for(0.02)
    if random.random() < 1 / 60:
        raise OutOfStockError(f"order {order}: the last one is gone")
    return order


@shared_task(name="shop.orders.pack")
def pack(order: int) -> int:
    """Print the packing list; one order in fifteen has to wait until somebody in the warehouse has found the goods."""
    wait_for(0.03)
    if order % 15 == 0:
        with wait("warehouse") as found:
            wait_for(0.3)
            found.set(outcome="found", by="warehouse")
    measure("parcels", 1)
    return order


def place(order: int) -> None:
    """Publish the chain of one order; five hundred customers order again and again."""
    steps = [validate.s(order), reserve.s(), payments.charge.s(), pack.s(), mail.confirm.s()]
    with workflow("order", customer=f"c{order % 500}"):
        chain(*steps).apply_async()
