"""A thousand workers and five hundred task names, handed in to a store as agents do."""

from __future__ import annotations

from typing import Final

from celery_monitor.signals.record import State
from celery_monitor.store import inbox, lease, meta
from celery_monitor.store.connection import Store
from celery_monitor.store.fold import fold
from tests import fleet

WORKERS: Final = 1_000
NAMES: Final = 500
_A_HOST: Final = 8


def worker(n: int) -> str:
    """Return the name of a worker."""
    return f"celery@worker-{n:04}"


def task(n: int) -> str:
    """Return the name of a task."""
    return f"big.module_{n % 20}.task_{n:03}"


def hand_in(store: Store) -> None:
    """Put the fleet into an empty store, and fold it."""
    meta.check(store)
    now_us = lease.now_us(store)
    made = fleet.batch(now_us)
    for n in range(NAMES):
        fleet.add(made, task(n), "payments", State.FAILURE if n % 50 == 0 else State.SUCCESS, now_us)
    inbox.send(store, made, None)
    for n in range(WORKERS):
        boot, host = f"{n + 1:032x}", f"host-{n // _A_HOST}"
        inbox.send(store, None, fleet.worker(now_us, boot=boot, hostname=worker(n), host=host, interval_s=60.0))
    fold(store, lease.now_us(store))
