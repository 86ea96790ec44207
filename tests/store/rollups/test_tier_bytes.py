from __future__ import annotations

import random

from celery_monitor.store.connection import Store
from celery_monitor.store.cursor import MetricsCursor
from celery_monitor.store.rollups import tiers
from celery_monitor.store.rollups.tier_bytes import TierBytes, cost
from celery_monitor.store.rollups.tiers import TIERS


def test_a_key_costs_what_the_server_says(store: Store) -> None:
    for size in (60, 300, 1000, 5000, 20_000, 100_000):
        key, data = store.keys.rollup(60, 1_763_636_400, "tq"), random.Random(size).randbytes(size)
        store.client.set(key, data, ex=1000)

        said = store.client.memory_usage(key)
        assert said <= cost(key, data) < said * 1.1 + 80  # the entry among the expiries is not in what it says


def test_what_is_written_twice_counts_once() -> None:
    held = TierBytes()
    held.add(TIERS[0], 60, "k", None, b"x" * 1000)
    held.add(TIERS[0], 70, "k", b"x" * 1000, b"x" * 3000)

    assert held.total == cost("k", b"x" * 3000)
    assert TierBytes.load(held.dump()) == held
    assert TierBytes.load(b"broken") == TierBytes()


def test_finest_and_oldest_go_first_and_what_is_in_no_other_tier_stays() -> None:
    held = TierBytes()
    for tier, bucket in ((TIERS[1], 0), (TIERS[0], 60), (TIERS[0], 0), (TIERS[1], 600), (TIERS[4], 0)):
        held.add(tier, bucket, "k", None, b"")

    found = list(held.droppable(MetricsCursor(rolled={60: 60, 600: 600, 3600: 0, 21_600: 0})))

    assert [(tier.step_s, buckets) for tier, buckets in found] == [(10, range(0, 60, 10)), (60, range(0, 600, 60))]


def test_what_has_expired_counts_no_more() -> None:
    held = TierBytes()
    held.add(TIERS[0], 0, "k", None, b"")
    cursor = MetricsCursor(rolled={60: 0})
    held.expire(cursor, 10**6, 30)
    assert held.total, "not rolled: the server keeps it"

    cursor.rolled[60] = 60
    held.expire(cursor, 60 + TIERS[0].keep_s - 1, 30)
    assert held.total
    held.expire(cursor, 60 + TIERS[0].keep_s, 30)
    assert not held.total


def test_buckets_of_workers_are_forgotten_when_they_have_gone_which_is_earlier() -> None:
    held, day_s = TierBytes(), 86_400
    held.add(TIERS[2], 0, "k", None, b"x", tiers.WORKERS)
    held.add(TIERS[2], 0, "k", None, b"x" * 99, tiers.TASKS)
    cursor = MetricsCursor(rolled={3600: 30 * day_s})

    held.expire(cursor, 3600 + tiers.keep_s(TIERS[2], tiers.WORKERS), 30)

    assert held.total == cost("k", b"x" * 99)
    held.expire(cursor, 3600 + tiers.keep_s(TIERS[2]), 30)
    assert held.total == 0
