"""What a worker says of itself before its pool is there."""

from __future__ import annotations

import pytest
from celery import Celery

from celery_monitor.agent import sample


@pytest.mark.parametrize(("pool", "slots"), [("solo", 1), ("prefork", 4), ("threads", 4)])
def test_the_slots_of_a_pool_that_is_not_there_yet_are_those_it_will_have(pool: str, slots: int) -> None:
    with Celery("shop", broker="memory://", set_as_current=False) as app:
        worker = app.WorkController(pool=pool, concurrency=4)
        assert worker.pool is None
        assert sample.slots_of(worker) == slots
