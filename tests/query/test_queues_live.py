"""Queues of a real worker: depth, holds, who waits and why equal what was put in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from celery_monitor.query.reader import Reader
from celery_monitor.query.times import parse_iso
from celery_monitor.store.connection import Store
from tests.conftest import WorkerFactory
from tests.waiting import until

pytestmark = pytest.mark.timeout(300)  # a loaded machine takes its time to start all of it

APP = """
import os, time
from celery import Celery
from celery_monitor import Monitor

app = Celery("line")
app.conf.monitor_tick_interval = 1
app.conf.monitor_flush_interval = 0.2
app.conf.monitor_queue_interval = 1
app.conf.monitor_resource_interval = 1
app.conf.worker_prefetch_multiplier = 2
app.conf.broker_transport_options = {"visibility_timeout": 900}
Monitor(app)

@app.task(name="line.hold")
def hold(path):
    while not os.path.exists(path):
        time.sleep(0.05)

@app.task(name="line.quick")
def quick():
    pass

@app.task(name="line.again", bind=True, max_retries=3)
def again(self):
    raise self.retry(countdown=600)

@app.task(name="line.fill")
def fill(path, n):
    for _ in range(n):
        hold.apply_async((path,), queue="work")
    quick.apply_async(queue="wrok")
    quick.apply_async(queue="later", countdown=300)
    quick.apply_async(queue="later", countdown=7200)
    again.apply_async(queue="later")
"""


@pytest.fixture
def reader(redis_url: str) -> Iterator[Reader]:
    store = Store.open(redis_url, "line", timeout_s=5.0)
    yield Reader(store)
    store.close()


def test_depth_holds_and_reasons_are_those_that_were_made(
    worker: WorkerFactory, redis_url: str, reader: Reader, tmp_path: Path
) -> None:
    (tmp_path / "line.py").write_text(APP)
    gate = tmp_path / "gate"
    worker("line:app", pool="threads", concurrency=2, queues=["work"], hostname="busy@%h", cwd=tmp_path)
    worker("line:app", pool="solo", queues=["celery", "later", "unfed"], hostname="idle@%h", cwd=tmp_path)
    with Celery("sender", broker=redis_url, set_as_current=False) as sender:
        sender.send_task("line.fill", (str(gate), 9))

    def rows() -> dict[str, dict[str, Any]]:
        return {row["queue"]: row for row in reader.queues("15m")["queues"]}

    def settled() -> dict[str, dict[str, Any]] | None:
        found = rows()
        work, later = found.get("work", {}), found.get("later", {})
        done = (work.get("backlog"), work.get("held"), work.get("running")) == (3, 4, 2) and later.get("eta_held") == 3
        return found if done and work["unacked"] is not None and found.get("wrok", {}).get("backlog") == 1 else None

    found = until(settled, seconds=60, what="two run, four are held, three wait in the broker")
    work = found["work"]
    assert (work["published"], work["ended"], work["consumers"], work["notes"]) == (9, 0, 1, [])
    assert work["oldest_seconds"] > 0
    assert work["empties_in_seconds"] is None
    assert found["later"]["delivered_twice"] == 1
    assert found["wrok"]["notes"] == ["no worker consumes this queue; did you mean 'work', which is consumed?"]
    assert found["unfed"]["notes"] == ["nobody has ever published to this queue"]
    assert reader.queues("15m")["broker"]["kind"] == "redis"
    assert reader.queues("15m")["broker"]["visibility_timeout_seconds"] == 900

    told = reader.waiting("work") or {}
    because = [row["because"] for row in told["oldest"]]
    assert sorted(because) == ["broker"] * 3 + ["slot"] * 4
    assert because[:4] == ["slot"] * 4, "those that came first are held"
    assert [row["id"] for row in told["newest"]] == [row["id"] for row in told["oldest"]][::-1]
    held = told["oldest"][0]
    assert held["held_by"].startswith("busy@")
    assert [slot["task"] for slot in held["slots"]] == ["line.hold"] * 2
    assert held["seconds"] == pytest.approx(held["broker_seconds"] + held["hold_seconds"], abs=0.01)
    assert held["hold_error_seconds"] <= held["seconds"]
    alone = reader.execution(held["id"]) or {}
    assert (alone["state"], alone["waiting"]["because"], alone["waiting"]["held_by"]) == (
        "WAITING", "slot", held["held_by"],
    )  # fmt: skip

    later = {row["because"]: row for row in (reader.waiting("later") or {})["oldest"] if not row["delivered_twice"]}
    assert set(later) == {"eta", "retry"}
    assert later["retry"]["retry_backoff_seconds"] > 0
    assert 0 < later["retry"]["remaining_seconds"] <= 600
    assert 0 < later["eta"]["remaining_seconds"] <= 300
    (twice,) = [row for row in (reader.waiting("later") or {})["oldest"] if row["delivered_twice"]]
    assert twice["delivered_twice_at"] > twice["published_at"]
    (lonely,) = (reader.waiting("wrok") or {})["oldest"]
    assert (lonely["because"], lonely["held_by"]) == ("no_consumer", None)

    gate.touch()
    until(_drained(reader), seconds=60, what="the queue is empty")
    one = reader.queue("work", "15m") or {}
    over_us = parse_iso("end", one["window"]["end"]) + 10_000_000  # a point of 10 s that goes on still tells no rate
    over = reader.queue("work", "15m", now_us=over_us) or {}
    assert sum(n or 0 for n in over["series"]["in_per_second"]) * over["window"]["step_seconds"] == pytest.approx(9)
    assert sum(n or 0 for n in over["series"]["out_per_second"]) * over["window"]["step_seconds"] == pytest.approx(9)
    assert max(n or 0 for n in one["series"]["backlog"]) > 0
    assert one["empties_in_seconds"] == 0.0
    assert (one["wait_seconds"]["count"], one["tasks"][0]["task"]) == (9, "line.hold")
    assert (reader.waiting("work") or {})["oldest"] == []
    assert reader.queue("never-heard-of", "15m") is None


def _drained(reader: Reader) -> Callable[[], bool]:
    def drained() -> bool:
        row = reader.queue("work", "15m") or {}
        return bool((row["ended"], row["backlog"], row["held"], row["running"]) == (9, 0, 0, 0))

    return drained
