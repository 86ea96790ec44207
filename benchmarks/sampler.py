"""What the agent's samples of processes, pool and host cost: CPU time per sample, and as a share of a core at 5 s.

    python benchmarks/sampler.py [--children 1 8 64 256] [--samples 20] [--max-memory-per-child 200000]

Children are real processes with an interpreter and Celery loaded, forked from this one. The time is the sampling
thread's own (`time.thread_time`); waits for the machine are not in it, cold caches are: between samples memory is
walked through as tasks would do.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import time
from types import SimpleNamespace

import celery.app.trace  # noqa: F401 - as large as a child of a pool is
import psutil
from celery import Celery

from celery_monitor.agent import sample
from celery_monitor.agent.processes import Processes
from celery_monitor.agent.thread import SAMPLING_SHARE

INTERVAL_S = 5.0
_CACHES = bytearray(16 * 1024 * 1024)


def children(count: int) -> list[int]:
    """Fork so many children that sleep; return their pids."""
    pids = []
    for _ in range(count):
        pid = os.fork()
        if not pid:
            time.sleep(600)
            os._exit(0)
        pids.append(pid)
    return pids


def cost_us(sampler: sample.Sampler, pids: list[int], samples: int, limit_kib: int) -> list[float]:
    """Return the CPU time of each sample, in us; with a limit on a child's memory its peak is read, too."""
    pool = [SimpleNamespace(pid=pid) for pid in pids]
    sampler.worker = SimpleNamespace(
        pool_cls=SimpleNamespace(__module__="celery.concurrency.prefork"),
        pool=SimpleNamespace(num_processes=len(pids), _pool=pool), concurrency=len(pids), consumer=None,
        max_memory_per_child=limit_kib, app=Celery("sampler", broker="memory://"),
    )  # fmt: skip
    sampler.state(time.time_ns() // 1000, pool)
    found = []
    for _ in range(samples):
        _CACHES[::64] = bytes(len(_CACHES) // 64)
        began = time.thread_time()
        sampler.state(time.time_ns() // 1000, pool)
        found.append((time.thread_time() - began) * 1e6)
    return found


def uss_us(pid: int) -> float:
    """Return what it costs to have one process's own memory counted."""
    process = psutil.Process(pid)
    began = time.thread_time()
    for _ in range(20):
        process.memory_full_info()
    return (time.thread_time() - began) / 20 * 1e6


def main() -> None:
    """Print a row per number of children."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--children", type=int, nargs="+", default=[1, 8, 64, 256])
    asked.add_argument("--samples", type=int, default=20)
    asked.add_argument("--max-memory-per-child", type=int, default=0)
    given = asked.parse_args()
    print(f"{'children':>8} {'median us':>10} {'worst us':>9} {'share of a core at 5 s':>23} {'sampled every':>14}")
    for count in given.children:
        pids = children(count)
        try:
            costs = cost_us(sample.Sampler(), pids, given.samples, given.max_memory_per_child)
            alone = uss_us(pids[0])
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
        median = statistics.median(costs)
        every = max(INTERVAL_S, median / 1e6 / SAMPLING_SHARE)
        print(f"{count:>8} {median:>10.0f} {max(costs):>9.0f} {median / 1e6 / INTERVAL_S:>22.3%} {every:>12.1f} s")
    print(
        f"one process's own memory (USS): {alone:.0f} us, one process at a time, in turn, in {30:.0f} s at the earliest"
    )
    bare = Processes()
    began = time.thread_time()
    for n in range(100):
        bare.look([os.getpid()], float(n))
    print(f"one process: {(time.thread_time() - began) * 1e4:.0f} us")


if __name__ == "__main__":
    main()
