"""Mail to customers, some of it for later."""

from __future__ import annotations

from celery import shared_task

from shop.effort import wait_for


@shared_task(name="shop.mail.confirm", ignore_result=True)
def confirm(order: int) -> None:
    """Send the confirmation of an order."""
    wait_for(0.02)


@shared_task(name="shop.mail.remind", ignore_result=True)
def remind(customer: int) -> None:
    """Remind a customer of a basket; published with an ETA."""
    wait_for(0.02)


@shared_task(name="shop.mail.newsletter", ignore_result=True)
def newsletter(customer: int) -> None:
    """Send the newsletter to one customer; comes in bursts."""
    wait_for(0.01)


def remind_later(customer: int, seconds: float) -> None:
    """Publish a reminder that is due in `seconds`."""
    remind.apply_async((customer,), countdown=seconds)
