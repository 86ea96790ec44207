"""How long executions took that were retried, in whatever order their attempts arrive."""

from __future__ import annotations

import itertools

import pytest

from celery_monitor.agent import tally
from celery_monitor.model import Attempt, Batch
from celery_monitor.query.reader import Reader
from celery_monitor.signals.record import Reason, State
from celery_monitor.store import inbox
from celery_monitor.store.connection import Store
from celery_monitor.store.fold import fold
from celery_monitor.store.report import TOO_MANY_RETRIED
from celery_monitor.store.rows import turnarounds
from tests.store.batches import BOOT, NOW_US, attempt, task_id

SECOND = 1_000_000
RETRY = {"state": int(State.RETRY), "reason": int(Reason.RETRY)}


def tried(n: int, times: int) -> list[Attempt]:
    """Return the attempts of an execution that was published 60 s ago and succeeded at last."""
    again = [
        attempt(10 * n + k, id=task_id(n), retries=k, at_us=NOW_US - (40 - k) * SECOND, **RETRY) for k in range(times)
    ]
    again[0] = again[0]._replace(published_us=NOW_US - 60 * SECOND)
    return [*again, attempt(10 * n + times, id=task_id(n), retries=times)]


def hand_in(store: Store, n: int, *rows: Attempt) -> None:
    made = Batch(BOOT, n, "host-a", NOW_US, attempts=list(rows))
    for row in rows:
        tally.count(made.metrics, row)
    inbox.send(store, made, None)


def turnaround(store: Store) -> tuple[int, float | None]:
    """Return how many are counted, and the longest."""
    found = Reader(store).quantiles("task:shop.charge", "turnaround", "1", "1h", NOW_US)
    return found["count"], found["max"]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_retried_execution_counts_once_from_its_first_publish(store: Store, order: tuple[int, ...]) -> None:
    rows = tried(1, 2)
    for n, which in enumerate(order):
        hand_in(store, n + 1, rows[which])
        fold(store, NOW_US)
    assert turnaround(store) == (1, 60.0)
    assert store.client.hlen(store.keys.retried) == 0


def test_all_attempts_in_one_flush_and_sent_twice_count_once(store: Store) -> None:
    for _ in range(2):
        hand_in(store, 1, *tried(1, 1), *tried(2, 3), attempt(99))
        fold(store, NOW_US)
    assert turnaround(store) == (3, 60.0)


def test_what_is_not_final_or_not_known_does_not_count(store: Store) -> None:
    rows = [
        attempt(1, state=int(State.LOST)),
        attempt(2, state=int(State.REJECTED), reason=int(Reason.REQUEUED)),
        attempt(3, published_us=0),
        attempt(4, state=int(State.REPLACED)),
        attempt(5, retries=2),
    ]
    hand_in(store, 1, *rows)
    fold(store, NOW_US)
    assert turnaround(store) == (0, None)


def test_an_end_that_its_parent_corrects_counts(store: Store) -> None:
    made = Batch(BOOT, 1, "host-a", NOW_US)
    row = attempt(1, state=int(State.INTERRUPTED))
    tally.count(made.metrics, row)
    tally.correct(made.metrics, row, row._replace(state=int(State.FAILURE)))
    inbox.send(store, made, None)
    assert turnaround(store) == (1, 0.12)


def test_too_many_halves_lose_the_older_ones_and_say_so(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turnarounds, "MOST", 10)
    for n in range(11):
        hand_in(store, n + 1, attempt(n, at_us=NOW_US - (20 - n) * SECOND, **RETRY))
        report = fold(store, NOW_US)
    assert report.skipped[TOO_MANY_RETRIED] == 5
    assert store.client.hlen(store.keys.retried) == 6


def test_a_broken_half_is_as_good_as_none(store: Store) -> None:
    store.client.hset(store.keys.retried, task_id(1), b"\xc1broken")
    hand_in(store, 1, *tried(1, 1))
    fold(store, NOW_US)
    assert turnaround(store) == (1, 60.0)
