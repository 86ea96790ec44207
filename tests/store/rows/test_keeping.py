"""How the tick finds the rate at which the bytes hold as long as is wished, on a real server."""

from __future__ import annotations

from typing import Any

import pytest

from celery_monitor.agent.keeping import Keeping
from celery_monitor.store import inbox, live
from celery_monitor.store.connection import Store
from celery_monitor.store.fold import fold
from celery_monitor.store.rows import keeping
from tests.store.batches import NOW_US, attempt, batch, publish

SECOND = 1_000_000


def pace(one_in: int = 1, since_us: int = 0) -> Any:
    return {"one_in": one_in, "one_in_us": since_us}


@pytest.mark.parametrize(
    ("one_in", "holds_s", "since_s", "expected"),
    [
        (1, 100, 0, 1),
        (1, 99, 0, 2),
        (1, 26, 0, 4),
        (1, 0.001, 0, 16),
        (8, 99, 0, 16),
        (1024, 1, 0, 1024),
        (8, 1000, 299, 8),
        (8, 1000, 301, 4),
        (8, 259, 301, 8),
        (1, 1e9, 1e9, 1),
    ],
)
def test_less_is_kept_at_once_and_more_after_a_while(
    one_in: int, holds_s: float, since_s: float, expected: int
) -> None:
    assert keeping.following(one_in, holds_s, 100, since_s) == expected


def test_a_full_store_keeps_fewer_runs_until_its_executions_reach_far_enough(redis_url: str) -> None:
    store = Store.open(redis_url, "busy", executions_bytes=2_500_000)
    agent, one_in, told = Keeping(), 1, None
    n = 0
    for second in range(0, 600, 10):
        now = NOW_US + second * SECOND
        rows = [attempt(n + k, at_us=now - k) for k in range(2000)]
        made = batch(second + 1, rows, [publish(n + k, at_us=now - k) for k in range(2000)], at_us=now)
        n += 2000
        agent.one_in = one_in
        agent.thin(made)
        inbox.send(store, made, None)
        fold(store, now)
        one_in, since = keeping.decide(store, told, 0.5, now)
        told = pace(one_in, since)
    assert 4 <= one_in <= 64
    assert (one_in & (one_in - 1)) == 0
    store.close()


def test_a_store_with_room_keeps_all_and_hours_of_zero_too(store: Store) -> None:
    inbox.send(store, batch(1, [attempt(k) for k in range(5000)]), None)
    fold(store, NOW_US)
    assert keeping.decide(store, None, 720.0, NOW_US) == (1, 0)
    assert keeping.decide(store, pace(8, 5), 0.0, NOW_US) == (1, NOW_US)


@pytest.mark.parametrize(("told", "one_in"), [(8, 8), (10, 8), (0, 1), (-4, 1), ("8", 1), (1 << 60, 1 << 20)])
def test_agents_read_powers_of_two(store: Store, told: Any, one_in: int) -> None:
    live.set_pace(store, {"folded_us": NOW_US, "agents": 1, "one_in": told})  # type: ignore[typeddict-item]
    found = live.pace(store)
    assert found is not None
    assert found["one_in"] == one_in
