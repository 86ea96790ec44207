"""Sampling by run: exact counts, about as many rows as the rate says, and whatever is remarkable."""

from __future__ import annotations

from typing import Any

import pytest

from celery_monitor.agent import tally
from celery_monitor.agent.keeping import Keeping
from celery_monitor.details import Log, Span
from celery_monitor.model import Batch, is_kept, sampled
from celery_monitor.query.reader import Reader
from celery_monitor.signals.record import Flag, State, unpack_id
from celery_monitor.store import inbox, live
from celery_monitor.store.connection import Store
from celery_monitor.store.fold import fold
from tests.query.counted import SECOND, failed
from tests.store.batches import BOOT, NOW_US, attempt, publish, task_id
from tests.store.conftest import store

__all__ = ["store"]
RUNS, EACH, SLOW = 4000, 3, 20


def rows(keeping: Keeping, n: int = 1, **fields: Any) -> Batch:
    """Return a batch of runs of three executions each, thinned."""
    made = Batch(BOOT, n, "host-a", NOW_US)
    for number in range(RUNS * EACH):
        run = task_id(10**6 + number // EACH)
        runtime_us = 10 * SECOND if number >= RUNS * EACH - SLOW else 100_000 + number
        row = attempt(number, run=run, runtime_us=runtime_us, started_us=NOW_US - runtime_us, **fields)
        made.attempts.append(row)
        made.publishes.append(publish(number, run=run))
        tally.count(made.metrics, row)
    keeping.thin(made)
    return made


@pytest.fixture
def keeping() -> Keeping:
    made = Keeping()
    made.one_in = 8
    return made


def test_runs_stay_or_go_as_a_whole_and_about_as_many_as_the_rate_says(keeping: Keeping) -> None:
    found = rows(keeping)
    whole = [a for a in found.attempts if not a.flags & Flag.PARTIAL_RUN]
    runs = {a.run for a in whole}
    assert RUNS / 8 * 0.8 < len(runs) < RUNS / 8 * 1.2
    assert len(whole) == EACH * len(runs) == len(found.publishes)
    assert {sampled(a.flags) for a in found.attempts} == {8}
    assert all(is_kept(run, 4) and is_kept(run, 1) for run in runs)


def test_counts_are_those_of_all(keeping: Keeping) -> None:
    found = rows(keeping)
    cells = [cell for row in found.metrics.cells.values() for series, cell in row.items() if series[0] == "task"]
    assert sum(cell.counts[State.SUCCESS] for cell in cells) == RUNS * EACH
    assert sum(cell.runtime.count for cell in cells) == RUNS * EACH


@pytest.mark.parametrize(
    "fields",
    [
        {"state": int(State.FAILURE)},
        {"state": int(State.LOST)},
        {"state": int(State.RETRY)},
        {"retries": 1},
    ],
)
def test_what_failed_or_was_retried_is_always_kept(keeping: Keeping, fields: dict[str, int]) -> None:
    found = rows(keeping, **fields)
    assert len(found.attempts) == RUNS * EACH
    assert {is_kept(a.run, 8) for a in found.attempts if a.flags & Flag.PARTIAL_RUN} == {False}


def test_the_slowest_are_kept_and_only_a_few_of_them(keeping: Keeping) -> None:
    found = rows(keeping)
    alone = [a for a in found.attempts if a.flags & Flag.PARTIAL_RUN]
    slowest = range(RUNS * EACH - SLOW, RUNS * EACH)
    assert {task_id(n) for n in slowest if not is_kept(task_id(10**6 + n // EACH), 8)} == {a.id for a in alone}


def test_of_run_times_that_are_all_alike_none_is_slow(keeping: Keeping) -> None:
    made = Batch(BOOT, 1, "host-a", NOW_US, attempts=[attempt(n, runtime_us=100_000 + n % 7) for n in range(9000)])
    for row in made.attempts:
        tally.count(made.metrics, row)
    keeping.thin(made)
    assert not any(a.flags & Flag.PARTIAL_RUN for a in made.attempts)


def test_what_may_be_booked_as_lost_is_kept_after_a_silence(keeping: Keeping) -> None:
    keeping.heard(NOW_US - 100 * SECOND, 20)
    keeping.heard(NOW_US - 90 * SECOND, 20)
    assert keeping.doubted_us == 0
    keeping.heard(NOW_US, 20)
    assert len(rows(keeping).attempts) == RUNS * EACH


def test_what_happened_inside_goes_with_its_attempt_and_logs_stay(keeping: Keeping) -> None:
    run = next(task_id(n) for n in range(100) if not is_kept(task_id(n), 8))
    bad, good = failed(1, 0, run=run), attempt(2, run=run)
    made = Batch(BOOT, 1, "host-a", NOW_US, attempts=[bad, good])
    of = [(a.id, run, a.uid) for a in (bad, good)]
    made.details["spans"] = [
        Span(*who, 1, 0, "s", "tool", "t", "", "w", NOW_US, 5, 0, "", "", "", 0, -1, "") for who in of
    ]
    made.details["logs"] = [Log(*who, 30, "shop", "m", "", "", "t", "", "w", NOW_US) for who in of]
    keeping.thin(made)
    assert [a.id for a in made.attempts] == [bad.id]
    assert [s.uid for s in made.details["spans"]] == [bad.uid]
    assert len(made.details["logs"]) == 2


def test_the_store_says_exact_totals_and_finds_what_failed(store: Store, keeping: Keeping) -> None:
    made = rows(keeping)
    bad = failed(10**7, 1, run=next(task_id(n) for n in range(100) if not is_kept(task_id(n), 8)), workflow="daily")
    other = Batch(BOOT, 2, "host-a", NOW_US, attempts=[bad])
    tally.count(other.metrics, bad)
    keeping.thin(other)
    pace: Any = {"agents": 1, "folded_us": NOW_US, "by": "", "role": "beat", "interval_s": 5.0, "queues": []}
    live.set_pace(store, pace | {"one_in": 8, "one_in_us": NOW_US, "task_us": 0})
    for batch in (made, other):
        inbox.send(store, batch, None)
    fold(store, NOW_US)

    reader = Reader(store)
    totals = reader.summary("1h", NOW_US)["totals"]
    assert (totals["succeeded"], totals["failed"]) == (RUNS * EACH, 1)
    (found,) = reader.executions(state="FAILURE", now_us=NOW_US)["executions"]
    assert (found["id"], found["flags"]) == (unpack_id(bad.id), ["partial_run"])
    health = reader.health(NOW_US)
    assert health["sampling"]["rate"] == 0.125
    assert any("1 of 8 runs" in note for note in health["notes"])
    assert reader.runs(now_us=NOW_US)["runs"] == []
