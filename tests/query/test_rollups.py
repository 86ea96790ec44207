from __future__ import annotations

import threading

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from celery_monitor.query.reader import Reader
from celery_monitor.query.rollups import RollupReader, Want
from celery_monitor.store import inbox
from celery_monitor.store.connection import Store
from celery_monitor.store.fold import fold
from tests.store.batches import NOW_US, attempt, batch

SECOND = 1_000_000
NOW_S = NOW_US // SECOND


def ends(reader: RollupReader, now_us: int, seconds: int) -> int:
    end = now_us // SECOND + 10
    want = Want("tq", (now_us // SECOND - seconds) // 10 * 10, end)
    return sum(cell.ended for cell in reader.read([want], now_us).total(want).values())


def test_readers_see_every_batch_exactly_once_while_the_fold_runs(store: Store, redis_url: str) -> None:
    stop, sent = threading.Event(), [0]
    folding = Store.open(redis_url, "shop")

    def work() -> None:
        while not stop.is_set():
            fold(folding, NOW_US)

    thread = threading.Thread(target=work)
    thread.start()
    reader = Reader(store)
    try:
        for n in range(1, 151):
            inbox.send(store, batch(n, [attempt(n)]), None)
            assert reader.tasks(60, NOW_US)["shop.charge"].ended == n
            sent[0] = n
    finally:
        stop.set()
        thread.join()
        folding.close()
    assert sent == [150]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 600)), min_size=1, max_size=12))
def test_a_reader_with_a_cache_sees_what_a_new_one_sees(redis_url: str, steps: list[tuple[int, int]]) -> None:
    """Time goes on, data comes at once or late, folds happen: the cache is never behind."""
    store = Store.open(redis_url, "cached")
    store.client.flushdb()
    old = RollupReader(store)
    now_us = NOW_US
    fold(store, now_us)

    for n, (age_s, later_s) in enumerate(steps, 1):
        now_us += later_s * SECOND
        inbox.send(store, batch(n, [attempt(n, at_us=now_us - age_s * SECOND)]), None)
        fold(store, now_us)
        for seconds in (600, 9000):
            assert ends(old, now_us, seconds) == ends(RollupReader(store), now_us, seconds)
        assert ends(old, now_us, 14_000) == n
    store.close()


def test_a_flushed_store_is_noticed(store: Store) -> None:
    reader = Reader(store)
    fold(store, NOW_US - 300 * SECOND)
    inbox.send(store, batch(1, [attempt(1, at_us=NOW_US - 200 * SECOND)]), None)
    fold(store, NOW_US)
    assert reader.tasks(600, NOW_US)["shop.charge"].ended == 1

    store.client.flushdb()

    assert reader.tasks(600, NOW_US) == {}
