"""Batches whose counters an agent's own code has made of their rows."""

from __future__ import annotations

from collections.abc import Sequence

from celery_monitor.agent import tally
from celery_monitor.model import Attempt, Batch, Publish
from celery_monitor.signals.record import State
from celery_monitor.store import inbox
from celery_monitor.store.connection import Store
from celery_monitor.store.fold import fold
from tests.store.batches import BOOT, NOW_US, attempt

FINGERPRINT = "9f86d081884c7d65"
SECOND = 1_000_000


def counted(n: int, attempts: Sequence[Attempt] = (), publishes: Sequence[Publish] = ()) -> Batch:
    """Return batch number `n` of an agent."""
    made = Batch(BOOT, n, "host-a", NOW_US, attempts=list(attempts), publishes=list(publishes))
    for row in attempts:
        tally.count(made.metrics, row)
    for message in publishes:
        tally.publish(made.metrics, message)
    workers = {row.worker for row in attempts}
    if len(workers) == 1:
        (made.metrics.worker,) = workers
    else:  # an agent has one worker; of a batch of several the fold does not know whose is what
        for row in attempts:
            tally.add(made.metrics, row, [("worker", row.worker)])
    return made


def failed(n: int, seconds_ago: float, *, at_us: int = NOW_US, **fields: object) -> Attempt:
    """Return an attempt that failed."""
    error = {
        "state": int(State.FAILURE), "exception": "PaymentDeclined", "message": "card 4000 declined",
        "traceback": "Traceback ...\nPaymentDeclined: card 4000 declined", "fingerprint": FINGERPRINT,
    }  # fmt: skip
    return attempt(n, at_us=at_us - round(seconds_ago * SECOND), **{**error, **fields})


def hand_in(store: Store, *batches: Batch, folded: bool = True, now_us: int = NOW_US) -> None:
    """Send batches, and fold them."""
    for made in batches:
        inbox.send(store, made, None)
    if folded:
        fold(store, now_us)
