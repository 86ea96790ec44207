"""Task names over a window, and one of them with its percentiles, its heatmap and where it ran."""

from __future__ import annotations

import pytest

from celery_monitor.query.reader import Reader
from celery_monitor.query.times import parse_iso
from celery_monitor.signals.record import State
from celery_monitor.store.connection import Store
from celery_monitor.store.fold import fold
from tests.query.counted import SECOND, counted, failed, hand_in
from tests.store.batches import NOW_US, attempt, publish


@pytest.fixture(params=["tail", "folded"])
def reader(store: Store, request: pytest.FixtureRequest) -> Reader:
    """Forty attempts of a task that take longer and longer, four failures, and another task."""
    rows = [
        attempt(n, at_us=NOW_US - n * 60 * SECOND, runtime_us=(n + 1) * 10_000, worker=f"w{n % 2}") for n in range(40)
    ]
    rows += [failed(100 + n, 30 + n, queue="slow") for n in range(4)] + [attempt(200, task="shop.mail", queue="mail")]
    hand_in(store, counted(1, rows, [publish(n) for n in range(3)]), folded=request.param == "folded")
    return Reader(store)


def test_tasks_are_listed_with_turnaround_and_memory(reader: Reader) -> None:
    charge, mail = reader.task_names("1h", NOW_US)["tasks"]
    assert (charge["task"], charge["ended"], charge["failed"]) == ("shop.charge", 44, 4)
    assert charge["queues"] == ["payments", "slow"]
    assert charge["memory_bytes"]["max"] == 51_200 * 1024
    assert mail["turnaround_seconds"] | {"p50": 0, "p95": 0, "p99": 0} == {
        "count": 1, "avg": 0.12, "min": 0.12, "max": 0.12, "p50": 0, "p95": 0, "p99": 0, "total": 0.12,
    }  # fmt: skip


def test_a_task_has_its_heatmap_series_queues_and_workers(reader: Reader) -> None:
    found = reader.task("shop.charge", "1h", NOW_US)
    assert found is not None
    heat, series = found["heatmap"], found["series"]
    assert len(heat["counts"]) == len(heat["t"]) == len(series["t"])
    assert sum(map(sum, heat["counts"])) == found["runtime_seconds"]["count"] == 44
    assert len(heat["bounds"]) == len(heat["counts"][0]) + 1 <= 41
    assert heat["bounds"][0] <= 0.01 < 0.4 <= heat["bounds"][-1]
    assert (sum(series["succeeded"]), sum(series["failed"]), sum(series["published"])) == (40, 4, 3)
    assert [(q["queue"], q["ended"], q["failed"]) for q in found["queues"]] == [("payments", 40, 0), ("slow", 4, 4)]
    by_worker = {row["worker"]: row["ended"] for row in found["workers"]["rows"]}
    assert by_worker == {"w0": 20, "w1": 20, "celery@a": 4}
    assert found["workers"]["complete"]
    assert [f["count"] for f in found["failures"]] == [4]
    assert len(found["newest_failures"]) == 4
    assert found["compare"] is None


@pytest.mark.parametrize(
    ("window", "ago_s", "step_s"),
    [("1h", 1999, 60), ("24h", 47_777, 3600), ("7d", 333_333, 21_600), ("30d", 1_234_567, 21_600)],
)
def test_a_task_was_last_seen_no_earlier_than_it_ended_and_no_later_than_its_bucket(
    store: Store, window: str, ago_s: int, step_s: int
) -> None:
    ended_us = NOW_US - ago_s * SECOND
    hand_in(store, counted(1, [attempt(1, at_us=ended_us, runtime_us=0)]), now_us=ended_us)
    for later_us in range(ended_us, NOW_US, (NOW_US - ended_us) // 7):
        fold(store, later_us)  # buckets are sealed as time goes by
    hand_in(store, counted(2, [attempt(2, task="shop.mail")]))

    found = Reader(store).task_names(window, NOW_US)
    last = {row["task"]: parse_iso("last_at", row["last_at"]) for row in found["tasks"]}["shop.charge"]
    assert ended_us <= last <= min(ended_us + step_s * SECOND, NOW_US)


def test_a_period_before_is_compared(store: Store) -> None:
    rows = [attempt(1), attempt(2, at_us=NOW_US - 5400 * SECOND)]
    hand_in(store, counted(1, rows))
    found = Reader(store).task("shop.charge", "1h", NOW_US)
    assert found is not None
    assert found["compare"]["ended"] == 1


def test_a_task_that_is_quiet_now_is_known_and_one_never_seen_is_not(reader: Reader) -> None:
    quiet = reader.task("shop.charge", "1h", NOW_US + 7200 * SECOND)
    assert quiet is not None
    assert (quiet["ended"], quiet["heatmap"]["bounds"], quiet["workers"]["rows"]) == (0, [], [])
    assert reader.task("shop.nothing", "1h", NOW_US) is None


def test_a_step_that_was_never_published_has_failed_on_no_worker(store: Store) -> None:
    skipped = attempt(2, state=int(State.NEVER_PUBLISHED), worker="", started_us=0, runtime_us=-1, wait_us=-1)
    hand_in(store, counted(1, [attempt(1), skipped], []), folded=False)
    found = Reader(store).task("shop.charge", "1h", NOW_US)
    assert found is not None
    assert found["workers"]["attempts"] == 1
    assert [(row["worker"], row["ended"], row["failed"]) for row in found["workers"]["rows"]] == [("celery@a", 1, 0)]


def test_a_stretch_of_time_has_its_own_figures(reader: Reader) -> None:
    since, until = "2025-11-20T11:30:00.000000Z", "2025-11-20T11:45:00.000000Z"
    found = reader.task("shop.charge", now_us=NOW_US, since=since, until=until)
    assert found is not None
    assert (found["window"]["start"], found["window"]["end"], found["window"]["step_seconds"]) == (since, until, 10)
    assert found["ended"] == sum(map(sum, found["heatmap"]["counts"])) == found["workers"]["attempts"] == 15
    assert found["rate_per_second"] == pytest.approx(15 / 900, abs=1e-6)
    assert found["failures"] == found["newest_failures"] == []
    (row,) = reader.task_names(now_us=NOW_US, since=since, until=until)["tasks"]
    assert row["ended"] == 15
