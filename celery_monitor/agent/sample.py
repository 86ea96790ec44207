"""Looks at this process, its pool and its host, and at what the worker holds."""

from __future__ import annotations

import contextlib
import os
import platform
import time
from collections import Counter
from math import frexp, ldexp
from typing import Any, Final

import celery
import psutil

from celery_monitor.agent import tally
from celery_monitor.agent.holding import Holding
from celery_monitor.agent.holds import Holds
from celery_monitor.agent.host import Host
from celery_monitor.agent.processes import Processes
from celery_monitor.live_state import AgentState
from celery_monitor.model import Metrics
from celery_monitor.signals import attempts

_MOST_REQUESTS: Final = 5000
_MOST_DETAILED: Final = 64
"""Children of whom all is told; of the others CPU and memory, for the live state has to stay small."""


class Sampler:
    """Samples one process.

    Parameters:
        worker: Celery's worker instance, None in a producer or beat.
        holds: what is told of the requests that are held.

    Attributes:
        pool: billiard's pool, None while there is none, or of another kind.
    """

    def __init__(self, worker: Any = None, holds: Holds | None = None) -> None:
        self.worker, self.holds = worker, holds or Holds()
        self._holding = Holding()
        self._host, self._processes = Host(), Processes()
        self._taken_us = 0
        self._seen: tuple[int, frozenset[str]] | None = None

    @property
    def pool(self) -> Any:
        """Billiard's pool, None while there is none, or of another kind."""
        return getattr(getattr(self.worker, "pool", None), "_pool", None)

    def state(self, now_us: int, children: list[Any]) -> AgentState:
        """Return the sampled part of the live state; `children` are billiard's of the pool."""
        now = time.monotonic()
        own = os.getpid()
        rows = self._processes.look([own, *(child.pid for child in children)], now)
        found: AgentState = {"machine": self._host.look(), "rates": self._processes.rates(rows, now)}
        found["cpu_percent"] = round(sum(row["cpu_percent"] for row in rows), 1)
        found["rss_bytes"] = sum(row["rss_bytes"] for row in rows)
        found["main"] = next((row for row in rows if row["pid"] == own), {})
        if self.worker is not None:
            limit = memory_limit(self.worker) if self.pool is not None else 0
            if limit:
                found["child_memory_bytes"] = limit
                self._processes.peaks(row for row in rows[: _MOST_DETAILED + 1] if row["pid"] != own)
            found["children"] = [
                row if place < _MOST_DETAILED else {name: row[name] for name in ("pid", "rss_bytes", "cpu_percent")}
                for place, row in enumerate(row for row in rows if row["pid"] != own)
            ]
            self._look_at_worker(found, now_us)
        return found

    def _look_at_worker(self, found: AgentState, now_us: int) -> None:
        found["pool"] = pool_of(self.worker)
        found["slots"] = slots_of(self.worker)
        found["queues"] = sorted(self.worker.app.amqp.queues.consume_from)[:500]
        held = waiting()
        self.holds.look(held, now_us, complete=len(held) < _MOST_REQUESTS)
        found["prefetched"] = dict(Counter(held.values()))
        found.update(self._holding.look(self.worker, held, self.holds, now_us))
        found["prefetch_limit"] = prefetch_limit(self.worker)
        seen = (accepted(), frozenset(held))
        if seen != self._seen:
            self._taken_us = now_us
        self._seen = seen
        found["taken_us"] = self._taken_us


def pool_of(worker: Any) -> str:
    """Return the pool's kind: prefork, threads, gevent, eventlet, solo."""
    kind = getattr(worker.pool_cls, "__module__", "") or str(worker.pool_cls)
    return kind.rsplit(".", 1)[-1].replace("thread", "threads").replace("threadss", "threads")


def slots_of(worker: Any) -> int:
    """Return how many tasks may run at a time: what an autoscaler last decided, else what was asked for.

    A solo pool runs one, whatever was asked for, and is not there yet when the first sample is taken.
    """
    if pool_of(worker) == "solo":
        return 1
    with contextlib.suppress(Exception):
        return int(worker.pool.num_processes)
    return int(worker.concurrency or 0)


def memory_limit(worker: Any) -> int:
    """Return after how many bytes a child of the pool is replaced, 0 for never; Celery says it in KiB."""
    return int(getattr(worker, "max_memory_per_child", 0) or 0) * 1024


def prefetch_limit(worker: Any) -> int:
    """Return how many messages the worker may hold unacknowledged, 0 for any number, or while it is not connected."""
    return int(getattr(getattr(getattr(worker, "consumer", None), "qos", None), "value", 0) or 0)


def accepted() -> int:
    """Return how many messages were started since the worker's start."""
    from celery.worker import state  # noqa: PLC0415 - loads the whole worker, which a producer has no use for

    return int(state.all_total_count[0])


def waiting() -> dict[str, str]:
    """Return the ids of the messages that the worker holds and has not started, each with its queue."""
    from celery.worker import state  # noqa: PLC0415 - loads the whole worker, which a producer has no use for

    found: dict[str, str] = {}
    for task_id, request in list(state.requests.items()):
        if request not in state.active_requests:
            delivery = request.delivery_info or {}
            found[task_id] = attempts.queue_of(delivery.get("exchange"), delivery.get("routing_key") or "")
            if len(found) == _MOST_REQUESTS:
                break
    return found


def versions() -> dict[str, str]:
    """Return the versions a person asks for first."""
    return {
        "celery": celery.__version__, "python": platform.python_version(), "system": platform.system(),
        "release": platform.release(), "psutil": psutil.__version__,
    }  # fmt: skip


def gauges(metrics: Metrics, state: AgentState, busy: int, at_us: int) -> None:
    """Add a sample to the gauges of the worker and its host."""
    host = state["machine"]
    levels = {
        "cpu_percent": host["cpu_percent"],
        "memory_ratio": host["memory_used_bytes"] / max(host["memory_total_bytes"], 1),
        "disk_ratio": host["disk_used_bytes"] / max(host["disk_total_bytes"], 1),
        "load1": host["load1"],
        "swap_ratio": host.get("swap_used_bytes", 0) / max(host.get("swap_total_bytes", 0), 1),
        "sent_bytes_s": host.get("sent_bytes_s", 0.0),
        "received_bytes_s": host.get("received_bytes_s", 0.0),
    }
    for name, value in levels.items():
        tally.gauge(metrics, ("host", state["host"]), name, rounded(value), at_us)
    if state.get("role") == "worker":
        series = ("worker", state["hostname"])
        levels = {
            "cpu_percent": state.get("cpu_percent", 0.0), "rss_bytes": state.get("rss_bytes", 0),
            "threads": sum(row.get("threads", 0) for row in _all(state)),
            "fds": sum(row.get("fds", 0) for row in _all(state)), **state.get("rates", {}),
        }  # fmt: skip
        for name, value in levels.items():
            tally.gauge(metrics, series, name, rounded(value), at_us)
        counts = {
            "busy": busy, "slots": state.get("slots", 0), "prefetched": sum(state.get("prefetched", {}).values()),
        }  # fmt: skip
        for name, count in counts.items():
            tally.gauge(metrics, series, name, float(count), at_us)


def _all(state: AgentState) -> list[dict[str, Any]]:
    return [state.get("main", {}), *state.get("children", ())]


def rounded(value: float) -> float:
    """Return a level to about 0.4 %, as a fraction of a power of two: digits that nobody reads do not compress.

    >>> rounded(0.1), rounded(61.37), rounded(123_456_789.0), rounded(0.0)
    (0.10009765625, 61.25, 123207680.0, 0.0)
    """
    part, power = frexp(value)
    return ldexp(round(part * 256) / 256, power)
