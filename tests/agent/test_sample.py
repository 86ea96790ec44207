"""What a worker says of itself before its pool is there."""

from __future__ import annotations

from typing import Any

import pytest
from celery import Celery, signals

from celery_monitor.agent import sample


@pytest.mark.filterwarnings("ignore:You.re running the worker with superuser")
@pytest.mark.parametrize(("pool", "slots"), [("solo", 1), ("prefork", 4), ("threads", 4)])
def test_the_slots_of_a_pool_that_is_not_there_yet_are_those_it_will_have(pool: str, slots: int) -> None:
    found: list[tuple[Any, int]] = []

    def look(sender: Any, **_: Any) -> None:
        found.append((getattr(sender, "pool", None), sample.slots_of(sender)))

    signals.worker_init.connect(look)
    try:
        with Celery("shop", broker="memory://", set_as_current=False) as app:
            worker = app.Worker(pool=pool, concurrency=4)
            found.append((None, sample.slots_of(worker)))
    finally:
        signals.worker_init.disconnect(look)
    assert found == [(None, slots)] * 2
