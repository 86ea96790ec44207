"""What is known of a queue."""

from __future__ import annotations

import doctest

from celery_monitor.brokers import sample as module
from celery_monitor.brokers.sample import QueueSample


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(module).failed == 0


def test_what_is_unknown_is_no_gauge_and_zero_is_one() -> None:
    assert QueueSample(note="gone").gauges() == {}
    assert QueueSample(backlog=0, oldest_s=0.0, unacked=0, consumers=0).gauges() == {
        "backlog": 0.0, "oldest_s": 0.0, "unacked": 0.0, "consumers": 0.0,
    }  # fmt: skip
