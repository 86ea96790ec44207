"""What the rules look at: the last minutes' figures, the queues and the live agents, as readings; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from celery_monitor.alerts.judge import Reading
from celery_monitor.alerts.rules import MESSAGES, RATIO, SECONDS
from celery_monitor.analytics.figures import counts, success_ratio
from celery_monitor.live_state import AgentState, HostSample
from celery_monitor.model import Cell

WINDOW_S: Final = 300
"""The window of the cells that success shares are taken from, in seconds."""

_LOST: Final = {"worker": "worker_lost", "beat": "beat_lost"}
"""Role to the rule of its heartbeat."""
LEAST_ENDS: Final = 20
"""A share of fewer ends says little: 1 failure of 19 would be an alert."""


def readings(
    tasks: Mapping[str, Cell],
    queues: Mapping[str, Mapping[str, float | None]],
    agents: Iterable[AgentState],
    now_us: int,
    overdue: Mapping[str, float] | None = None,
) -> list[Reading]:
    """Return every level the default rules judge.

    Parameters:
        tasks: cells of the last `WINDOW_S` seconds by task name (all queues of a name added up).
        queues: last gauges by queue name: "backlog" and "consumers" (the broker's count); absent or None is unknown.
        agents: live states as the store holds them, the silent ones included.
        now_us: the store's clock.
        overdue: by how many seconds each entry of beat's is overdue, 0 for one that is not.
    """
    known = told_last(agents)
    backlogs = {name: gauges.get("backlog") for name, gauges in queues.items()}
    return [
        *_success(tasks), *_backlog(backlogs), *_unserved(queues, known, now_us), *_overdue(known, now_us),
        *_hosts(known, now_us),
        *(Reading("schedule_missed", entry, seconds, SECONDS) for entry, seconds in (overdue or {}).items()),
    ]  # fmt: skip


def overdue_s(agent: AgentState, now_us: int) -> float:
    """Return by how many seconds an agent has missed the heartbeat it promised; 0 after an orderly goodbye.

    >>> overdue_s({"at_us": 1_000_000, "interval_s": 10.0}, 13_000_000)
    2.0
    """
    if agent.get("goodbye"):
        return 0.0
    return max(0.0, (now_us - agent.get("at_us", 0)) / 1e6 - agent.get("interval_s", 0.0))


def told_last(agents: Iterable[AgentState]) -> list[AgentState]:
    """Return the states, without those after whose last word another of the same role and name began.

    A worker that was started again is not lost. Of two that have one name at the same time, each is on its own.
    """
    found = list(agents)
    latest: dict[tuple[str, str], int] = {}
    for agent in found:
        began_us = agent.get("started_us", agent.get("at_us", 0))
        latest[_name(agent)] = max(began_us, latest.get(_name(agent), 0))
    return [agent for agent in found if agent.get("at_us", 0) >= latest[_name(agent)]]


def _name(agent: AgentState) -> tuple[str, str]:
    return agent.get("role", ""), agent.get("hostname", "")


def _success(tasks: Mapping[str, Cell]) -> Iterator[Reading]:
    for name, cell in tasks.items():
        ratio, ends = success_ratio(cell), counts(cell)
        if ratio is not None and ends["succeeded"] + ends["failed"] + ends["lost"] >= LEAST_ENDS:
            yield Reading("success_share", name, ratio, RATIO)


def _backlog(backlogs: Mapping[str, float | None]) -> Iterator[Reading]:
    for name, backlog in backlogs.items():
        if backlog is not None:
            yield Reading("backlog", name, backlog, MESSAGES)


def _unserved(
    queues: Mapping[str, Mapping[str, float | None]], agents: Iterable[AgentState], now_us: int
) -> Iterator[Reading]:
    """Yield what waits where nobody takes it; 0 for a queue with a consumer, so that an alert ends.

    A broker that counts consumers knows of workers without a Monitor, too.
    """
    living = [a for a in agents if a.get("role") == "worker" and not a.get("goodbye") and not overdue_s(a, now_us)]
    consumed = {queue for agent in living for queue in agent.get("queues") or ()}
    for name, gauges in queues.items():
        backlog = gauges.get("backlog")
        if backlog is not None:
            served = name in consumed or gauges.get("consumers")
            yield Reading("queue_unserved", name, 0.0 if served else backlog, MESSAGES)


def _overdue(agents: Iterable[AgentState], now_us: int) -> Iterator[Reading]:
    """Yield by how much a heartbeat is overdue, of those that have one name the most."""
    late: dict[tuple[str, str], float] = {}
    for agent in agents:
        late[_name(agent)] = max(overdue_s(agent, now_us), late.get(_name(agent), 0.0))
    for (role, name), seconds in late.items():
        if role in _LOST:
            yield Reading(_LOST[role], name, round(seconds, 1), SECONDS)


def _hosts(agents: Iterable[AgentState], now_us: int) -> Iterator[Reading]:
    """Yield a machine's levels once, of the agent that spoke last; what the silent said is no longer true."""
    machines: dict[str, HostSample] = {}
    living = [a for a in agents if "machine" in a and not a.get("goodbye") and not overdue_s(a, now_us)]
    for agent in sorted(living, key=last_looked):
        machines[agent.get("host", "")] = agent["machine"]
    for host, sample in machines.items():
        yield Reading("host_cpu", host, sample["cpu_percent"] / 100, RATIO)
        for what in ("memory", "disk"):
            used, total = sample[f"{what}_used_bytes"], sample[f"{what}_total_bytes"]  # type: ignore[literal-required]
            if total:
                yield Reading(f"host_{what}", host, used / total, RATIO)


def last_looked(agent: AgentState) -> tuple[bool, int]:
    """Return what agents are sorted by for the last look at their machine.

    A producer tells of its machine with its rare heartbeats only, so a worker's or beat's word counts first.
    """
    return agent.get("role") != "producer", agent.get("at_us", 0)
