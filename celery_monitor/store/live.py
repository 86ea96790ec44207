"""The live table: the last word of every agent, and the pace the fold gives them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, cast

from celery_monitor.model import AgentState, Pace
from celery_monitor.store import packing
from celery_monitor.store.connection import Store
from celery_monitor.store.keys import LIVE_S

LOST_AFTER: Final = 3
"""Heartbeats missed, plus `LOST_S`, before a silent agent is called lost."""
LOST_S: Final = 10.0


def agents(store: Store) -> list[AgentState]:
    """Return the last state of every agent that was not forgotten, oldest process first."""
    return decode(_raw(store))


def decode(raw: Iterable[bytes]) -> list[AgentState]:
    """Return the states in the table's values; broken ones are left out."""
    states: list[AgentState] = []
    for value in raw:
        try:
            state = packing.unpack(value)
        except packing.Undecodable:
            continue
        if isinstance(state, dict) and isinstance(state.get("boot"), str) and isinstance(state.get("at_us"), int):
            states.append(cast("AgentState", state))
    return sorted(states, key=lambda s: (s.get("started_us") or 0, s["boot"]))


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
    if not isinstance(value, dict) or not isinstance(value.get("folded_us"), int):
        return None
    value.setdefault("task_us", 0)
    value["one_in"] = _power(value.get("one_in"))
    value.setdefault("one_in_us", 0)
    return cast("Pace", value)
