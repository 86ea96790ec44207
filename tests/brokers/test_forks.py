"""A fork while a sample is under way must not hang the child."""

from __future__ import annotations

from multiprocessing import util
from typing import Any

from celery import Celery

from celery_monitor.brokers.sampler import Sampler


def test_a_channel_that_samples_is_not_reset_in_forked_children(redis_url: str) -> None:
    app = Celery("shop", broker=redis_url)
    sampler = Sampler(app)
    registry: Any = util._afterfork_registry  # type: ignore[attr-defined]
    before = set(registry.keys())
    try:
        sampler.sample(["celery"])
        channel = sampler._connection.default_channel
        assert channel.client.ping()
        assert not [key for key, value in registry.items() if key not in before and value is channel]
    finally:
        sampler.close()
