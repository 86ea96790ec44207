"""What `monitor_resources` costs: CPU per attempt in a pool child, and per audit event of Python once there is a hook.

    python benchmarks/traffic.py [--rounds 40] [--tasks 300]

The variants take turns in short slices on the thread CPU clock; the hook comes last, as it cannot be taken out again.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from celery import Celery
from celery.app.trace import build_tracer

from celery_monitor.signals import handlers, process, traffic
from celery_monitor.signals.ring import AT_HEAD, AT_TAIL, put_number

app = Celery("traffic", broker="memory://", backend=None)


@app.task(name="job", ignore_result=True)
def job() -> None:
    """Do nothing."""


def slice_us(tasks: int) -> float:
    """Return the CPU time of one task, in us."""
    writer = process.open_writer()
    assert writer is not None
    writer.settle()
    put_number(writer.ring.map, AT_TAIL, writer.ring.number(AT_HEAD))
    tracer = build_tracer("job", app.tasks["job"], app=app)
    requests = []
    for _ in range(tasks):
        own = str(uuid4())
        requests.append((own, {"id": own, "root_id": own, "delivery_info": {"routing_key": "q"}, "hostname": "a"}))
    began = time.thread_time()
    for own, request in requests:
        tracer(own, [], {}, request)
    return (time.thread_time() - began) / tasks * 1e6


def turns(variants: list[tuple[str, ...]], rounds: int, tasks: int) -> None:
    """Print a row per variant."""
    found: dict[tuple[str, ...], list[float]] = {variant: [] for variant in variants}
    for _ in range(rounds):
        for variant in variants:
            traffic.use(variant)
            found[variant].append(slice_us(tasks))
    least = min(found[()])
    for variant, slices in found.items():
        name = " + ".join(variant) or "off"
        print(f"{name:<14} {min(slices):>8.2f} {min(slices) - least:>+8.2f} {statistics.median(slices):>8.2f}")


def per_event_us(do: Callable[[], object], times: int = 20_000) -> float:
    """Return what something costs that raises one audit event, in us."""
    best = float("inf")
    for _ in range(5):
        began = time.thread_time()
        for _ in range(times):
            do()
        best = min(best, (time.thread_time() - began) / times * 1e6)
    return best


def main() -> None:
    """Run, and print."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--rounds", type=int, default=40)
    asked.add_argument("--tasks", type=int, default=300)
    given = asked.parse_args()
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        process.place.folder = Path(folder)
        process.me.agent = True  # nobody drains: each slice empties the ring itself
        handlers.connect()
        print(f"{'us per task':<14} {'least':>8} {'added':>8} {'median':>8}")
        turns([(), ("io",)], given.rounds, given.tasks)
        before = per_event_us(sys._getframe)  # noqa: SLF001 - raises an audit event and does no more
        traffic.use(("network",))
        after = per_event_us(sys._getframe)  # noqa: SLF001
        turns([(), ("network",), ("network", "io")], given.rounds, given.tasks)
        print(f"each audit event (import, open, exec, ...): {before:.3f} us without the hook, {after:.3f} us with it")


if __name__ == "__main__":
    main()
