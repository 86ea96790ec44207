"""What the handlers of one Flower share."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from celery_monitor.web.site import Site


@pytest.fixture
def usual() -> Iterator[float]:
    """Python's own switch interval; the one that was set before comes back after the test."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.005)
    yield 0.005
    sys.setswitchinterval(before)


def test_flowers_loop_does_not_wait_for_threads_that_compute_as_long_as_usual(usual: float) -> None:
    Site(None)
    assert sys.getswitchinterval() == pytest.approx(usual / 10)


def test_an_interval_that_is_shorter_already_is_left(usual: float) -> None:
    sys.setswitchinterval(0.0001)
    Site(None)
    assert sys.getswitchinterval() == pytest.approx(0.0001)
