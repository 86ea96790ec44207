"""A stretch of time that is over has figures of its own in every answer that takes a window."""

from __future__ import annotations

import pytest

from celery_monitor.query.reader import Reader
from celery_monitor.query.times import iso
from celery_monitor.store import inbox
from celery_monitor.store.connection import Store
from celery_monitor.store.fold import fold
from tests.query.test_schedule import beat, hand_in, sent
from tests.store.batches import NOW_US, agent, attempt, batch, count, gauge, publish

S = 1_000_000
THEN_US = NOW_US - 3603 * S
THEN = {"since": iso(THEN_US - 600 * S), "until": iso(THEN_US)}
QUIET = {"since": iso(THEN_US - 3000 * S), "until": iso(THEN_US - 2400 * S)}


@pytest.fixture
def reader(store: Store) -> Reader:
    """Four ends an hour ago, of a workflow, one long before and one now; levels of a queue at both times."""
    fold(store, NOW_US - 7200 * S)
    past = [attempt(n, at_us=THEN_US - 20 * S) for n in range(4)]
    made = batch(
        1,
        [attempt(8, at_us=NOW_US - 7000 * S), *past, attempt(9)],
        [publish(n, at_us=THEN_US - 60 * S) for n in range(6)],
    )
    for row in past:
        count(made, row, ("step", "report", "shop.charge"))
        count(made, row, ("span", "read", "db"))
    levels = {"backlog": 90.0, "oldest_s": 7.0, "held": 5.0, "running": 2.0, "consumers": 1.0}
    gauge(made, THEN_US - 15 * S, ("queue", "payments"), **levels)
    gauge(made, NOW_US - S, ("queue", "payments"), backlog=1.0, held=0.0, running=0.0, consumers=3.0)
    gauge(made, THEN_US - 15 * S, ("worker", "celery@a"), busy=4.0, slots=8.0)
    inbox.send(store, made, agent(prefetched={"payments": 3}))
    fold(store, NOW_US)
    return Reader(store)


def test_the_summary_has_the_figures_and_levels_of_its_end(reader: Reader) -> None:
    found = reader.summary(now_us=NOW_US, **THEN)
    assert (found["totals"]["ended"], found["totals"]["published"]) == (4, 6)
    assert sum(found["series"]["succeeded"]) == 4
    assert 0.5 in found["series"]["busy_ratio"]
    assert (found["window"]["end"], found["generated_at"]) == (THEN["until"], iso(NOW_US))
    (queue,) = found["queues"]
    assert (queue["backlog"], queue["held"], queue["consumers"]) == (90, 5, 1)
    assert reader.summary("15m", NOW_US)["queues"][0]["backlog"] == 1
    assert reader.summary(now_us=NOW_US, **QUIET)["totals"]["ended"] == 0


def test_a_queue_tells_how_deep_it_was_and_how_fast_it_moved_then(reader: Reader) -> None:
    (row,) = reader.queues(now_us=NOW_US, **THEN)["queues"]
    assert (row["backlog"], row["oldest_seconds"], row["held"], row["running"]) == (90, 7.0, 5, 2)
    assert row["in_per_second"] == pytest.approx(6 / 300)
    assert row["out_per_second"] == pytest.approx(4 / 300, rel=1e-3)
    found = reader.queue("payments", now_us=NOW_US, **THEN) or {}
    assert (found["backlog"], found["ended"]) == (90, 4)
    assert sum(n or 0 for n in found["series"]["in_per_second"]) * found["window"]["step_seconds"] == pytest.approx(6)


def test_workflows_spans_and_quantiles_count_what_ended_in_it(reader: Reader) -> None:
    assert [row["execution_count"] for row in reader.workflows(now_us=NOW_US, **THEN)["workflows"]] == [4]
    assert [row["execution_count"] for row in reader.spans(now_us=NOW_US, **THEN)["spans"]] == [4]
    assert reader.quantiles("task:shop.charge", now_us=NOW_US, **THEN)["count"] == 4
    assert reader.workflows(now_us=NOW_US, **QUIET)["workflows"] == []
    assert reader.workflow("report", now_us=NOW_US, **QUIET) is None


def test_the_ledger_of_a_schedule_ends_with_it(store: Store) -> None:
    beat(store)
    hand_in(store, [sent(4200 - 60 * n, n) for n in range(20)])
    (then,) = Reader(store).schedule(now_us=NOW_US, **THEN)["entries"]
    (now,) = Reader(store).schedule("2h", NOW_US)["entries"]
    assert (then["sent"], then["missed"]) == (10, 0)
    assert now["sent"] == 20
    assert now["missed"] > 0
