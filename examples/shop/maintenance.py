"""Periodic work, published by beat."""

from __future__ import annotations

from celery import shared_task

from shop.effort import wait_for


@shared_task(name="shop.maintenance.clean_up", ignore_result=True)
def clean_up() -> None:
    """Remove baskets that nobody came back to."""
    wait_for(0.1)


@shared_task(name="shop.maintenance.sync_stock", ignore_result=True)
def sync_stock() -> None:
    """Compare the shop's stock with the warehouse's."""
    wait_for(0.2)
