"""Two layouts that write in place, for comparison: counters and bins by HINCRBY, a hash and indexes for each task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from celery_monitor.model import Batch, Cell


def counted(client: Any, batches: Sequence[Batch]) -> None:
    """Count each batch in one pipeline: a hash for each bucket, a field for each counter and bin of a series."""
    for batch in batches:
        pipe = client.pipeline(transaction=False)
        for bucket, cells in batch.metrics.cells.items():
            for series, cell in cells.items():
                key = f"s:{bucket}:{':'.join(series)}"
                for name, n in _numbers(cell):
                    pipe.hincrby(key, name, n)
        pipe.execute()


def hashed(client: Any, batches: Sequence[Batch]) -> None:
    """Store each task of a batch, in one pipeline: a hash, its place in time, and its task's place in time."""
    for batch in batches:
        pipe = client.pipeline(transaction=False)
        for row, message in zip(batch.attempts, batch.publishes, strict=True):
            own = row.id.hex()
            pipe.hset(f"t:{own}", mapping={
                "task": row.task, "queue": row.queue, "worker": row.worker, "pid": row.pid, "state": row.state,
                "published": message.published_us, "started": row.started_us, "wait": row.wait_us,
                "runtime": row.runtime_us, "cpu": row.cpu_us, "rss": row.rss_kib, "uid": row.uid,
            })  # fmt: skip
            pipe.expire(f"t:{own}", 604_800)
            pipe.zadd("by-time", {own: row.started_us})
            pipe.zadd(f"by-task:{row.task}:{row.state}", {own: row.started_us})
        pipe.execute()


def _numbers(cell: Cell) -> list[tuple[str, int]]:
    found = [(f"c{state}", n) for state, n in cell.counts.items()]
    for name in ("runtime", "wait", "cpu"):
        sketch = getattr(cell, name)
        found += [(f"{name}:n", sketch.count), (f"{name}:sum", sketch.total)]
        found += [(f"{name}:{bucket}", n) for bucket, n in sketch.bins.items()]
    return found
