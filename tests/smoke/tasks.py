"""Tasks of the smoke workers."""

import time

from celery import shared_task


@shared_task(name="smoke.add")
def add(x: int, y: int) -> int:
    return x + y


@shared_task(name="smoke.hang")
def hang(seconds: float) -> None:
    time.sleep(seconds)
