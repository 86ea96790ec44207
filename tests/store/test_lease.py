from __future__ import annotations

import time

from celery_monitor.store import lease
from celery_monitor.store.connection import Store
from tests.waiting import until


def test_one_holds_it_and_the_other_does_not(store: Store) -> None:
    held = lease.take(store, "a", 10.0)

    assert held is not None
    assert lease.take(store, "b", 10.0) is None
    held.release()
    assert lease.take(store, "b", 10.0) is not None


def test_its_clock_is_the_servers(store: Store) -> None:
    held = lease.take(store, "a", 10.0)

    assert held is not None
    assert abs(held.now_us / 1e6 - time.time()) < 5
    assert 0 <= lease.now_us(store) - held.now_us < 5_000_000


def test_it_runs_out_by_itself_and_a_late_release_harms_nobody(store: Store) -> None:
    late = lease.take(store, "a", 0.02)
    until(lambda: not store.client.exists(store.keys.lease))
    held = lease.take(store, "b", 10.0)
    assert late is not None
    assert held is not None

    late.release()

    assert lease.take(store, "c", 10.0) is None
