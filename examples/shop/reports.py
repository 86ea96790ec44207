"""The nightly report, a chord of groups, and a query that is slower than it should be."""

from __future__ import annotations

import random
import time

from celery import chain, chord, group, shared_task
from celery.exceptions import SoftTimeLimitExceeded

from celery_monitor import span, workflow
from shop.effort import think, wait_for

REGIONS = ("north", "east", "south", "west")


class QueryTimeoutError(Exception):
    """The database did not answer within the task's time limit."""


@shared_task(name="shop.reports.extract")
def extract(region: str) -> int:
    """Read one region's sales."""
    with span("sales", kind="db"):
        wait_for(0.12)
    return len(region)


@shared_task(name="shop.reports.charts")
def charts(rows: int) -> int:
    """Draw one region's charts: the slow step of the report."""
    think(0.05)
    wait_for(0.25)
    return rows


@shared_task(name="shop.reports.publish")
def publish(parts: list[int]) -> int:
    """Put the regions together."""
    wait_for(0.08)
    return sum(parts)


@shared_task(name="shop.reports.slow_query", soft_time_limit=3)
def slow_query() -> float:
    """Read the whole order table: 1 to 2.5 s, and one in ten runs into its soft time limit."""
    seconds = 3.5 if random.random() < 0.1 else random.uniform(1.0, 2.5)
    try:
        time.sleep(seconds)
    except SoftTimeLimitExceeded as e:
        raise QueryTimeoutError("orders by customer: no answer within 3 s") from e
    return seconds


def nightly() -> None:
    """Publish the report: a chain per region, and what follows when all are there."""
    with workflow("nightly_report", description="Sales by region, on the desk at eight."):
        chord(group(chain(extract.s(region), charts.s()) for region in REGIONS))(publish.s())
