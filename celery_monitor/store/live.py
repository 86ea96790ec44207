"""The live table: the last word of every agent, and the pace the fold gives them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, TypedDict, cast

from celery_monitor.live_state import AgentState, Pace
from celery_monitor.store.connection import Store
from celery_monitor.store.encoding import packing, shapes
from celery_monitor.store.keys import LIVE_S

LOST_AFTER: Final = 3
"""Heartbeats missed, plus `LOST_S`, before a silent agent is called lost."""
LOST_S: Final = 10.0
_RUNNING: Final = frozenset({"uid", "id", "run", "task", "queue", "pid", "started_us"})
_HELD: Final = shapes.checker(tuple[str, str, str, int, int, int])


class _Process(TypedDict, total=False):
    """What `agent.processes` tells of one."""

    pid: int
    started_us: int
    cpu_percent: float
    rss_bytes: int
    uss_bytes: int
    threads: int
    fds: int
    switches: int
    involuntary_switches: int
    read_bytes: int
    written_bytes: int


class _Cut(TypedDict, total=False):
    """An attempt that a death has cut off."""

    id: str
    task: str
    started_us: int


class _Death(TypedDict, total=False):
    """What `agent.deaths` tells of one."""

    pid: int
    at_us: int
    exit: str
    code: int | None
    running: list[_Cut]


_ROWS: Final = {"held": _HELD, "children": shapes.checker(_Process), "deaths": shapes.checker(_Death)}
"""Lists in a state to what tells whether an item is one."""
_UNTOLD: Final = {
    "agents": 1, "by": "", "role": "", "interval_s": 5.0, "queues": (), "task_us": 0, "one_in_us": 0,
    "undecodable_us": 0, "deaf": False,
}  # fmt: skip
"""What holds when a pace does not tell it."""


_MACHINE: Final = frozenset(
    {"cpu_percent", "load1", "memory_used_bytes", "memory_total_bytes", "disk_used_bytes", "disk_total_bytes"}
)
"""What is always told of a machine, if anything is."""


def agents(store: Store) -> list[AgentState]:
    """Return the last state of every agent that was not forgotten, oldest process first."""
    return decode(_raw(store))


def decode(raw: Iterable[bytes]) -> list[AgentState]:
    """Return the states in the table's values; broken ones are left out, and of others what is not of its type."""
    states = [state for state in map(_state, raw) if state is not None]
    return sorted(states, key=lambda s: (s.get("started_us") or 0, s["boot"]))


def _state(raw: bytes) -> AgentState | None:
    try:
        told = packing.unpack(raw)
        found = shapes.kept(told, AgentState)
        bytes.fromhex(found["boot"])
        found["at_us"] += 0
    except packing.BROKEN:
        return None
    if "machine" in found and not found["machine"].keys() >= _MACHINE:
        del found["machine"]
    for name, fits in _ROWS.items():
        if name in found:
            found[name] = [each for each in found[name] if fits(each)]
    if "running" in found:
        found["running"] = [each for each in found["running"] if _is_running(each)]
    if not shapes.checker(_Process)(found.get("main", {})):
        del found["main"]
    return cast("AgentState", found)


def _is_running(told: dict[str, Any]) -> bool:
    try:
        bytes.fromhex(told["uid"] + told["run"])
    except (KeyError, ValueError):
        return False
    return told.keys() >= _RUNNING


def silent(store: Store, now_us: int) -> list[tuple[AgentState, bytes]]:
    """Return the agents that missed three heartbeats without a goodbye and were running something, with their bytes."""
    found = [(state, raw) for raw in _raw(store) for state in decode([raw])]
    return [(state, raw) for state, raw in found if state.get("running") and is_silent(state, now_us)]


def _raw(store: Store) -> list[bytes]:
    with store.translated():
        return [raw for shard in store.shards for raw in store.client.hvals(shard.keys.live)]


def is_silent(agent: AgentState, now_us: int) -> bool:
    """Tell whether an agent has missed three heartbeats and ten seconds, and did not say goodbye."""
    silent_s = (now_us - agent["at_us"]) / 1e6
    return not agent.get("goodbye") and silent_s > LOST_AFTER * agent.get("interval_s", 10.0) + LOST_S


def forget(store: Store, boots: Iterable[str]) -> None:
    """Remove agents (boot ids, hex) from the table."""
    gone = list(boots)
    if gone:
        with store.translated():
            for shard in store.shards:
                store.client.hdel(shard.keys.live, *gone)


def set_pace(store: Store, pace: Pace) -> None:
    """Tell agents how many they are and when the fold last ran."""
    with store.translated():
        for shard in store.shards:
            pipe = store.client.pipeline(transaction=False)
            pipe.set(shard.keys.pace, packing.pack(pace), ex=LIVE_S)
            pipe.expire(shard.keys.live, LIVE_S)
            pipe.execute()


def pace(store: Store) -> Pace | None:
    """Return the pace, None when nobody ever ticked."""
    with store.translated():
        raw = store.client.get(store.keys.pace)
    return decode_pace(raw)


def _power(told: object) -> int:
    """Return a power of two that is not more than what was told, 1 for nonsense."""
    return 1 << min(told.bit_length() - 1, 20) if isinstance(told, int) and told > 0 else 1


def decode_pace(raw: bytes | None) -> Pace | None:
    """Return the pace in its bytes, None for none or for broken ones."""
    try:
        value = packing.unpack(raw) if raw else None
    except packing.Undecodable:
        return None
    found = shapes.kept(value, Pace) if isinstance(value, dict) else {}
    if "folded_us" not in found:
        return None
    found["one_in"] = _power(found.get("one_in"))
    return cast("Pace", {**_UNTOLD, **found})
