from __future__ import annotations

from collections.abc import Iterator

import pytest

from celery_monitor import settling
from celery_monitor.details import Plan, Run, RunState, Wait
from celery_monitor.model import Batch
from celery_monitor.query.reader import Reader
from celery_monitor.query.runs import judged
from celery_monitor.signals.record import State
from celery_monitor.store import inbox, meta
from celery_monitor.store.connection import Store
from celery_monitor.store.fold import fold
from celery_monitor.store.rows import runs, waits
from tests.store.batches import BOOT, NOW_US, attempt, task_id

SECOND = 1_000_000
RUN = b"r" * 16


@pytest.fixture
def store(redis_url: str) -> Iterator[Store]:
    opened = Store.open(redis_url, "settling")
    meta.check(opened)
    yield opened
    opened.close()


def step(n: int, at_us: int = NOW_US, **fields: object) -> object:
    return attempt(n, at_us=at_us, run=RUN, workflow="report", step="shop.charge", **fields)


def hand_in(store: Store, n: int, now_us: int, *attempts: object, **details: list[object]) -> None:
    inbox.send(store, Batch(BOOT, n, "host", now_us, attempts=list(attempts), details=details), None)
    fold(store, now_us)


def before(store: Store, now_us: int) -> Run:
    """The row that was stored of the run."""
    found = judged(store, [RUN], now_us)[RUN].before
    assert found is not None
    return found


def test_a_quiet_run_is_stored_once_with_what_it_came_to(store: Store) -> None:
    hand_in(store, 1, NOW_US, step(1, NOW_US - 2 * SECOND), step(2))
    assert settling.settle(store, NOW_US + SECOND) == 0  # there may be more to come

    later = NOW_US + settling.QUIET_US
    assert settling.settle(store, later) == 1
    assert settling.settle(store, later) == 0

    told = before(store, later)
    assert (told.state, told.known, told.completed, told.revision) == (RunState.SUCCEEDED, 2, 2, 1)
    assert told.duration_us == 2 * SECOND + 100_000
    assert runs.active(store) == []


def test_a_late_child_opens_a_run_again_and_puts_its_figures_right(store: Store) -> None:
    hand_in(store, 1, NOW_US, step(1))
    settling.settle(store, NOW_US + 10 * SECOND)
    late = NOW_US + 20 * SECOND
    hand_in(store, 2, late, step(2, late, state=int(State.FAILURE), exception="ValueError"))
    settling.settle(store, late + 10 * SECOND)
    fold(store, late + 10 * SECOND)

    told = before(store, late + 10 * SECOND)
    assert (told.revision, told.known, told.failed) == (2, 2, 1)
    (row,) = Reader(store).workflows("1h", now_us=late + 20 * SECOND)["workflows"]
    assert row["workflow"] == "report"
    assert (row["execution_count"], row["success_count"]) == (1, 1)


def test_a_run_whose_next_step_is_missing_stays_among_the_active_as_stuck(store: Store) -> None:
    missing = Plan(task_id(9), RUN, task_id(1), b"", 0, "shop.pack", "orders", "report", 1, NOW_US - SECOND)
    hand_in(store, 1, NOW_US, step(1), plans=[missing])
    later = NOW_US + 90 * SECOND

    assert settling.settle(store, later) == 0

    assert judged(store, [RUN], later)[RUN].state is RunState.STUCK
    assert [run for run, _ in runs.active(store)] == [RUN]
    assert settling.settle(store, NOW_US + 8 * 86_400 * SECOND) == 0  # nobody waits for it for ever
    assert runs.active(store) == []


def test_a_wait_that_its_attempt_left_open_ends_with_it(store: Store) -> None:
    uid = attempt(1).uid
    left = Wait(task_id(1), RUN, uid, b"k" * 16, "approval", "t", "report", NOW_US, NOW_US - 50_000, 0, "", "")
    hand_in(store, 1, NOW_US, step(1), waits=[left])
    assert len(waits.open_waits(store)) == 1

    settling.settle(store, NOW_US + 10 * SECOND)

    assert waits.open_waits(store) == []
    assert [wait.outcome for wait in judged(store, [RUN], NOW_US + 20 * SECOND)[RUN].waits] == ["abandoned"]
