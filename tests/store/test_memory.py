"""A small broker, 64 MB and noeviction: whatever is pushed, what is ours stays within a fifth of it."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
import redis

from celery_monitor.errors import StoreRefused
from celery_monitor.model import Attempt, Batch
from celery_monitor.query.reader import Reader
from celery_monitor.store import inbox, memory, meta, usage
from celery_monitor.store.connection import Store
from celery_monitor.store.cursor import MetricsCursor, TasksCursor
from celery_monitor.store.fold import fold
from celery_monitor.store.memory import Budget, Memory
from celery_monitor.store.rollups import tiers
from tests.store.batches import NOW_US, agent, attempt, batch, count, gauge

MAX = 64 * 1024 * 1024
FIFTH = 0.20 * MAX
SECOND = 1_000_000


@pytest.fixture
def small(redis_url: str) -> Iterator[Store]:
    """A store on a server with 64 MB and no eviction."""
    store = Store.open(redis_url, "shop")
    meta.check(store)
    store.client.config_set("maxmemory", MAX)
    yield store
    store.client.config_set("maxmemory", 0)
    store.close()


def ours(store: Store) -> int:
    """The bytes of all our keys, measured by the server field by field."""
    keys = list(store.client.scan_iter(match="cm:*", count=5000))
    pipe = store.client.pipeline(transaction=False)
    for key in keys:
        pipe.memory_usage(key, samples=0)
    return sum(pipe.execute())


def user_writes(store: Store) -> bool:
    """Whether the broker takes a message."""
    return bool(store.client.lpush("celery", b"x" * 1000) and store.client.rpop("celery"))


def counters(n: int, names: list[str], now_us: int) -> Batch:
    """A batch in which each of many names ended once, with times of its own."""
    rng = random.Random(n)
    made = Batch(b"boot-of-an-agent", n, "host-a", now_us)
    for at, name in enumerate(names):
        row = attempt(at, task=name, at_us=now_us, started_us=now_us - SECOND, runtime_us=rng.randrange(SECOND))
        for series in (("task", name, "payments"), ("worker", f"celery@{at % 100}")):
            count(made, row, series)
    gauge(made, now_us, ("queue", "payments"), backlog=float(n))
    return made


def rows(n: int, many: int) -> list[Attempt]:
    rng = random.Random(n)
    return [attempt(n * 1000 + i, id=rng.randbytes(16), root=rng.randbytes(16)) for i in range(many)]


def test_many_names_in_many_buckets_leave_the_coarse_history_and_every_count(small: Store) -> None:
    small.rollup_bytes = 220_000
    names = [f"shop.task_{n:04d}" for n in range(150)]
    steps, most = 110, 0  # less than two hours: the server's own clock does not move, so nothing expires there
    fold(small, NOW_US)
    for n in range(1, steps + 1):
        now_us = NOW_US + n * 60 * SECOND
        inbox.send(small, counters(n, names, now_us), agent(at_us=now_us))
        fold(small, now_us + SECOND)
        if n % 10 == 0:
            most = max(most, ours(small))
        assert user_writes(small)

    found = usage.read(small, now_us)
    reader = Reader(small)
    health = reader.health(now_us)
    cursor = MetricsCursor.load(small.client.get(small.keys.cursor("m")))
    assert most < 220_000
    assert 0.8 * found.total < ours(small) < 1.1 * found.total  # the server leaves out the entries among the expiries
    assert health["stored_bytes"] == found.total < health["budget_bytes"] < FIFTH
    assert {10, 60} <= cursor.cut.keys()
    assert 3600 not in cursor.cut
    assert any("1 min go back to" in note for note in health["notes"])
    assert any("10 s dropped early" in note for note in health["notes"])
    assert sum(cell.ended for cell in reader.tasks(6 * 3600, now_us).values()) == steps * len(names)
    assert sum(cell.ended for cell in reader.lifetime(now_us).values()) == steps * len(names)


def test_what_had_to_go_is_not_written_again_by_a_late_batch(small: Store) -> None:
    small.rollup_bytes = 120_000
    names = [f"shop.task_{n:04d}" for n in range(40)]
    fold(small, NOW_US)
    for n in range(1, 41):
        now_us = NOW_US + n * 60 * SECOND
        inbox.send(small, counters(n, names, now_us), None)
        fold(small, now_us + SECOND)
    bucket = (NOW_US + 60 * SECOND) // SECOND // 10 * 10
    key = small.keys.rollup(10, bucket, tiers.TASKS)
    assert not small.client.exists(key)

    inbox.send(small, counters(99, names[:1], NOW_US + 60 * SECOND), None)
    fold(small, now_us + SECOND)

    assert not small.client.exists(key)
    assert sum(cell.ended for cell in Reader(small).tasks(3600, now_us).values()) == 40 * 40 + 1


def test_more_names_than_there_is_room_for_count_under_one(small: Store) -> None:
    small.rollup_bytes = 1024 * 1024
    names = [f"shop.task_{n:05d}" for n in range(4000)]
    for n in range(1, 4):
        inbox.send(small, counters(n, names, NOW_US), None)
        fold(small, NOW_US)

    reader = Reader(small)
    tasks = reader.tasks(60, NOW_US)
    assert sum(cell.ended for cell in tasks.values()) == 12_000
    assert tasks[tiers.OTHER].ended > 10_000
    assert sum(cell.ended for cell in reader.lifetime(NOW_US).values()) == 12_000
    assert reader.queue_names(NOW_US) == ["payments"]
    assert ours(small) < 1024 * 1024


def test_executions_go_the_oldest_first_and_their_index_with_them(small: Store) -> None:
    for n in range(1, 301):
        inbox.send(small, batch(n, rows(n, 1000)), None)
        if n % 5 == 0:
            fold(small, NOW_US)
            assert user_writes(small)

    found = usage.read(small, NOW_US)
    cursor = TasksCursor.load(small.client.get(small.keys.cursor("t"))).executions
    assert cursor.first > 1
    assert ours(small) == pytest.approx(found.total, rel=0.1)
    assert 0.08 * MAX < ours(small) < 0.15 * MAX
    assert Reader(small).lifetime(NOW_US)["task", "shop.charge", "payments"].ended == 300_000


def test_an_inbox_that_nobody_folds_is_full_and_loses_no_counters(small: Store) -> None:
    rng = random.Random(1)
    sent = 0
    with pytest.raises(StoreRefused, match="does nobody fold"):
        for n in range(1, 20_000):
            many = rng.choice([1, 1, 1, 20, 200])  # entries of a few hundred bytes and of many thousand, mixed
            inbox.send(small, batch(n, rows(n, many)), agent())
            sent += many
    assert user_writes(small)
    mine = memory.budget(small, memory.read(small))
    size = [small.client.memory_usage(key, samples=0) for key in (small.keys.inbox_metrics, small.keys.inbox_tasks)]
    assert size[0] < 1.1 * mine.counters_inbox
    assert size[1] < 1.1 * mine.rows_inbox
    assert ours(small) < 1.1 * (mine.counters_inbox + mine.rows_inbox)
    assert small.dropped["executions: the inbox is full"] > 0
    late = NOW_US + 3600 * SECOND
    assert any("wait to be folded" in note for note in Reader(small).health(late)["notes"])

    fold(small, NOW_US)

    assert Reader(small).lifetime(NOW_US)["task", "shop.charge", "payments"].ended == sent
    assert usage.read(small, NOW_US).inbox == 0


def test_an_empty_inbox_takes_a_batch_of_any_size(small: Store) -> None:
    small.rollup_bytes = small.executions_bytes = 20_000
    inbox.send(small, batch(1, rows(1, 3000)), None)
    with pytest.raises(StoreRefused, match="does nobody fold"):
        inbox.send(small, counters(2, [f"task-{n}" for n in range(500)], NOW_US), None)

    assert small.client.xlen(small.keys.inbox_metrics) == small.client.xlen(small.keys.inbox_tasks) == 1


def test_a_server_that_the_user_has_filled_gets_our_executions_room_back(small: Store) -> None:
    for n in range(1, 151):
        inbox.send(small, batch(n, rows(n, 1000)), None)
        if n % 5 == 0:
            fold(small, NOW_US)
    client: redis.Redis = small.client
    before = ours(small)
    with pytest.raises(redis.ResponseError, match="maxmemory"):
        for n in range(MAX // 100_000):
            client.set(f"user:{n}", random.Random(n).randbytes(100_000))

    fold(small, NOW_US)

    assert ours(small) < before / 3
    assert client.set("user:more", b"x" * 100_000)


def test_a_state_with_many_running_attempts_names_fewer_of_them(small: Store) -> None:
    running = [
        {"id": f"{n}", "uid": f"{n:024x}", "run": "", "task": "shop.charge", "queue": "payments", "started_us": NOW_US,
         "pid": 1} for n in range(500)
    ]  # fmt: skip
    small.agents = 400
    inbox.send(small, None, agent(running=running))

    state = Reader(small).latest()[0]
    assert 0 < len(state["running"]) < 500
    assert state["hostname"] == "celery@a"
    assert small.client.memory_usage(small.keys.live, samples=0) < 3_000


def test_shares_never_exceed_a_fifth() -> None:
    store = Store.open("redis://h", "shop")
    for max_bytes in (8_000_000, MAX, 10**9, 16 * 10**9):
        mine = memory.budget(store, Memory(0, max_bytes))
        for rest in (0, 10_000, mine.counters // 2, mine.counters):
            total = mine.blocks(rest) + mine.rows_inbox + mine.counters_inbox + mine.rollups(rest) + rest
            assert total <= 0.20 * max_bytes
    assert memory.budget(store, Memory()) == Budget(256 * 1024 * 1024, 128 * 1024 * 1024, 64 * 1024 * 1024)
