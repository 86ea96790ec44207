"""Who is there: workers as the live table shows them, and what they are doing right now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

from celery_monitor.alerts.ledger import Firing
from celery_monitor.alerts.readings import told_last
from celery_monitor.live_state import AgentState, Running
from celery_monitor.query.times import iso
from celery_monitor.signals.record import fixed_id, pack_id
from celery_monitor.store.broker import Look
from celery_monitor.store.live import is_silent

_MOST_RUNNING: Final = 100
"""Attempts shown per worker; a gevent pool may run thousands."""


def state(agent: AgentState, now_us: int) -> str:
    """Return ``ok``, ``lost`` (silent for three intervals and 10 s) or ``stopped`` (it said goodbye)."""
    if agent.get("goodbye"):
        return "stopped"
    return "lost" if is_silent(agent, now_us) else "ok"


def alive(agents: Iterable[AgentState], now_us: int) -> list[AgentState]:
    """Return the agents that are neither lost nor stopped."""
    return [a for a in agents if state(a, now_us) == "ok"]


def workers(agents: Iterable[AgentState]) -> list[AgentState]:
    """Return the newest state of every worker, by node name: one that was started again is not lost."""
    newest: dict[str, AgentState] = {}
    for agent in sorted(agents, key=lambda a: (a.get("started_us", 0), a["at_us"])):
        if agent.get("role") == "worker":
            newest[agent.get("hostname", "")] = agent
    return [newest[name] for name in sorted(newest)]


def serving(agents: Iterable[AgentState], now_us: int) -> list[AgentState]:
    """Return the workers that are alive, by node name: of those that have one name at the same time each."""
    found = [agent for agent in alive(told_last(agents), now_us) if agent.get("role") == "worker"]
    return sorted(found, key=lambda agent: agent.get("hostname", ""))


def held(agents: Iterable[AgentState]) -> dict[str, int]:
    """Return the messages that workers hold and have not started, by queue."""
    return summed(agents, "prefetched")


def eta_held(agents: Iterable[AgentState]) -> dict[str, int]:
    """Return the messages that workers hold until their ETA, by queue."""
    return summed(agents, "eta_held")


def summed(agents: Iterable[AgentState], name: str) -> dict[str, int]:
    """Return the sums of one of the states' counts by queue."""
    counts: dict[str, int] = {}
    for agent in agents:
        found: Any = agent.get(name) or {}
        for queue, n in found.items():
            counts[queue] = counts.get(queue, 0) + n
    return counts


def running(agents: Iterable[AgentState]) -> dict[str, int]:
    """Return the attempts that run, by the queue they came from."""
    return dict(Counter(run.get("queue", "") for agent in agents for run in agent.get("running") or ()))


def run_of(row: Running) -> bytes:
    """Return the run (16 bytes) of an attempt that runs."""
    return bytes.fromhex(row.get("run") or "") or fixed_id(pack_id(row["id"]))


def consumers(agents: Iterable[AgentState]) -> dict[str, int]:
    """Return how many of these workers consume a queue, by queue."""
    counts: dict[str, int] = {}
    for agent in agents:
        for queue in agent.get("queues") or ():
            counts[queue] = counts.get(queue, 0) + 1
    return counts


def visibility_s(workers: Iterable[AgentState], look: Look) -> float:
    """Return after how long the broker gives out again what is held (0 never), as the workers or the last look knew."""
    return max((w.get("visibility_s", 0.0) for w in workers), default=0.0) or look.get("visibility_s") or 0.0


def row(agent: AgentState, now_us: int, firing: Firing) -> dict[str, Any]:
    """Return a worker's row of the JSON API, as far as the live table knows it."""
    machine = agent.get("machine")
    status = state(agent, now_us)
    running = agent.get("running") or [] if status == "ok" else []
    if status == "ok" and firing.about(agent.get("hostname"), agent.get("host")):
        status = "warning"
    return {
        "worker": agent.get("hostname", ""),
        "state": status,
        "role": agent.get("role", "worker"),
        "host": agent.get("host"),
        "pid": agent.get("pid"),
        "pool": agent.get("pool"),
        "slots": agent.get("slots"),
        "busy": len(running),
        "prefetched": sum((agent.get("prefetched") or {}).values()) if status != "stopped" else 0,
        "queues": sorted(agent.get("queues") or ()),
        "cpu_percent": agent.get("cpu_percent"),
        "rss_bytes": agent.get("rss_bytes"),
        "host_cpu_percent": machine.get("cpu_percent") if machine else None,
        "host_memory_ratio": _ratio(machine, "memory") if machine else None,
        "host_disk_ratio": _ratio(machine, "disk") if machine else None,
        "started_at": iso(agent.get("started_us")),
        "seen_at": iso(agent["at_us"]),
        "running": [_running(r, now_us + agent.get("clock_us", 0)) for r in running[:_MOST_RUNNING]],
    }


def _ratio(machine: Mapping[str, Any], what: str) -> float | None:
    total = machine.get(f"{what}_total_bytes")
    used = machine.get(f"{what}_used_bytes")
    return round(used / total, 4) if total and used is not None else None


def _running(attempt: Mapping[str, Any], now_us: int) -> dict[str, Any]:
    started = attempt.get("started_us") or 0
    return {
        "id": attempt.get("id"),
        "task": attempt.get("task"),
        "queue": attempt.get("queue"),
        "pid": attempt.get("pid"),
        "started_at": iso(started),
        "seconds": round(max(0, now_us - started) / 1e6, 3) if started else None,
    }
