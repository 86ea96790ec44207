"""How the monitor itself is: who folds and when, what was dropped or skipped, how much is stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from celery_monitor.model import AgentState, Pace
from celery_monitor.query import live as agents_live
from celery_monitor.query.times import iso
from celery_monitor.store import inbox, live, memory
from celery_monitor.store.connection import Store
from celery_monitor.store.cursor import TasksCursor
from celery_monitor.store.memory import Memory
from celery_monitor.store.packing import BROKEN
from celery_monitor.store.report import UNDECODABLE

STALE_S: Final = 30.0
"""Figures are called stale when nothing was folded for this long."""
_MOST_NOTES: Final = 50


@dataclass(frozen=True, slots=True)
class Facts:
    """What the store knows of the monitor itself, read at one go."""

    agents: list[AgentState]
    pace: Pace | None
    skipped: dict[str, int]
    stored_bytes: int
    room: Memory

    def lag_s(self, now_us: int) -> float | None:
        """Seconds since the last fold; None when there never was one."""
        return max(0.0, (now_us - self.pace["folded_us"]) / 1e6) if self.pace else None

    def stale(self, now_us: int) -> bool:
        """Return whether nobody folds; a fleet that has just started gets its time."""
        lag = self.lag_s(now_us)
        if lag is not None:
            return lag > STALE_S
        return any(now_us - a.get("started_us", now_us) > STALE_S * 1e6 for a in self.agents)


def read(store: Store) -> Facts:
    """Read the facts.

    Raises:
        StoreError: the store does not answer.
    """
    keys = store.keys
    with store.translated():
        pipe = store.client.pipeline(transaction=False)
        pipe.hvals(keys.live)
        pipe.get(keys.pace)
        pipe.hgetall(keys.skipped)
        pipe.get(keys.cursor(inbox.TASKS))
        states, pace, skipped, cursor = pipe.execute()
    return Facts(
        agents=live.decode(states),
        pace=live.decode_pace(pace),
        skipped={k.decode("utf-8", "replace"): int(v) for k, v in skipped.items()},
        stored_bytes=_stored(cursor),
        room=memory.read(store),
    )


def row(facts: Facts, now_us: int, *, tail_truncated: bool = False) -> dict[str, Any]:
    """Return the `health` object of the JSON API."""
    living = agents_live.alive(facts.agents, now_us)
    dropped: Counter[str] = Counter()
    for agent in living:
        dropped.update(agent.get("dropped") or {})
    lag = facts.lag_s(now_us)
    return {
        "store": "ok",
        "folded_at": iso(facts.pace["folded_us"]) if facts.pace else None,
        "fold_lag_seconds": round(lag, 3) if lag is not None else None,
        "ticker": _ticker(facts),
        "agents": len(living),
        "dropped": dict(dropped),
        "skipped_entries": facts.skipped.get(UNDECODABLE, 0),
        "stored_bytes": facts.stored_bytes,
        "notes": _notes(facts, living, tail_truncated=tail_truncated),
    }


def _ticker(facts: Facts) -> str | None:
    if facts.pace is None:
        return None
    by = facts.pace.get("by")
    return next((a.get("hostname") for a in facts.agents if a["boot"] == by), None) or facts.pace.get("role")


def _notes(facts: Facts, living: Sequence[AgentState], *, tail_truncated: bool) -> list[str]:
    notes = list(_memory_notes(facts.room))
    notes += [f"left out since ever: {what}: {n}" for what, n in sorted(facts.skipped.items())]
    if tail_truncated:
        notes.append("so much is waiting to be folded that the newest figures are incomplete")
    said: dict[str, list[str]] = {}
    for agent in living:
        for note in agent.get("notes") or ():
            said.setdefault(note, []).append(agent.get("hostname", "?"))
    notes += [_said(note, names) for note, names in said.items()]
    return notes[:_MOST_NOTES]


def _said(note: str, names: list[str]) -> str:
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"{names[0]}{more}: {note}"


def _memory_notes(room: Memory) -> list[str]:
    notes = []
    if not room.takes_counters:
        notes.append(f"the server's memory is {room.ratio:.0%} used: counters wait, executions are dropped")
    elif not room.takes_executions:
        notes.append(f"the server's memory is {room.ratio:.0%} used: executions are dropped, counters go on")
    if room.policy.startswith("allkeys-"):
        notes.append(f"maxmemory-policy {room.policy} may evict what is stored here, and your messages")
    return notes


def _stored(raw: bytes | None) -> int:
    try:
        return TasksCursor.load(raw).stored_bytes
    except BROKEN:
        return 0


def dropped_any(health: Mapping[str, Any]) -> bool:
    """Return whether the health object tells of a loss."""
    return bool(health["dropped"]) or health["skipped_entries"] > 0
