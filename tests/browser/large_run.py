"""A run of ten thousand steps, handed in to a store as agents do: a chord of a great many, and a group of chains."""

from __future__ import annotations

from typing import Any, Final

from celery_monitor.model import Batch
from celery_monitor.signals.record import State, unpack_id
from celery_monitor.store import inbox
from celery_monitor.store.connection import Store
from tests.store.batches import attempt, batch, publish, task_id

SECOND: Final = 1_000_000
STEPS: Final = 10_000
CHAINS: Final = 1_000
"""Of two steps each."""
ROWS: Final = STEPS - 2 * CHAINS - 2
FAILED: Final = 3
FIRST: Final = 1_000_000
"""Number of the first step: others' tests number theirs from 0."""
_AT_ONCE: Final = 1_000


def hand_in(store: Store, end_us: int, *, lasting: bool = False) -> str:
    """Put the run into a store that somebody folds; return its id. Of one that is lasting the last step waits."""
    first = FIRST + 2 * STEPS * lasting
    run = task_id(first - 1)
    rows = [
        attempt(
            first + n, at_us=end_us - behind * SECOND // 1000, run=run, workflow="ten thousand", queue="orders", **of
        )
        for n, (behind, of) in enumerate(_steps(first)[: STEPS - lasting])
    ]
    for number, at in enumerate(range(0, len(rows), _AT_ONCE), 1):
        boot = b"a-lasting-run-it" if lasting else b"of-ten-thousand!"
        made: Batch = batch(number, rows[at : at + _AT_ONCE], boot=boot, at_us=end_us)
        made.metrics.cells.clear()  # figures of other pages are not of this run
        if lasting and at == 0:
            made.publishes = [publish(first + STEPS, at_us=end_us, run=run, workflow="ten thousand", task="big.more")]
        inbox.send(store, made, None)
    return unpack_id(run)


def id_of(step: int) -> str:
    """Return the id of a step of the run that is over, by its number: 0 is the plan, the rows follow."""
    return unpack_id(task_id(FIRST + step))


def _steps(first_number: int) -> list[tuple[int, dict[str, Any]]]:
    """Return how long before the run's end each step ended (ms), and what it is."""
    group, first = task_id(first_number - 2), task_id(first_number)
    steps: list[tuple[int, dict[str, Any]]] = [(60_000, {"task": "big.plan"})]
    for n in range(ROWS):
        failed = {"state": int(State.FAILURE), "exception": "ValueError"} if n < FAILED else {}
        steps.append((50_000 - 3 * n, {"task": "big.row", "parent": first, "group": group, **failed}))
    last = task_id(first_number + ROWS)
    steps.append((1_000, {"task": "big.sum", "parent": last, "group": group}))
    for n in range(CHAINS):
        steps.append((55_000 - n, {"task": "big.load", "parent": first}))
        steps.append((50_000 - n, {"task": "big.keep", "parent": task_id(first_number + len(steps) - 1)}))
    return steps
