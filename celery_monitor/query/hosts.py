"""Hosts: each counted once, however many workers run there, with what the app's processes take of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from celery_monitor.alerts.readings import last_looked
from celery_monitor.live_state import AgentState
from celery_monitor.query import levels, live
from celery_monitor.query.rollups import RollupReader
from celery_monitor.query.times import iso
from celery_monitor.query.window import Window

ROLES: Final = ("worker", "child", "beat", "producer", "flower", "serve")
_NONE: Final = {"count": 0, "cpu_percent": 0.0, "rss_bytes": 0}
_LEVELS: Final = (
    "cpu_percent", "load1", "memory_ratio", "swap_ratio", "disk_ratio", "sent_bytes_s", "received_bytes_s",
)  # fmt: skip
_SAMPLE: Final = (
    "cpu_percent", "cpus", "load1", "memory_used_bytes", "memory_total_bytes", "swap_used_bytes", "swap_total_bytes",
    "disk_used_bytes", "disk_total_bytes", "sent_bytes_s", "received_bytes_s", "machine_cpus", "machine_memory_bytes",
    "throttled_ratio",
)  # fmt: skip


def rows(agents: Iterable[AgentState], now_us: int) -> list[dict[str, Any]]:
    """Return a row per host, by name."""
    by_host: dict[str, list[AgentState]] = {}
    for agent in agents:
        if agent.get("host"):
            by_host.setdefault(agent["host"], []).append(agent)
    return [_row(host, by_host[host], now_us) for host in sorted(by_host)]


def totals(hosts: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return what the app's processes take together on all of these rows' hosts, by role."""
    sums: dict[str, dict[str, Any]] = {role: dict(_NONE) for role in ROLES}
    for row in hosts:
        for role, of in row["processes"].items():
            _add(sums, role, of["count"], of["cpu_percent"], of["rss_bytes"])
    return sums


def one(reader: RollupReader, window: Window, name: str, agents: Iterable[AgentState]) -> dict[str, Any] | None:
    """Return one host with its history over a window, None when nothing is known of it."""
    row = next((row for row in rows(agents, window.now_us) if row["host"] == name), None)
    history = levels.history(reader.read([levels.want(window)], window.now_us), window, ("host", name), _LEVELS)
    if row is None and not any(value is not None for points in history.values() for value in points):
        return None
    return (row or _row(name, [], window.now_us)) | {"series": {"t": window.points, **history}}


def _row(host: str, agents: list[AgentState], now_us: int) -> dict[str, Any]:
    living = live.alive(agents, now_us)
    # What the silent said is no longer true; it is told where nobody else is left.
    sampled = sorted((a for a in living or agents if a.get("machine")), key=last_looked)
    sample: dict[str, Any] = dict(sampled[-1]["machine"]) if sampled else {}
    limits = {"cpus": sample.get("cpu_limit"), "memory_bytes": sample.get("memory_limit_bytes")}
    return {
        "host": host,
        "state": "ok" if living else "gone",
        "seen_at": iso(max((a["at_us"] for a in agents), default=0)),
        **{name: sample.get(name) for name in _SAMPLE},
        "memory_ratio": _ratio(sample, "memory"),
        "swap_ratio": _ratio(sample, "swap"),
        "disk_ratio": _ratio(sample, "disk"),
        "limits": limits if any(limits.values()) else None,
        "processes": _processes(living),
        "workers": sorted({a.get("hostname", "") for a in living if a.get("role") == "worker"}),
    }


def _ratio(sample: dict[str, Any], what: str) -> float | None:
    total = sample.get(f"{what}_total_bytes")
    return round(sample.get(f"{what}_used_bytes", 0) / total, 4) if total else None


def _processes(living: list[AgentState]) -> dict[str, dict[str, Any]]:
    """Return how many processes of the app there are by role, and what they take together."""
    sums: dict[str, dict[str, Any]] = {role: dict(_NONE) for role in ROLES}
    for agent in living:
        children = agent.get("children") or []
        mine = agent.get("main") or {"cpu_percent": agent.get("cpu_percent"), "rss_bytes": agent.get("rss_bytes")}
        parts = [(agent.get("role", "worker"), mine), *(("child", child) for child in children)]
        for role, sample in parts:
            _add(sums, role, 1, sample.get("cpu_percent") or 0.0, sample.get("rss_bytes") or 0)
    return sums


def _add(sums: dict[str, dict[str, Any]], role: str, count: int, cpu_percent: float, rss_bytes: int) -> None:
    into = sums.setdefault(role, dict(_NONE))
    into["count"] += count
    into["cpu_percent"] = round(into["cpu_percent"] + cpu_percent, 1)
    into["rss_bytes"] += rss_bytes
