"""The app whose workers `overhead.py` measures: one task that does nothing, with our Monitor or without."""

from __future__ import annotations

import os
import sys

from celery import Celery

app = Celery("bench")
app.conf.update(task_ignore_result=True, broker_connection_retry_on_startup=True, worker_prefetch_multiplier=4)
if os.environ.get("BENCH_MONITOR"):
    from celery_monitor import Monitor

    Monitor(app)


@app.task(name="bench.noop")
def noop(*_: object) -> None:
    """Do nothing."""


if __name__ == "__main__":  # the messages of a batch
    with app.producer_pool.acquire(block=True) as producer:
        for _ in range(int(sys.argv[1])):
            noop.apply_async(("a", 1), producer=producer)
