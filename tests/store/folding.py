"""An aggregator that is killed again and again: forks folds of one namespace and ends each at a random moment.

``python -m tests.store.folding URL NAMESPACE SEED KILLS BEGUN`` prints how many it has killed. Its clock runs a hundred
times too fast, so that buckets are rolled up between two kills; BEGUN is the monotonic time at which it showed NOW_US.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from typing import Final

from celery_monitor.errors import StoreError
from celery_monitor.store.connection import Store
from celery_monitor.store.fold import fold
from tests.store.batches import NOW_US

HASTE: Final = 100
_LEAST_S: Final = 0.02
_FACTOR: Final = 1.5
"""A killed fold that committed nothing gives the next one so much longer, however busy the machine is."""


def clock(begun: float) -> int:
    """Return the time that all processes of the test agree on, in us."""
    return NOW_US + int((time.monotonic() - begun) * HASTE * 1_000_000)


def fold_for_ever(url: str, namespace: str, begun: float) -> None:
    """Fold until killed."""
    store = Store.open(url, namespace)
    while True:
        try:
            fold(store, clock(begun))
        except StoreError:
            store.close()


def main(url: str, namespace: str, seed: str, kills: str, begun: str) -> None:
    """Fork and kill so many times."""
    when = random.Random(int(seed))
    killed, longest_s, store = 0, 0.1, Store.open(url, namespace)
    for _ in range(int(kills)):
        before = store.client.get(store.keys.cursor("t"))
        child = os.fork()
        if not child:
            try:
                fold_for_ever(url, namespace, float(begun))
            finally:
                os._exit(1)
        time.sleep(when.uniform(0, longest_s))
        os.kill(child, signal.SIGKILL)
        killed += os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        moved = store.client.get(store.keys.cursor("t")) != before
        longest_s = max(longest_s / _FACTOR, _LEAST_S) if moved else longest_s * _FACTOR
    store.close()
    print(killed)


if __name__ == "__main__":
    main(*sys.argv[1:])
