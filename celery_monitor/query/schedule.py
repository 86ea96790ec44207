"""Beats and their entries: what each should have sent and what it has, with what came of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from types import SimpleNamespace
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from celery.schedules import crontab

from celery_monitor.analytics import ledger, plain
from celery_monitor.analytics.executions import end_of, real
from celery_monitor.analytics.figures import durations
from celery_monitor.analytics.ledger import Booking, Totals
from celery_monitor.details import Fire
from celery_monitor.live_state import AgentState
from celery_monitor.query import execution_row, live, rows
from celery_monitor.query.rows import Blocks, Found
from celery_monitor.query.times import iso
from celery_monitor.query.window import Window
from celery_monitor.signals.record import pack_id, unpack_id
from celery_monitor.sketch import Sketch
from celery_monitor.store import live as live_table
from celery_monitor.store import schedule as stored
from celery_monitor.store.connection import Store

MOST_ENTRIES: Final = 500
_MOST_LINES: Final = 50
_MOST_RUNS: Final = 20
_MOST_LOOKED_UP: Final = 1000
_MOST_SLOTS: Final = 100_000
_STALLED_S: Final = 30.0
"""A beat's loop that is so much behind the pause it announced does not send any more."""

_NEWS_S: Final = 10.0
_LEAST_FLUSH_S: Final = 5.0
"""What was sent is known when its process has flushed and somebody has folded; what was due since is not missed yet."""

Entry = dict[str, Any]


def page(store: Store, window: Window) -> dict[str, Any]:
    """Return the answer to ``/schedule``, as docs/api.md describes it.

    Raises:
        StoreError: the store does not answer.
    """
    beats, agents = stored.beats(store), {agent["boot"]: agent for agent in live_table.agents(store)}
    shown = [_beat(beat, agents.get(beat["boot"]), window.now_us) for beat in beats]
    entries_ = _entries(beats, shown, agents)
    since_us = window.start_s * 1_000_000
    fires = (fire for fire in stored.fires(store, since_us) if not window.until_us or fire.at_us < window.until_us)
    by_entry = _by_entry(fires, entries_)
    found = _found(store, by_entry, window.now_us)
    alive = _keys(by_entry, {row["beat"] for row in shown if row["state"] == "ok"})
    running = {pack_id(run["id"]) for a in live.alive(agents.values(), window.now_us) for run in a.get("running") or ()}
    booked_us = min(window.at_us, _known_us(store, beats, agents, window.now_us))
    table = [
        _row(entry, by_entry.get(name, []), found, alive, running, booked_us + entry.get("ahead_us", 0))
        for name, entry in sorted(entries_.items())
    ]
    kept_us = stored.oldest_us(store)
    return {
        **totals(beats, agents, window.now_us),
        "since": iso(max(since_us, kept_us or 0)),
        "beats": shown,
        "notes": _notes(shown, beats),
        "entries": table[:MOST_ENTRIES],
    }


def summed(store: Store, agents: Iterable[AgentState], now_us: int) -> dict[str, int]:
    """Return the `schedules` object of the summary."""
    return totals(stored.beats(store), {agent["boot"]: agent for agent in agents}, now_us)


def totals(beats: Sequence[Mapping[str, Any]], agents: Mapping[str, AgentState], now_us: int) -> dict[str, int]:
    """Return how many entries the beats have, and how many of them are enabled."""
    found = entries(beats, agents.values(), now_us)
    return {"enabled": sum(bool(entry["enabled"]) for entry in found.values()), "total": len(found)}


def entries(beats: Sequence[Mapping[str, Any]], agents: Iterable[AgentState], now_us: int) -> dict[str, Entry]:
    """Return the entries by name: of the beats that live, of the last one where none does.

    `ahead_us` of an entry is by how much the clock of its beat is ahead of the store's: its times are by that.
    """
    by_boot = {agent["boot"]: agent for agent in agents}
    return _entries(beats, [_beat(beat, by_boot.get(beat["boot"]), now_us) for beat in beats], by_boot)


def due_after(entry: Mapping[str, Any], last: Fire) -> int:
    """Return when an entry is due after it was sent, in us; 0 where nobody knows."""
    if entry.get("kind") == "interval" and entry.get("every_s"):
        return last.at_us + round(float(entry["every_s"]) * 1e6)
    if entry.get("kind") == "crontab":
        return _cron_after(tuple(entry["cron"]), entry.get("zone") or "UTC", last.at_us)
    return last.next_us


def _beat(beat: Mapping[str, Any], agent: AgentState | None, now_us: int) -> dict[str, Any]:
    """Return a beat's row; its agent's heartbeat says that it lives, its loop that it works."""
    ahead_us = agent.get("clock_us", 0) if agent else 0
    seen_us = max(beat["at_us"] - ahead_us, agent["at_us"] if agent else 0)
    loop_us = beat["loop_us"] - ahead_us if beat.get("loop_us") else 0
    state = live.state(agent, now_us) if agent else "lost"
    silent_s = (seen_us - (loop_us or seen_us)) / 1e6 - float(beat.get("sleep_s") or 0.0)
    if state == "ok" and silent_s > _STALLED_S:
        state = "stalled"
    return {
        "beat": beat.get("beat", ""),
        "boot": beat["boot"],
        "state": state,
        "host": agent.get("host") if agent else None,
        "pid": agent.get("pid") if agent else None,
        "scheduler": beat.get("scheduler"),
        "started_at": iso(agent.get("started_us")) if agent else None,
        "seen_at": iso(seen_us),
        "loop_at": iso(loop_us),
        "entries": len(beat.get("entries") or ()),
    }


def _known_us(store: Store, beats: Iterable[Mapping[str, Any]], agents: Mapping[str, AgentState], now_us: int) -> int:
    """Return until when it is known what beats have sent: they flush now and then, and somebody has to fold."""
    pace = live_table.pace(store)
    folded_us = min(now_us, pace["folded_us"] + round(pace["interval_s"] * 1e6)) if pace else now_us
    told = [agents[beat["boot"]].get("interval_s", 0.0) for beat in beats if beat["boot"] in agents]
    return folded_us - round((_NEWS_S + max([_LEAST_FLUSH_S, *told])) * 1e6)


def _entries(
    beats: Sequence[Mapping[str, Any]], shown: Sequence[Mapping[str, Any]], agents: Mapping[str, AgentState]
) -> dict[str, Entry]:
    """Return the entries by name: of the beats that live, of the last one where none does."""
    living = [beat for beat, row in zip(beats, shown, strict=True) if row["state"] in {"ok", "stalled"}]
    found: dict[str, Entry] = {}
    for beat in living or beats[:1]:
        ahead_us = agents[beat["boot"]].get("clock_us", 0) if beat["boot"] in agents else 0
        for entry in beat.get("entries") or ():
            known = found.setdefault(entry["entry"], dict(entry) | {"beats": [], "ahead_us": ahead_us})
            known["ahead_us"] = min(known["ahead_us"], ahead_us)
            known["beats"].append(beat.get("beat", ""))
            known["last_us"] = max(known.get("last_us") or 0, entry.get("last_us") or 0)
            known["enabled"] = known["enabled"] or entry["enabled"]
    return found


def _by_entry(fires: Iterable[Fire], entries: dict[str, Entry]) -> dict[str, list[Fire]]:
    """Return what was sent by entry; one that no beat has any more gets a row that says so."""
    found: dict[str, list[Fire]] = {}
    for fire in fires:
        found.setdefault(fire.entry, []).append(fire)
        entries.setdefault(
            fire.entry,
            {
                "entry": fire.entry,
                "task": fire.task,
                "enabled": False,
                "kind": "",
                "text": "no longer scheduled",
                "beats": [],
            },
        )
    return found


def _keys(by_entry: Mapping[str, Sequence[Fire]], alive: set[str]) -> set[bytes]:
    """Return the processes of the beats that live, by the last thing each has sent."""
    return {fires[-1].key for fires in by_entry.values() if fires and fires[-1].beat in alive}


def _found(store: Store, by_entry: Mapping[str, Sequence[Fire]], now_us: int) -> dict[bytes, Found]:
    """Return the rows of the newest executions of each entry."""
    each = max(_MOST_RUNS, _MOST_LOOKED_UP // max(1, len(by_entry)))
    ids = [fire.id for fires in by_entry.values() for fire in fires[-each:] if fire.id]
    return Blocks(store, rows.tail(store, now_us)).by_ids(ids[: 4 * _MOST_LOOKED_UP]) if ids else {}


def _row(
    entry: Entry,
    fires: Sequence[Fire],
    found: Mapping[bytes, Found],
    alive: set[bytes],
    running: Collection[bytes],
    booked_us: int,
) -> dict[str, Any]:
    lines = ledger.book(fires, _slots(entry), booked_us, beats=alive, ends=bool(entry["enabled"]))
    lines = ledger.overlapping(lines, _ended(found, running))
    summed_ = Totals()
    for line in lines:
        summed_.add(line)
    runtime = Sketch()
    for fire in fires:
        for attempt in found.get(fire.id, Found()).attempts.values():
            if attempt.runtime_us >= 0:
                runtime.add(attempt.runtime_us)
    last = fires[-1] if fires else None
    drifts = summed_.drifts_us
    return {
        "entry": entry["entry"],
        "task": entry["task"],
        "enabled": bool(entry["enabled"]),
        "schedule": text(entry),
        "kind": entry.get("kind") or None,
        "queue": entry.get("queue") or None,
        "beats": entry["beats"],
        "first_sent_at": iso(fires[0].at_us) if fires else None,
        "last_sent_at": iso(max(last.at_us if last else 0, entry.get("last_us") or 0 if entry.get("total") else 0)),
        "next_due_at": iso(max(last.next_us if last else 0, entry.get("next_us") or 0)) if entry["enabled"] else None,
        "expected": summed_.expected,
        "sent": summed_.sent,
        **{f"{state}": n for state, n in summed_.counts.items()},
        "overlapping": summed_.overlapping,
        "drift_seconds": {
            "avg": round(sum(drifts) / len(drifts) / 1e6, 6) if drifts else None,
            "max": round(max(drifts) / 1e6, 6) if drifts else None,
        },
        "runtime_seconds": durations(runtime),
        "ledger": [_line(line) for line in lines if line.state != ledger.ON_TIME or line.overlaps][-_MOST_LINES:][::-1],
        "runs": [_run(line, found) for line in lines if line.fire is not None][-_MOST_RUNS:][::-1],
    }


def text(entry: Mapping[str, Any]) -> str:
    """Return an entry's schedule in plain language.

    >>> text({"kind": "interval", "every_s": 30.0, "text": ""})
    'every 30 seconds'
    """
    if entry.get("kind") == "interval":
        return plain.interval(entry["every_s"])
    if entry.get("kind") == "crontab":
        minute, hour, day, month, weekday = entry["cron"]
        return plain.crontab(minute, hour, day, month, weekday, entry.get("zone") or "")
    return str(entry.get("text") or "")


def _line(line: Booking) -> dict[str, Any]:
    fire = line.fire
    return {
        "state": line.state,
        "count": line.count,
        "due_at": iso(line.due_us),
        "sent_at": iso(fire.at_us) if fire and not fire.error else None,
        "late_seconds": round(line.drift_us / 1e6, 3) if line.drift_us is not None else None,
        "overlaps": line.overlaps,
        "reason": line.reason or None,
        "id": unpack_id(fire.id) or None if fire else None,
        "beat": fire.beat if fire else None,
    }


def _run(line: Booking, found: Mapping[bytes, Found]) -> dict[str, Any]:
    fire = line.fire
    rows_ = found.get(fire.id) if fire else None
    shown = execution_row.row(fire.id, rows_, None) if fire and rows_ else None
    attempt = shown["attempts"][-1] if shown and shown["attempts"] else {}
    return _line(line) | {
        "execution_state": shown["state"] if shown else None,
        "started_at": attempt.get("started_at"),
        "ended_at": shown["ended_at"] if shown else None,
        "wait_seconds": attempt.get("wait_seconds"),
        "runtime_seconds": attempt.get("runtime_seconds"),
    }


def _ended(found: Mapping[bytes, Found], running: Collection[bytes]) -> Callable[[bytes], int | None]:
    def ended_us(packed: bytes) -> int | None:
        if packed in running:
            return 0
        rows_ = found.get(packed)
        if rows_ is None:
            return None
        ends = [end_of(a) for a in real(rows_.attempts.values(), published=True)]
        return max(ends, default=None)

    return ended_us


def _slots(entry: Mapping[str, Any]) -> ledger.Slots:
    """Return what tells the times an entry is due; where its schedule is not known, the time given alone."""
    if entry.get("kind") == "interval" and entry.get("every_s"):
        step = round(entry["every_s"] * 1e6)
        return lambda first, last: range(first, last + 1, step)[:_MOST_SLOTS]
    if entry.get("kind") == "crontab":
        return _Cron(entry["cron"], entry.get("zone") or "UTC")
    return lambda first, last: [first] if first <= last else []


class _Cron:
    """The times of a crontab, by Celery's own arithmetic."""

    def __init__(self, fields: Sequence[str], zone: str) -> None:
        try:
            self._zone: Any = ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError):
            self._zone = timezone.utc
        minute, hour, day, month, weekday = fields
        self._timing = crontab(
            minute=minute, hour=hour, day_of_week=weekday, day_of_month=day, month_of_year=month,
            app=SimpleNamespace(timezone=self._zone, now=lambda: datetime.now(self._zone)),
        )  # fmt: skip

    def __call__(self, first: int, last: int) -> list[int]:
        found: list[int] = []
        at = first
        while at <= last and len(found) < _MOST_SLOTS:
            found.append(at)
            at = self.after(at)
        return found

    def after(self, at_us: int) -> int:
        """Return the next time after one."""
        moment = datetime.fromtimestamp(at_us / 1e6, self._zone) + timedelta(milliseconds=1)
        begin, delta, _ = self._timing.remaining_delta(moment, tz=self._zone)
        found: datetime = begin + delta
        return round(found.timestamp() * 1e6)


@lru_cache(MOST_ENTRIES)
def _cron_after(fields: tuple[str, ...], zone: str, at_us: int) -> int:
    """Return the next time of a crontab; asked for the same again and again, and costs 0.1 ms."""
    return _Cron(fields, zone).after(at_us)


def _notes(shown: Sequence[Mapping[str, Any]], beats: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what a person should know, in sentences."""
    living = [row for row in shown if row["state"] in {"ok", "stalled"}]
    notes = [
        f"{row['beat']} does not come round its loop any more: it sends nothing"
        for row in living
        if row["state"] == "stalled"
    ]
    names = [
        {entry["entry"] for entry in beat.get("entries") or () if entry["enabled"]}
        for beat, row in zip(beats, shown, strict=True)
        if row in living
    ]
    both = sorted({name for at, one in enumerate(names) for other in names[at + 1 :] for name in one & other})
    if both:
        more = f" and {len(both) - 3} more" if len(both) > 3 else ""
        sharing = sum(not own.isdisjoint(both) for own in names)
        notes.append(
            f"{sharing} beats run and have entries in common, which are sent by each: {', '.join(both[:3])}{more}"
        )
    if beats and not living:
        notes.append("no beat runs: nothing is sent")
    return notes
