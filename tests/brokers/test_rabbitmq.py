"""Queues of a real RabbitMQ: what a passive declare says, what its management API adds, and a whole worker on it."""

from __future__ import annotations

import doctest
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from celery_monitor.brokers import rabbitmq as module
from celery_monitor.brokers.sample import QueueSample
from celery_monitor.brokers.sampler import Sampler, sample
from celery_monitor.query.reader import Reader
from celery_monitor.signals import timestamps
from celery_monitor.store.connection import Store
from tests.conftest import WorkerFactory
from tests.rabbit import Rabbit
from tests.waiting import until

pytestmark = pytest.mark.timeout(300)  # a loaded machine takes its time to start all of it

APP = """
import os, time
from celery import Celery
from celery_monitor import Monitor

app = Celery("shop")
app.conf.monitor_tick_interval = 1
app.conf.monitor_flush_interval = 0.2
app.conf.monitor_queue_interval = 1
app.conf.monitor_resource_interval = 1
app.conf.result_backend = None
Monitor(app)

@app.task(name="shop.pack")
def pack(fails):
    if fails:
        raise ValueError("no box")

@app.task(name="shop.hold")
def hold(gate):
    while not os.path.exists(gate):
        time.sleep(0.05)

@app.task(name="shop.spread")
def spread(n, bad):
    for at in range(n):
        pack.apply_async((at < bad,), queue="packing")
    app.send_task("shop.label", queue="packign")
"""


@pytest.fixture(scope="module")
def rabbit() -> Iterator[Rabbit]:
    with Rabbit() as node:
        yield node


@pytest.fixture
def app(rabbit: Rabbit, request: pytest.FixtureRequest) -> Iterator[Celery]:
    """An app on a virtual host of its own, whose messages carry AMQP's timestamp."""
    made = Celery("shop", broker=rabbit.vhost(f"v{abs(hash(request.node.name))}"), set_as_current=False)
    timestamps.connect()
    yield made
    timestamps.disconnect()
    made.close()


@contextmanager
def taken(app: Celery, queue: str, n: int) -> Iterator[list[Any]]:
    """Take messages and hold them; they go back at the end."""
    with app.connection_for_read() as connection:
        bound = app.amqp.queues[queue].bind(connection.channel())
        bound.declare()
        messages = [bound.get() for _ in range(n)]
        assert None not in messages
        yield messages


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(module).failed == 0


def test_a_passive_declare_gives_what_is_ready_and_changes_nothing(app: Celery, rabbit: Rabbit) -> None:
    for _ in range(5):
        app.send_task("shop.mail", queue="mail")
    with taken(app, "mail", 2):
        before = {(queue["vhost"], queue["name"]) for queue in rabbit.ask("/queues")}

        found = sample(app, ["mail", "nowhere"])

        assert found["mail"] == QueueSample(backlog=3, consumers=0)
        assert found["nowhere"] == QueueSample(note="the broker knows no such queue")
        assert {(queue["vhost"], queue["name"]) for queue in rabbit.ask("/queues")} == before


def test_the_management_api_adds_what_is_held_and_the_age_of_the_oldest(app: Celery, rabbit: Rabbit) -> None:
    began = time.time()
    for _ in range(5):
        app.send_task("shop.mail", queue="mail")
    sampler = Sampler(app, rabbit.api)

    def told() -> dict[str, QueueSample] | None:
        found = sampler.sample(["mail", "empty", "nowhere"])
        return found if found["mail"].unacked == 2 and found["mail"].oldest_s is not None else None

    with taken(app, "empty", 0), taken(app, "mail", 2):
        found = until(told, what="statistics of the management API, up to 5 s old")
    sampler.close()
    assert found["mail"].backlog == 3
    assert 0 <= (found["mail"].oldest_s or 0) <= time.time() - began + 1
    assert (found["empty"].backlog, found["empty"].oldest_s) == (0, 0.0)
    assert found["nowhere"].gauges() == {}
    with taken(app, "mail", 5) as messages:
        again = [message.delivery_info["redelivered"] for message in messages]
    assert sorted(again) == [False] * 3 + [True] * 2, "those that were taken; nobody peeked at the others"


def test_without_a_timestamp_the_age_is_unknown(app: Celery, rabbit: Rabbit) -> None:
    timestamps.disconnect()
    app.send_task("shop.mail", queue="mail")
    sampler = Sampler(app, rabbit.api)

    found = until(lambda: _known(sampler, "mail"), what="statistics of the management API")

    assert (found.backlog, found.unacked, found.oldest_s) == (1, 0, None)
    sampler.close()


def _known(sampler: Sampler, queue: str) -> QueueSample | None:
    found = sampler.sample([queue])[queue]
    return found if found.unacked is not None else None


@pytest.mark.parametrize("path", ["http://guest:wrong@127.0.0.1:{port}", "http://127.0.0.1:1"])
def test_a_management_api_that_refuses_leaves_the_depth_and_says_so(app: Celery, rabbit: Rabbit, path: str) -> None:
    app.send_task("shop.mail", queue="mail")
    sampler = Sampler(app, path.format(port=rabbit.api.rsplit(":", 1)[1]))

    found = sampler.sample(["mail"])["mail"]

    assert (found.backlog, found.unacked, found.oldest_s) == (1, None, None)
    assert (found.note or "").startswith("management API not readable")
    assert "wrong" not in (found.note or "")
    sampler.close()


def test_a_user_s_own_timestamp_stays(app: Celery) -> None:
    app.send_task("shop.mail", queue="mail", timestamp=1_500_000_000)

    with taken(app, "mail", 1) as (message,):
        assert message.properties["timestamp"] == 1_500_000_000


def test_a_worker_on_rabbitmq_has_its_totals_its_queues_and_its_holds(
    rabbit: Rabbit, worker: WorkerFactory, redis_url: str, tmp_path: Path
) -> None:
    broker = rabbit.vhost("whole")
    (tmp_path / "onrabbit.py").write_text(APP)
    env = {"CELERY_BROKER_URL": broker, "CELERY_MONITOR_URL": redis_url, "CELERY_MONITOR_RABBITMQ_API": rabbit.api}
    worker("onrabbit:app", queues=["celery", "packing"], env=env, cwd=tmp_path)
    with Celery("sender", broker=broker, set_as_current=False) as sender:
        sender.send_task("shop.spread", (40, 3))
    store = Store.open(redis_url, "shop", timeout_s=5.0)
    reader = Reader(store)

    def ended() -> dict[str, Any] | None:
        found = {row["task"]: row for row in reader.summary("15m")["tasks"]}
        return found if found.get("shop.pack", {}).get("ended") == 40 and "shop.spread" in found else None

    tasks = until(ended, seconds=60, what="all have ended")
    assert (tasks["shop.pack"]["published"], tasks["shop.pack"]["succeeded"], tasks["shop.pack"]["failed"]) == (
        40,
        37,
        3,
    )
    assert tasks["shop.pack"]["errors"] == {"ValueError": 3}
    assert tasks["shop.spread"]["succeeded"] == 1
    quiet = {**dict.fromkeys(("backlog", "unacked", "held", "eta_held", "running"), 0.0), "consumers": 1.0}
    comes_to(reader, "packing", {**quiet, "oldest_s": 0.0})

    gate = tmp_path / "gate"
    with Celery("sender", broker=broker, set_as_current=False) as sender:
        for _ in range(12):  # 2 run, and are acknowledged when they start; 4 for each slot may be held
            sender.send_task("shop.hold", (str(gate),), queue="packing")
    comes_to(reader, "packing", {**quiet, "backlog": 2.0, "unacked": 8.0, "held": 8.0, "running": 2.0})
    comes_to(reader, "packign", {"backlog": 1.0, "unacked": 0.0, "consumers": 0.0})
    rows = {row["queue"]: row for row in reader.queues("15m")["queues"]}
    assert reader.queues("15m")["broker"]["kind"] == "amqp"
    assert rows["packign"]["notes"] == ["no worker consumes this queue; did you mean 'packing', which is consumed?"]
    because = [row["because"] for row in (reader.waiting("packing") or {})["oldest"]]
    assert because == ["slot"] * 8, "who sent them has no Monitor: the two in the broker are not known by id"
    gate.touch()
    comes_to(reader, "packing", quiet)
    store.close()


def comes_to(reader: Reader, queue: str, levels: dict[str, float]) -> None:
    """Wait until the last sample of a queue has these levels, whatever else it has."""

    def told() -> dict[str, float]:
        return {name: level for name, level in reader.queues_now().get(queue, {}).items() if name in levels}

    try:
        until(lambda: told() == levels, seconds=90)
    except AssertionError as error:
        raise AssertionError(f"{queue}: {levels}, not {told()}") from error
