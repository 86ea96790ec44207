from __future__ import annotations

from celery_monitor.details import Run, RunState
from celery_monitor.model import Batch
from celery_monitor.query.reader import Reader
from celery_monitor.query.rollups import RollupReader, Want
from celery_monitor.signals.record import State
from celery_monitor.store import inbox
from celery_monitor.store.connection import Store
from celery_monitor.store.fold import fold
from celery_monitor.store.rows import blocks, runs
from celery_monitor.store.rows.runs import Verdicts
from tests.store.batches import BOOT, NOW_US, attempt, batch
from tests.store.shelved import stored_blocks

SECOND = 1_000_000
RUN = b"r" * 16


def row(revision: int = 1, *, seconds: int = 4, state: RunState = RunState.SUCCEEDED, retries: int = 0) -> Run:
    values = dict.fromkeys(Run._fields, 0) | {
        "id": b"", "run": RUN, "revision": revision, "state": int(state), "workflow": "report", "root_task": "fetch",
        "at_us": NOW_US - 30 * SECOND, "duration_us": seconds * SECOND, "turnaround_us": (seconds + 1) * SECOND,
        "retries": retries, "bottleneck": "", "labels": "", "tasks": "", "workers": "", "queues": "",
    }  # fmt: skip
    return Run(**values)


def stored(store: Store) -> list[tuple[int, int]]:
    """Revision and state of every row of a run in the blocks."""
    found: list[tuple[int, int]] = []
    for raw in stored_blocks(store):
        table = blocks.read(raw).get("runs")
        if table:
            found += zip(table["revision"], table["state"], strict=True)
    return found


def workflow(store: Store) -> tuple[dict[int, int], int, int]:
    """Counts of the workflow's runs; count and sum (s) of their durations."""
    want = Want("wf", NOW_US // SECOND // 10 * 10 - 600, NOW_US // SECOND // 10 * 10 + 10)
    cell = RollupReader(store).read([want], NOW_US).total(want)["workflow", "report"]
    counts = {state: n for state, n in cell.counts.items() if n}
    return counts, cell.runtime.count, cell.runtime.total // SECOND


def test_only_runs_of_a_workflow_are_followed(store: Store) -> None:
    inbox.send(store, batch(1, [attempt(1), attempt(2, run=RUN, workflow="report")]), None)
    fold(store, NOW_US)

    assert runs.active(store) == [(RUN, NOW_US)]


def test_a_run_that_is_over_is_stored_and_counted_once(store: Store) -> None:
    inbox.send(store, batch(1, [attempt(1, run=RUN, workflow="report")]), None)
    fold(store, NOW_US)

    cursor, quiet = runs.quiet(store, NOW_US, 10)
    assert quiet == [RUN]
    assert runs.settle(store, cursor, Verdicts(over=[(row(), None)]), NOW_US)
    assert not runs.settle(store, cursor, Verdicts(over=[(row(), None)]), NOW_US + 1)  # somebody else's, too late
    fold(store, NOW_US)

    assert runs.active(store) == []
    assert stored(store) == [(1, RunState.SUCCEEDED)]
    assert workflow(store) == ({State.SUCCESS: 1}, 1, 4)


def test_a_run_that_was_open_again_replaces_what_was_counted(store: Store) -> None:
    cursor, _ = runs.quiet(store, NOW_US, 10)
    runs.settle(store, cursor, Verdicts(over=[(row(), None)]), NOW_US)
    fold(store, NOW_US)
    cursor, _ = runs.quiet(store, NOW_US, 10)
    again = row(2, seconds=9, state=RunState.FAILED, retries=2)
    runs.settle(store, cursor, Verdicts(over=[(again, row())]), NOW_US)
    fold(store, NOW_US)

    assert stored(store) == [(1, RunState.SUCCEEDED), (2, RunState.FAILED)]
    assert workflow(store) == ({State.FAILURE: 1, State.RETRY: 2}, 1, 9)


def test_news_that_came_while_a_run_was_judged_wins(store: Store) -> None:
    inbox.send(store, batch(1, [attempt(1, run=RUN, workflow="report")]), None)
    fold(store, NOW_US)
    cursor, _ = runs.quiet(store, NOW_US, 10)
    inbox.send(store, batch(2, [attempt(2, run=RUN, workflow="report")]), None)
    fold(store, NOW_US + SECOND)

    assert not runs.settle(store, cursor, Verdicts(over=[(row(), None)]), NOW_US)
    assert runs.active(store) == [(RUN, NOW_US + SECOND)]


def test_a_run_that_is_not_over_is_looked_at_later(store: Store) -> None:
    inbox.send(store, Batch(BOOT, 1, "host", NOW_US, attempts=[attempt(1, run=RUN, workflow="report")]), None)
    fold(store, NOW_US)
    cursor, _ = runs.quiet(store, NOW_US, 10)

    assert runs.settle(store, cursor, Verdicts(later={RUN: NOW_US + 5 * SECOND}), NOW_US)

    assert runs.quiet(store, NOW_US + 4 * SECOND, 10)[1] == []
    assert runs.quiet(store, NOW_US + 5 * SECOND, 10)[1] == [RUN]


def test_a_run_that_was_sampled_counts_for_those_it_stands_for(store: Store) -> None:
    cursor, _ = runs.quiet(store, NOW_US, 10)
    assert runs.settle(store, cursor, Verdicts(over=[(row()._replace(one_in=8), None)]), NOW_US)
    fold(store, NOW_US)
    assert workflow(store) == ({State.SUCCESS: 8}, 8, 32)
    found = Reader(store).workflows("1h", NOW_US)["workflows"]
    assert [(w["workflow"], w["execution_count"], w["sampled"]) for w in found] == [("report", 8, True)]
    (shown,) = Reader(store).runs(now_us=NOW_US)["runs"]
    assert (shown["sampled"], shown["partial_run"]) == (0.125, False)
    again = row(2, seconds=9)._replace(one_in=8)
    cursor, _ = runs.quiet(store, NOW_US, 10)
    assert runs.settle(store, cursor, Verdicts(over=[(again, row()._replace(one_in=8))]), NOW_US)
    fold(store, NOW_US)
    assert workflow(store) == ({State.SUCCESS: 8}, 8, 72)
