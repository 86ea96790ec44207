from __future__ import annotations

import random

import pytest
import redis

from celery_monitor.errors import StoreRefused
from celery_monitor.model import Metrics
from celery_monitor.query.reader import Reader
from celery_monitor.store import inbox, live
from celery_monitor.store.connection import Store
from celery_monitor.store.encoding import packing, tallies
from celery_monitor.store.encoding.packing import Undecodable
from celery_monitor.store.fold import fold
from tests.store.batches import NOW_US, agent, attempt, batch, gauge, publish


def dumped(metrics: Metrics) -> object:
    cells = {b: {s: c.dump() for s, c in row.items()} for b, row in metrics.cells.items()}
    gauges = {b: {s: {n: g.dump() for n, g in r.items()} for s, r in row.items()} for b, row in metrics.gauges.items()}
    return cells, gauges


def fill(store: Store, ratio: float) -> None:
    """Set the limit so that the share used is `ratio`."""
    store.client.config_set("maxmemory", int(store.client.info("memory")["used_memory"] / ratio))
    store.room = None


def test_counters_come_back_as_they_went() -> None:
    made = batch(1, [attempt(1), attempt(2, task="shop.mail", exception="ValueError")], [publish(1)])
    gauge(made, NOW_US, ("queue", "payments"), backlog=7.0, oldest_s=1.5)

    assert dumped(inbox.decode_metrics(inbox.encode_metrics(made.metrics))) == dumped(made.metrics)


@pytest.mark.parametrize(
    "broken",
    [
        [1, [], []],
        [1, [*tallies.encode({})[:3], "no errors"], []],
        [1, tallies.encode({}), [[10, [[["queue", "q"], {"backlog": [1, "x", 0, 0, 0, 0]}]]]]],
        [2, [], []],
        "nonsense",
    ],
)
def test_broken_counters_are_refused(broken: object) -> None:
    with pytest.raises(Undecodable):
        inbox.decode_metrics(packing.deflate(packing.pack(broken)))


def test_a_flush_is_one_command(store: Store) -> None:
    inbox.send(store, batch(1, [attempt(1)]), agent())  # asks for the server's memory, once in a while
    before = store.client.info("commandstats")

    inbox.send(store, batch(2, [attempt(2)], [publish(2)]), agent())

    after = store.client.info("commandstats")
    calls = {
        name.removeprefix("cmdstat_"): stat["calls"] - before.get(name, {"calls": 0})["calls"]
        for name, stat in after.items()
        if name != "cmdstat_info"
    }
    within = {"xadd": 2, "xlen": 2, "hset": 3, "hget": 2, "get": 1}
    assert {name: n for name, n in calls.items() if n} == {"evalsha": 1, **within}


def test_an_empty_batch_adds_no_entry(store: Store) -> None:
    inbox.send(store, batch(1), agent())

    assert not store.client.exists(store.keys.inbox_metrics, store.keys.inbox_tasks)
    assert len(live.agents(store)) == 1


def test_above_seventy_percent_executions_are_left_out_and_counted(store: Store) -> None:
    fill(store, 0.78)
    try:
        inbox.send(store, batch(1, [attempt(1)], [publish(1)]), agent(dropped={"ring full": 1}))
    finally:
        store.client.config_set("maxmemory", 0)
    inbox.send(store, None, agent(dropped={"ring full": 1}))

    assert store.client.xlen(store.keys.inbox_metrics) == 1
    assert not store.client.exists(store.keys.inbox_tasks)
    assert sum((live.agents(store)[0].get("dropped") or {}).values()) == 3


def test_above_eighty_five_percent_nothing_is_added_but_the_heartbeat(store: Store) -> None:
    fill(store, 0.92)
    try:
        with pytest.raises(StoreRefused, match="of maxmemory is used"):
            inbox.send(store, batch(1, [attempt(1)]), agent())
    finally:
        store.client.config_set("maxmemory", 0)

    assert not store.client.exists(store.keys.inbox_metrics, store.keys.inbox_tasks)
    assert len(live.agents(store)) == 1


def test_when_nobody_folds_the_inbox_stays_within_its_share(store: Store) -> None:
    store.client.config_set("maxmemory", 64 * 1024 * 1024)
    rng = random.Random(1)
    try:
        for n in range(1, 1501):
            rows = [attempt(n * 100 + i, id=rng.randbytes(16), message=rng.randbytes(20).hex()) for i in range(50)]
            inbox.send(store, batch(n, rows, at_us=NOW_US), None)
        size = sum(
            store.client.memory_usage(key, samples=0) for key in (store.keys.inbox_tasks, store.keys.inbox_metrics)
        )
    finally:
        store.client.config_set("maxmemory", 0)

    assert size < 0.06 * 64 * 1024 * 1024
    assert store.client.xlen(store.keys.inbox_tasks) > 100


def test_a_small_broker_under_full_load_keeps_accepting_its_tasks(store: Store) -> None:
    """64 MB, noeviction, half of it the user's own: we fold and hand in as fast as we can, the user always gets in."""
    client: redis.Redis = store.client
    client.config_set("maxmemory", 64 * 1024 * 1024)
    rng = random.Random(1)
    try:
        for n in range(30):
            client.set(f"user:{n}", rng.randbytes(1024 * 1024))
        for n in range(1, 601):
            rows = [attempt(n * 500 + i, id=rng.randbytes(16), message=rng.randbytes(30).hex()) for i in range(150)]
            inbox.send(store, batch(n, rows), None)
            client.lpush("celery", b"x" * 1000)
            client.rpop("celery")
            if n % 20 == 0:
                fold(store, NOW_US)
        used = client.info("memory")["used_memory"]
        stored = Reader(store).health(NOW_US)["stored_bytes"]
    finally:
        client.config_set("maxmemory", 0)

    assert used < 0.75 * 64 * 1024 * 1024
    assert stored < 0.16 * 64 * 1024 * 1024
    assert Reader(store).lifetime(NOW_US)["task", "shop.charge", "payments"].ended == 600 * 150


def test_a_state_that_is_too_large_loses_its_children_before_what_it_runs(store: Store) -> None:
    running = [
        {"uid": f"{n:024x}", "id": str(n), "run": "", "task": "t", "queue": "q", "pid": 1, "started_us": 1}
        for n in range(5)
    ]  # fmt: skip
    children = [{"pid": n, "rss_bytes": 10**9, "switches": 10**6} for n in range(60)]
    store.agents = 10**6  # so many that each may have 2000 bytes
    inbox.send(store, None, agent(running=running, children=children))
    (state,) = live.agents(store)
    assert len(state["running"]) == 5
    assert 0 < len(state["children"]) < 60
