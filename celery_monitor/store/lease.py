"""Who ticks: a lease that saves work; correctness comes from the fold's compare-and-set."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from celery_monitor.store.commit import run_script
from celery_monitor.store.connection import Store


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease held.

    Attributes:
        now_us: the server's clock when it was taken; the only `now` of fold, sweep and judge.
    """

    store: Store
    token: str
    now_us: int

    def release(self) -> None:
        """Give it back; harmless when it has run out."""
        run_script(self.store, "release", [self.store.keys.lease], [self.token])


def take(store: Store, owner: str, hold_s: float) -> Lease | None:
    """Return the lease, or None while somebody else holds it.

    Parameters:
        owner: who asks (boot, hex); shown to people who look into Redis.
        hold_s: seconds after which it runs out by itself.

    Raises:
        StoreError: the store cannot be reached or refuses.
    """
    token = f"{owner}:{secrets.token_hex(8)}"
    taken, seconds, micros = run_script(store, "take", [store.keys.lease], [token, int(hold_s * 1000)])
    return Lease(store, token, int(seconds) * 1_000_000 + int(micros)) if taken else None


def now_us(store: Store) -> int:
    """Return the server's clock in us."""
    with store.translated():
        seconds, micros = store.time()
    return seconds * 1_000_000 + micros
