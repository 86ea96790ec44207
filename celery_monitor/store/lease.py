"""Who ticks: a lease that saves work; correctness comes from the fold's compare-and-set."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import Final

from celery_monitor.store.commit import run_script
from celery_monitor.store.connection import Store

_TOKEN: Final = re.compile(rb".*:[0-9a-f]{16}", re.DOTALL)


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


def trouble(store: Store) -> str | None:
    """Return what is under the lease's key that is no lease, so that nobody ticks while it is there; None for nothing.

    Ours has a token of a form of its own, and runs out.
    """
    key = store.keys.lease
    with store.translated():
        pipe = store.client.pipeline(transaction=False)
        pipe.type(key)
        pipe.pttl(key)
        kind, left_ms = pipe.execute()
        if kind == b"string":
            held = store.client.get(key)
            if held is None or (left_ms >= 0 and _TOKEN.fullmatch(held)):
                return None
            told = f"{held[:40]!r}"
        elif kind == b"none":
            return None
        else:
            told = f"a {kind.decode()}"
    return f"{key} holds {told}, not our lease: nobody ticks; remove or rename it, or set monitor_namespace"


def now_us(store: Store) -> int:
    """Return the server's clock in us."""
    with store.translated():
        seconds, micros = store.time()
    return seconds * 1_000_000 + micros
