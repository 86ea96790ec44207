"""Which attempts the kernel's counters are looked at for, and what is said of the others."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from celery_monitor.signals import process, usage
from celery_monitor.signals.usage import UNKNOWN

MS = 1_000_000
NAME = "shop.charge"


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Nothing is known of any task, before and after."""
    usage.credit.clear()
    yield
    usage.credit.clear()


def opened(counters: Any) -> Any:
    return SimpleNamespace(task=NAME, counters=counters, cpu_ns=0, started_ns=0)


def standing(monkeypatch: pytest.MonkeyPatch, *counters: int) -> None:
    monkeypatch.setattr(usage, "_counters", lambda: counters)


def test_what_was_counted_between_both_looks_is_told_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    standing(monkeypatch, 18, 108, 9, 4)
    assert usage.since(opened((10, 100, 7, 4)), 1, 1) == (8 * 512, 8 * 512, 2, 0)


def test_each_millisecond_of_an_attempt_that_waited_for_something_is_good_for_a_look(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    standing(monkeypatch, 0, 0, 3, 0)
    usage.since(opened((0, 0, 2, 0)), 5 * MS, 1)
    assert usage.credit == {NAME: 4}  # and this one took one
    for left in (3, 2, 1, 0, 0):
        usage.since(opened((0, 0, 3, 0)), 1, 1)
        assert usage.credit == {NAME: left}


def test_an_attempt_that_a_busy_machine_kept_waiting_is_as_long_as_its_cpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    standing(monkeypatch, 0, 0, 3, 9)
    usage.since(opened((0, 0, 3, 2)), 50 * MS, 20_000)
    assert usage.credit == {NAME: 0}


def test_after_a_long_attempt_that_nobody_looked_at_the_next_one_is() -> None:
    assert usage.since(opened(None), 5 * MS, 1) == UNKNOWN
    assert usage.credit == {NAME: 1}


def test_a_thread_of_a_pool_of_threads_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process.place, "shared_memory", True)
    attempt = opened(None)
    usage.look(attempt)
    assert (attempt.counters, attempt.started_ns) == (None, 0)


def test_names_without_end_are_forgotten() -> None:
    for n in range(6000):
        attempt = opened(None)
        attempt.task = f"task-{n}"
        usage.since(attempt, MS, 1)
    assert len(usage.credit) <= 5001
