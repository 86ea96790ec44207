"""Looks at this process, its pool and its host with psutil, and at what the worker holds."""

from __future__ import annotations

import contextlib
import os
import platform
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import celery
import psutil

from celery_monitor.agent import tally
from celery_monitor.agent.holds import Holds
from celery_monitor.model import AgentState, HostSample, Metrics
from celery_monitor.signals import attempts

_MOST_REQUESTS: Final = 5000
_MOST_CHILDREN: Final = 256


@dataclass(slots=True)
class Sampler:
    """Samples one process.

    Parameters:
        worker: Celery's worker instance, None in a producer or beat.
        holds: what is told of the requests that are held.
    """

    worker: Any = None
    holds: Holds = field(default_factory=Holds)
    _process: psutil.Process = field(default_factory=psutil.Process)
    _children: dict[int, psutil.Process] = field(default_factory=dict)

    def state(self, now_us: int) -> AgentState:
        """Return the sampled part of the live state."""
        found: AgentState = {"machine": machine()}
        with contextlib.suppress(psutil.Error):
            found["cpu_percent"] = self._process.cpu_percent(None)
            found["rss_bytes"] = self._process.memory_info().rss
        if self.worker is not None:
            found["pool"] = pool_of(self.worker)
            found["slots"] = int(self.worker.concurrency or 0)
            found["queues"] = sorted(self.worker.app.amqp.queues.consume_from)[:500]
            held = waiting()
            self.holds.look(held, now_us, complete=len(held) < _MOST_REQUESTS)
            found["prefetched"] = dict(Counter(held.values()))
            found["children"] = self._pool_children()
            found["cpu_percent"] = found.get("cpu_percent", 0.0) + sum(c["cpu_percent"] for c in found["children"])
            found["rss_bytes"] = found.get("rss_bytes", 0) + sum(c["rss_bytes"] for c in found["children"])
        return found

    def _pool_children(self) -> list[dict[str, Any]]:
        billiard = getattr(getattr(self.worker, "pool", None), "_pool", None)
        pids = [p.pid for p in getattr(billiard, "_pool", ()) if hasattr(p, "pid")][:_MOST_CHILDREN]
        self._children = {pid: p for pid, p in self._children.items() if pid in pids}
        found = []
        for pid in pids:
            with contextlib.suppress(psutil.Error):
                child = self._children.get(pid) or psutil.Process(pid)
                self._children[pid] = child
                found.append({"pid": pid, "rss_bytes": child.memory_info().rss, "cpu_percent": child.cpu_percent(None)})
        return found


def pool_of(worker: Any) -> str:
    """Return the pool's kind: prefork, threads, gevent, eventlet, solo."""
    kind = getattr(worker.pool_cls, "__module__", "") or str(worker.pool_cls)
    return kind.rsplit(".", 1)[-1].replace("thread", "threads").replace("threadss", "threads")


def machine() -> HostSample:
    """Return what the host has left; CPU since the last call."""
    memory, disk = psutil.virtual_memory(), psutil.disk_usage("/")
    return {
        "cpu_percent": psutil.cpu_percent(None),
        "load1": os.getloadavg()[0],
        "cpus": float(os.cpu_count() or 1),
        "memory_used_bytes": memory.total - memory.available,
        "memory_total_bytes": memory.total,
        "disk_used_bytes": disk.used,
        "disk_total_bytes": disk.total,
    }


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
    return {"celery": celery.__version__, "python": platform.python_version(), "system": platform.system()}


def gauges(metrics: Metrics, state: AgentState, busy: int, at_us: int) -> None:
    """Add a sample to the gauges of the worker and its host."""
    host = state["machine"]
    here = ("host", state["host"])
    tally.gauge(metrics, here, "cpu_percent", host["cpu_percent"], at_us)
    tally.gauge(metrics, here, "memory_ratio", host["memory_used_bytes"] / max(host["memory_total_bytes"], 1), at_us)
    tally.gauge(metrics, here, "disk_ratio", host["disk_used_bytes"] / max(host["disk_total_bytes"], 1), at_us)
    tally.gauge(metrics, here, "load1", host["load1"], at_us)
    if state.get("role") == "worker":
        series = ("worker", state["hostname"])
        levels = {
            "cpu_percent": state.get("cpu_percent", 0.0), "rss_bytes": state.get("rss_bytes", 0), "busy": busy,
            "slots": state.get("slots", 0), "prefetched": sum(state.get("prefetched", {}).values()),
        }  # fmt: skip
        for name, value in levels.items():
            tally.gauge(metrics, series, name, float(value), at_us)
