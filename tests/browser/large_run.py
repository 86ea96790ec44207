"""A run of ten thousand steps, handed in to a store as agents do: a chord of a great many, and a group of chains."""

from __future__ import annotations

from typing import Any, Final

from celery_monitor.model import Batch
from celery_monitor.signals.record import State, unpack_id
from celery_monitor.store import inbox
from celery_monitor.store.connection import Store
from tests.store.batches import attempt, batch, task_id

SECOND: Final = 1_000_000
STEPS: Final = 10_000
CHAINS: Final = 1_000
"""Of two steps each."""
ROWS: Final = STEPS - 2 * CHAINS - 2
FAILED: Final = 3
FIRST: Final = 1_000_000
"""Number of the first step: others' tests number theirs from 0."""
_AT_ONCE: Final = 1_000


def hand_in(store: Store, end_us: int) -> str:
    """Put the run into a store that somebody folds; return its id."""
    run = task_id(FIRST - 1)
    rows = [
        attempt(
            FIRST + n, at_us=end_us - behind * SECOND // 1000, run=run, workflow="ten thousand", queue="orders", **of
        )
        for n, (behind, of) in enumerate(_steps())
    ]
    for number, at in enumerate(range(0, len(rows), _AT_ONCE), 1):
        made: Batch = batch(number, rows[at : at + _AT_ONCE], boot=b"of-ten-thousand!", at_us=end_us)
        made.metrics.cells.clear()  # figures of other pages are not of this run
        inbox.send(store, made, None)
    return unpack_id(run)


def _steps() -> list[tuple[int, dict[str, Any]]]:
    """Return how long before the run's end each step ended (ms), and what it is."""
    group, first = task_id(FIRST - 2), task_id(FIRST)
    steps: list[tuple[int, dict[str, Any]]] = [(60_000, {"task": "big.plan"})]
    for n in range(ROWS):
        failed = {"state": int(State.FAILURE), "exception": "ValueError"} if n < FAILED else {}
        steps.append((50_000 - 3 * n, {"task": "big.row", "parent": first, "group": group, **failed}))
    last = task_id(FIRST + ROWS)
    steps.append((1_000, {"task": "big.sum", "parent": last, "group": group}))
    for n in range(CHAINS):
        steps.append((55_000 - n, {"task": "big.load", "parent": first}))
        steps.append((50_000 - n, {"task": "big.keep", "parent": task_id(FIRST + len(steps) - 1)}))
    return steps
