"""How the monitor itself is: who folds and when, what was dropped or skipped, how much is stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import Any, Final

from celery_monitor.live_state import AgentState, Pace
from celery_monitor.query import live as agents_live
from celery_monitor.query.live import run_of
from celery_monitor.query.times import iso
from celery_monitor.store import foreign, inbox, lease, live, memory, schedule, usage
from celery_monitor.store.connection import Store
from celery_monitor.store.cursor import MetricsCursor
from celery_monitor.store.encoding.packing import BROKEN
from celery_monitor.store.memory import Budget, Memory
from celery_monitor.store.report import UNDECODABLE
from celery_monitor.store.rollups import tiers
from celery_monitor.store.rows import runs, waits
from celery_monitor.store.usage import Usage

STALE_S: Final = 30.0
"""Figures are called stale when nothing was folded for this long, and for three ticks."""
LATELY_US: Final = 3_600_000_000
"""A loss is a thing of now for an hour, as a resolved alert is; what was lost since ever is counted all the same."""
_MOST_NOTES: Final = 50
_FULL: Final = 0.9
_UNITS: Final = {10: "10 s", 60: "1 min", 600: "10 min", 3600: "1 h", 21_600: "6 h"}


@dataclass(frozen=True, slots=True)
class Facts:
    """What the store knows of the monitor itself, read at one go.

    Attributes:
        broken: what cannot be decoded, by its kind.
        open_runs: runs of workflows that are not over, as far as they are kept.
        foreign: keys of ours that hold what somebody else has put there.
    """

    agents: list[AgentState]
    pace: Pace | None
    skipped: dict[str, int]
    broken: dict[str, int]
    room: Memory
    usage: Usage
    budget: Budget
    cut: dict[int, int]
    rollup_days: int
    open_runs: int
    foreign: tuple[str, ...] = ()

    @property
    def one_in(self) -> int:
        """One in so many runs is kept."""
        return self.pace["one_in"] if self.pace else 1

    def lag_s(self, now_us: int) -> float | None:
        """Seconds since the last fold; None when there never was one."""
        return max(0.0, (now_us - self.pace["folded_us"]) / 1e6) if self.pace else None

    def stale(self, now_us: int) -> bool:
        """Return whether nobody folds; a fleet that has just started gets its time."""
        lag = self.lag_s(now_us)
        if lag is not None:
            return lag > max(STALE_S, 3 * self.pace["interval_s"] if self.pace else 0.0)
        return any(now_us - a.get("started_us", now_us) > STALE_S * 1e6 for a in self.agents)

    def undecodable(self, now_us: int) -> int:
        """Return how many things cannot be decoded: those that are there, and those that came by, if one did lately."""
        lately = self.pace is not None and now_us - self.pace["undecodable_us"] < LATELY_US
        return sum(self.broken.values()) + (self.skipped.get(UNDECODABLE, 0) if lately else 0)

    def dropped(self, now_us: int) -> bool:
        """Tell whether a living agent dropped anything lately."""
        living = agents_live.alive(self.agents, now_us)
        return any(a.get("dropped") and now_us - a.get("dropped_us", now_us) < LATELY_US for a in living)


def read(store: Store, now_us: int) -> Facts:
    """Read the facts.

    Raises:
        StoreError: the store does not answer.
    """
    each = [_of_shard(shard, now_us) for shard in store.shards]
    return each[0] if len(each) == 1 else _together(each)


def _of_shard(store: Store, now_us: int) -> Facts:
    keys = store.keys
    with store.translated():
        pipe = store.client.pipeline(transaction=False)
        pipe.hvals(keys.live)
        pipe.get(keys.pace)
        pipe.hgetall(keys.skipped)
        pipe.get(keys.cursor(inbox.METRICS))
        pipe.hvals(keys.waits)
        pipe.hvals(keys.beats)
        pipe.zcard(keys.runs)
        pipe.zrandmember(keys.runs, runs.SAMPLE, withscores=True)
        states, pace, skipped, cursor, open_waits, beats, followed, sample = pipe.execute()
    room, agents = memory.read(store), live.decode(states)
    running = {run_of(row) for agent in agents_live.alive(agents, now_us) for row in agent.get("running") or ()}
    return Facts(
        agents=agents,
        pace=live.decode_pace(pace),
        skipped={k.decode("utf-8", "replace"): int(v) for k, v in skipped.items() if v.isdigit()},
        broken=_known(
            {
                "states of agents": len(states) - len(agents),
                "open waits": waits.broken(open_waits),
                "schedules of beats": schedule.broken(beats),
            }
        ),
        room=room,
        usage=usage.read(store, now_us),
        budget=memory.budget(store, room),
        cut=_cut(cursor),
        rollup_days=store.rollup_days,
        open_runs=runs.open_of(sample, followed, running),
        foreign=_foreign(store),
    )


def _foreign(store: Store) -> tuple[str, ...]:
    """Return which keys hold what is not ours; of a lease its value tells it, of the others their types."""
    with store.translated():
        wrong = foreign.find(store.client, store.keys)
    trouble = lease.trouble(store)
    wrong |= {"lease": trouble} if trouble else {}
    return tuple(wrong.values())


def _together(each: Sequence[Facts]) -> Facts:
    """Return the facts of all shards: sums, the fullest server, the shard that was cut the most."""
    skipped: Counter[str] = Counter()
    broken: Counter[str] = Counter()
    cut: dict[int, int] = {}
    for facts in each:
        skipped.update(facts.skipped)
        broken.update(facts.broken)
        cut = {step: max(cut.get(step, 0), facts.cut.get(step, 0)) for step in cut.keys() | facts.cut.keys()}
    return Facts(
        agents=[agent for facts in each for agent in facts.agents],
        pace=each[0].pace,
        skipped=dict(skipped),
        broken=dict(broken),
        room=max((facts.room for facts in each), key=lambda room: (bool(room.max_bytes), room.ratio)),
        usage=sum((facts.usage for facts in each), start=Usage()),
        budget=Budget(
            sum(f.budget.executions for f in each),
            sum(f.budget.counters for f in each),
            sum(f.budget.logs for f in each),
        ),
        cut=cut,
        rollup_days=each[0].rollup_days,
        open_runs=sum(facts.open_runs for facts in each),
        foreign=tuple(text for facts in each for text in facts.foreign),
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
        "sampling": _sampling(facts),
        "dropped": dict(dropped),
        "skipped_entries": facts.skipped.get(UNDECODABLE, 0) + sum(facts.broken.values()),
        "stored_bytes": facts.usage.total,
        "stored": asdict(facts.usage),
        "budget_bytes": facts.budget.total,
        "notes": _notes(facts, living, now_us, tail_truncated=tail_truncated),
    }


def _sampling(facts: Facts) -> dict[str, Any]:
    """Return the part of runs whose executions are kept, and since when."""
    since = iso(facts.pace["one_in_us"]) if facts.pace and facts.one_in > 1 else None
    return {"rate": round(1 / facts.one_in, 6), "since": since}


def _ticker(facts: Facts) -> str | None:
    if facts.pace is None:
        return None
    by = facts.pace.get("by")
    return next((a.get("hostname") for a in facts.agents if a["boot"] == by), None) or facts.pace.get("role")


def _notes(facts: Facts, living: Sequence[AgentState], now_us: int, *, tail_truncated: bool) -> list[str]:
    notes = [*facts.foreign, *_memory_notes(facts.room), *_budget_notes(facts, now_us)]
    if facts.one_in > 1:
        notes.append(
            f"1 of {facts.one_in} runs is kept, so that executions reach back monitor_execution_hours: "
            "counts are exact; failing, retried and slow executions of other runs are kept alone"
        )
    notes += [f"left out since ever: {what}: {n}" for what, n in sorted(facts.skipped.items())]
    notes += [f"left out, for they cannot be decoded: {n} {what}" for what, n in facts.broken.items()]
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
    if room.max_bytes and room.policy != "noeviction":
        more = ", and your messages" if room.policy.startswith("allkeys-") else ""
        notes.append(f"maxmemory-policy {room.policy} may evict what is stored here{more}; noeviction does not")
    return notes


def _budget_notes(facts: Facts, now_us: int) -> list[str]:
    """Return what our own share of the memory has led to: history cut short, an inbox that is full."""
    used, mine = facts.usage, facts.budget
    notes = []
    if used.total > mine.total * 1.1:
        notes.append(f"{_mb(used.total)} are stored, more than the {_mb(mine.total)} that are ours here")
    if used.inbox > _FULL * mine.counters_inbox and facts.stale(now_us):
        notes.append(f"{_mb(used.inbox)} wait to be folded: what finds no room stays with the agents, or is dropped")
    for tier in tiers.TIERS:
        cut = facts.cut.get(tier.step_s, 0)
        if tiers.expires_in(tier, cut, now_us // 1_000_000, facts.rollup_days) > 0:
            notes.append(
                f"figures in steps of {_UNITS[tier.step_s]} go back to {_minute(cut)} only: rollups have used "
                f"up their {_mb(mine.rollups(used.rest))}; more maxmemory or monitor_rollup_bytes keeps more"
            )
    return notes


def _minute(second: int) -> str:
    return f"{datetime.fromtimestamp(second, timezone.utc):%Y-%m-%d %H:%M} UTC"


def _mb(n: int) -> str:
    return f"{n / 1_000_000:.1f} MB"


def _known(counted: Mapping[str, int]) -> dict[str, int]:
    return {what: n for what, n in counted.items() if n}


def _cut(raw: bytes | None) -> dict[int, int]:
    try:
        return MetricsCursor.load(raw).cut
    except BROKEN:
        return {}
