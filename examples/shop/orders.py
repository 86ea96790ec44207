"""An order's way: checked, reserved, paid, packed, announced; one chain per order."""

from __future__ import annotations

import random

from celery import chain, shared_task

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
    """Print the packing list."""
    wait_for(0.03)
    return order


def place(order: int) -> None:
    """Publish the chain of one order."""
    steps = [validate.s(order), reserve.s(), payments.charge.s(), pack.s(), mail.confirm.s()]
    chain(*steps).apply_async()
