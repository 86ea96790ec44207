"""Workers: in which state they are and why, what each child does, how children ended, and how all that went."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from celery_monitor.alerts.ledger import Firing
from celery_monitor.analytics.figures import figures
from celery_monitor.live_state import AgentState
from celery_monitor.model import Cell, Gauge
from celery_monitor.query import charts, levels, live, tables
from celery_monitor.query.rollups import RollupReader, Rollups, Want
from celery_monitor.query.times import iso
from celery_monitor.query.window import Window
from celery_monitor.store.rollups.tiers import GAUGES, WORKERS
from celery_monitor.store.workers import Book, Life

SKEW_US: Final = 5_000_000
"""A clock so far from the server's makes waits and charts wrong."""
IDLE_US: Final = 60_000_000
"""A worker that takes nothing for so long, while messages wait in its queue all the time, does not do its work."""
_LOOK_BACK_S: Final = 600
_LEVELS: Final = (
    "cpu_percent", "rss_bytes", "busy", "slots", "prefetched", "threads", "fds", "read_bytes_s", "written_bytes_s",
    "switches_s",
)  # fmt: skip
_FIGURES: Final = ("ended", "succeeded", "failed", "retried", "lost", "success_ratio", "rate_per_second")
_PROCESS: Final = (
    "pid", "cpu_percent", "rss_bytes", "peak_rss_bytes", "uss_bytes", "threads", "fds", "switches",
    "involuntary_switches", "read_bytes", "written_bytes",
)  # fmt: skip
_NOTHING: Final = Firing({}, {}, {})
Backlogs = Mapping[str, list[tuple[int, float]]]
"""Queue to its lately least backlogs, each of a bucket, with the time (us) of the bucket's last sample."""


def backlogs_want(now_us: int) -> Want:
    """Return what `backlogs` reads."""
    now = now_us // 1_000_000
    return Want(GAUGES, (now - _LOOK_BACK_S) // 10 * 10, now + 10)


def backlogs(rollups: Rollups, now_us: int) -> dict[str, list[tuple[int, float]]]:
    """Return the least backlog of each queue in each bucket of the last minutes."""
    found: dict[str, list[tuple[int, float]]] = {}
    for _, series, gauges in rollups.levels(backlogs_want(now_us)):
        if series[0] == "queue" and "backlog" in gauges:
            gauge = Gauge.load(gauges["backlog"])
            found.setdefault(series[1], []).append((gauge.last_us, gauge.least))
    return found


def condition(agent: AgentState, now_us: int, waiting: Backlogs, firing: Firing = _NOTHING) -> tuple[str, str | None]:
    """Return a worker's state and why it is not ``ok``: ``stopped``, ``lost``, ``zombie``, ``skewed``, ``warning``."""
    state = live.state(agent, now_us)
    if state == "stopped":
        return state, "it said goodbye"
    if state == "lost":
        return state, f"silent for {(now_us - agent['at_us']) / 1e6:.0f} s, and it said no goodbye"
    starved = _starved(agent, waiting)
    if starved:
        return "zombie", starved
    ahead = agent.get("clock_us", 0)
    if abs(ahead) - agent.get("clock_error_us", 0) > SKEW_US:
        return "skewed", f"its clock is {abs(ahead) / 1e6:.1f} s {'ahead of' if ahead > 0 else 'behind'} the store's"
    about = firing.about(agent.get("hostname"), agent.get("host"))
    return ("warning", "; ".join(about)) if about else (state, None)


def _starved(agent: AgentState, waiting: Backlogs) -> str | None:
    """Say why a worker that answers does not do its work, None when it does or nobody can tell.

    It has slots free and may hold more messages, and has taken nothing for a minute in which every sample of a queue
    that it consumes found messages waiting. How long that queue was empty before does not matter.
    """
    taken = agent.get("taken_us")
    running, slots, most = len(agent.get("running") or ()), agent.get("slots") or 0, agent.get("prefetch_limit") or 0
    held = sum((agent.get("prefetched") or {}).values()) + running
    if not taken or running >= slots or (most and held >= most):
        return None
    idle_us = taken - agent.get("clock_us", 0)
    for queue in agent.get("queues") or ():
        starved_us = _waited_us(waiting.get(queue, ()), idle_us)
        if starved_us >= IDLE_US:
            free = f"{slots - running} free slot{'s' if slots - running > 1 else ''}"
            return f"it took nothing for {starved_us / 1e6:.0f} s with {free}, and {queue} never emptied"
    return None


def _waited_us(samples: Iterable[tuple[int, float]], since_us: int) -> int:
    """Return how long messages have been waiting at every sample, up to the last one, since then at the longest."""
    waited_us, first_us = 0, None
    for at_us, least in sorted(samples):
        if at_us < since_us:
            continue
        if not least:
            first_us = None
        elif first_us is None:
            first_us = at_us
        waited_us = 0 if first_us is None else at_us - first_us
    return waited_us


def rows(
    reader: RollupReader, window: Window, agents: list[AgentState], book: Mapping[str, Book], firing: Firing
) -> list[dict[str, Any]]:
    """Return a row per worker: those of the live table, then those that only the book still knows."""
    wants = [*tables.wants(window), backlogs_want(window.now_us)]
    rollups = reader.read(wants, window.now_us, lifetime=True)
    window = window.recorded_from(rollups.lifetime().since_us)
    known = {row["worker"]: row for row in tables.workers(rollups, window, agents, firing)}
    waiting = backlogs(rollups, window.now_us)
    found = []
    for agent in live.workers(agents):
        name = agent.get("hostname", "")
        found.append(known[name] | _more(agent, book.get(name), window.now_us, waiting, firing))
    return found + [_gone(name, book[name], window.now_us) for name in sorted(book.keys() - known.keys())]


def one(
    reader: RollupReader,
    window: Window,
    name: str,
    agents: list[AgentState],
    book: Mapping[str, Book],
    firing: Firing,
) -> dict[str, Any] | None:
    """Return one worker with its processes, the ends of its children, its lives and its history; None if unknown."""
    agent = next((a for a in live.workers(agents) if a.get("hostname") == name), None)
    fine = Want(WORKERS, window.start_s, window.end_s, charts.steps_within(window.step_s))
    wants = [fine, levels.want(window), *tables.wants(window), backlogs_want(window.now_us)]
    rollups = reader.read(wants, window.now_us, lifetime=True)
    window = window.recorded_from(rollups.lifetime().since_us)
    history = _history(rollups, window, name, fine)
    total = rollups.total(fine, ("runtime", "wait"), lambda series: series == ("worker", name)).get(("worker", name))
    if agent is None and name not in book and total is None:
        return None
    row = _gone(name, book.get(name), window.now_us)
    if agent is not None:
        (plain,) = (r for r in tables.workers(rollups, window, [agent], firing))
        waiting = backlogs(rollups, window.now_us)
        row = plain | _more(agent, book.get(name), window.now_us, waiting, firing)
        row |= _inside(agent, window.now_us)
    all_figures = figures(total or Cell(), window.span_s)
    row |= {"totals": {key: all_figures[key] for key in (*_FIGURES, "runtime_seconds", "wait_seconds")}}
    row["lives"] = [_life(life, window.now_us) for life in reversed(book[name].lives)] if name in book else []
    return row | {"series": history}


def _more(agent: AgentState, book: Book | None, now_us: int, waiting: Backlogs, firing: Firing) -> dict[str, Any]:
    state, why = condition(agent, now_us, waiting, firing)
    slots, running = agent.get("slots"), len(agent.get("running") or ())
    stopped = state in {"stopped", "lost"}
    return {
        "state": state,
        "note": why,
        "free": None if slots is None or stopped else max(slots - running, 0),
        "prefetch_limit": agent.get("prefetch_limit") or None,
        "max_memory_per_child_bytes": agent.get("child_memory_bytes") or None,
        "uptime_seconds": None if stopped else round(max(now_us - (agent.get("started_us") or now_us), 0) / 1e6, 1),
        "restarts": max(book.times - 1, 0) if book is not None else 0,
        "exits": agent.get("exits") or {},
        "build": agent.get("build") or None,
        "versions": agent.get("versions") or {},
        "clock_offset_seconds": round(agent.get("clock_us", 0) / 1e6, 3),
        "taken_at": iso(agent.get("taken_us")),
    }


def _gone(name: str, book: Book | None, now_us: int) -> dict[str, Any]:
    """Return the row of a worker of which only its book, or only its history, is left."""
    last = book.lives[-1] if book is not None else Life("", 0, 0, goodbye=True, host="", pid=0, pool="", build="")
    agent: AgentState = {
        "hostname": name, "role": "worker", "host": last.host, "pid": last.pid, "pool": last.pool, "boot": last.boot,
        "build": last.build, "started_us": last.started_us, "at_us": last.seen_us, "goodbye": last.goodbye,
        "interval_s": 0.0,
    }  # fmt: skip
    row = live.row(agent, now_us, _NOTHING) | {"ended": 0, "failed": 0, "rate_per_second": 0.0, "spark": []}
    row |= _more(agent, book, now_us, {}, _NOTHING)
    return row if book is not None else row | {"note": "only its history is left"}


def _inside(agent: AgentState, now_us: int) -> dict[str, Any]:
    running = {run["pid"]: run for run in agent.get("running") or ()}
    lives = live.state(agent, now_us) == "ok"
    ahead = agent.get("clock_us", 0)
    children = agent.get("children") or []
    return {
        "main": _process(agent.get("main") or {}, None, now_us + ahead),
        "children": [
            _process(child, running.get(child.get("pid", 0)) if lives else None, now_us + ahead) for child in children
        ],
        "deaths": [_death(death) for death in reversed(agent.get("deaths") or [])],
    }


def _process(sample: Mapping[str, Any], run: Mapping[str, Any] | None, now_us: int) -> dict[str, Any]:
    """Return a process's figures; `now_us` is by its own clock."""
    row = {name: sample.get(name) for name in _PROCESS} | {"started_at": iso(sample.get("started_us"))}
    if run is None:
        return row | {"task": None}
    seconds = round(max(0, now_us - run["started_us"]) / 1e6, 3)
    return row | {"task": {"id": run["id"], "task": run["task"], "queue": run["queue"], "seconds": seconds}}


def _death(death: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "pid": death.get("pid"),
        "at": iso(death.get("at_us")),
        "exit": death.get("exit"),
        "code": death.get("code"),
        "running": [{"id": r.get("id"), "task": r.get("task"), "started_at": iso(r.get("started_us"))}
                    for r in death.get("running") or ()],
    }  # fmt: skip


def _life(life: Life, now_us: int) -> dict[str, Any]:
    return {
        "started_at": iso(life.started_us), "seen_at": iso(min(life.seen_us, now_us)), "stopped": life.goodbye,
        "host": life.host, "pid": life.pid, "build": life.build or None,
    }  # fmt: skip


def _history(rollups: Rollups, window: Window, name: str, fine: Want) -> dict[str, list[Any]]:
    cells = charts.points(rollups, fine, window, lambda series: series == ("worker", name))
    times = [cell.runtime.quantiles((0.5, 0.95, 0.99)) for cell in cells]
    out: dict[str, list[Any]] = {"t": window.points}
    out |= {"ended": [cell.ended for cell in cells], "failed": [_failed(cell) for cell in cells]}
    for place, key in enumerate(("runtime_p50", "runtime_p95", "runtime_p99")):
        out[key] = [None if at[place] is None else round(at[place] / 1e6, 6) for at in times]  # type: ignore[operator]
    return out | levels.history(rollups, window, ("worker", name), _LEVELS)


def _failed(cell: Cell) -> int:
    n = figures(cell, 1.0)
    return int(n["failed"] + n["lost"])
