"""Why is it waiting? For one execution, and for the oldest and the newest that wait in a queue."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from celery_monitor.analytics import waiting
from celery_monitor.analytics.waiting import Hold, Message, Worker
from celery_monitor.live_state import AgentState
from celery_monitor.model import Cell
from celery_monitor.query import execution_row, executions, live, paging, queues, rows, tables
from celery_monitor.query.queues import Seen
from celery_monitor.query.rows import Blocks, Found
from celery_monitor.query.times import iso
from celery_monitor.signals.record import State, pack_id
from celery_monitor.store import broker
from celery_monitor.store import live as live_table
from celery_monitor.store.broker import Look
from celery_monitor.store.connection import Store

_STATES: Final = frozenset({execution_row.WAITING, State.RETRY.name})
_MOST: Final = 100
_SEARCHED: Final = 2000
Levels = Mapping[str, Mapping[str, float]]
"""Queue to its last gauges."""
_SLACK_US: Final = 5_000_000
"""A message may be older by so much than the sample of its queue said: the broker's clock is not the publisher's."""


@dataclass(frozen=True, slots=True)
class Held:
    """A row of what a worker says it holds."""

    hold: Hold
    task: str
    queue: str
    eta_us: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of the workers at one moment."""

    workers: list[AgentState]
    held: dict[str, Held]
    visibility_s: float

    def consumers(self, queue: str | None) -> list[Worker]:
        """Return the live workers of a queue."""
        return [_worker(agent) for agent in self.workers if queue in (agent.get("queues") or ())]


def facts(agents: Iterable[AgentState], look: Look, now_us: int) -> Facts:
    """Return who holds what, by the live states."""
    workers = live.serving(agents, now_us)
    held = {}
    for agent in workers:
        worker = _worker(agent)
        for task_id, task, queue, since_us, error_us, eta_us in agent.get("held") or ():
            seen_us = since_us - agent.get("clock_us", 0)  # it was taken by the worker's clock
            held[task_id] = Held(Hold(worker, seen_us, error_us), task, queue, eta_us)
    return Facts(workers, held, live.visibility_s(workers, look))


def of_execution(
    store: Store, row: Mapping[str, Any], now_us: int, levels: Callable[[], Levels]
) -> dict[str, Any] | None:
    """Return why an execution waits, None for one that does not.

    Parameters:
        row: as `execution_row.row` made it.
        levels: tells the last gauges of the queues; asked where no live worker consumes its queue.

    Raises:
        StoreError: the store does not answer.
    """
    if row["state"] not in _STATES:
        return None
    packed = pack_id(row["id"])
    found = Blocks(store, rows.tail(store, now_us)).by_ids([packed]).get(packed, Found())
    known = facts(live_table.agents(store), broker.load(store), now_us)
    others = 0 if known.consumers(row["queue"]) else levels().get(row["queue"] or "", {}).get("consumers", 0)
    return _explained(row["id"], row["queue"], found, known, now_us, int(others))


def page(store: Store, seen: Seen, name: str, limit: int | str | None) -> dict[str, Any]:
    """Return the oldest and the newest executions that wait in a queue, each with the reason.

    Raises:
        StoreError: the store does not answer.
    """
    now_us, most = seen.window.now_us, min(paging.limit(limit), _MOST)
    known = facts(seen.agents, seen.look, now_us)
    level = seen.level(name)
    held = [task_id for task_id, of in known.held.items() if of.queue == name]
    oldest_us = _oldest_us(seen, level)
    ids = {*held, *_stored(store, name, oldest_us, most, now_us)}
    if first := seen.look.get("oldest", {}).get(name):
        ids.add(first[0])
    found = Blocks(store, rows.tail(store, now_us)).by_ids([pack_id(task_id) for task_id in ids])
    others = int(level.get("consumers", 0))
    told = [_row(task_id, name, found.get(pack_id(task_id), Found()), known, now_us, others) for task_id in ids]
    waiting_ = [row for row in told if row is not None]
    since = {row["id"]: _since_us(row["id"], found, known) for row in waiting_}
    waiting_.sort(key=lambda row: (since[row["id"]], row["id"]))
    total = queues.row(seen, name, tables.grouped(seen.cells, 2).get(name, Cell()))
    fields = ("backlog", "oldest_seconds", "held", "eta_held", "delivered_twice", "running", "unacked", "consumers")
    return {
        "queue": name,
        **{field: total[field] for field in fields},
        "visibility_timeout_seconds": known.visibility_s or None,
        "oldest": waiting_[:most],
        "newest": waiting_[::-1][:most],
    }


def _oldest_us(seen: Seen, level: Mapping[str, float]) -> int | None:
    """Return before when nothing was published that is still in the broker: what looks so was purged or lost."""
    if not level.get("backlog", 1.0):
        return seen.look.get("at_us", seen.window.now_us) - _SLACK_US
    if "oldest_s" not in level:
        return None
    return int(seen.look.get("at_us", seen.window.now_us) - level["oldest_s"] * 1e6) - _SLACK_US


def _stored(store: Store, name: str, oldest_us: int | None, most: int, now_us: int) -> set[str]:
    """Return ids of the newest and of the oldest that wait, as far as their publishes are stored."""
    newest = _ids(store, name, oldest_us, None, most, now_us)
    found, span_us = newest, 2_000_000
    if len(newest) < most:
        return found
    if oldest_us is None:
        return newest | _last_of(store, name, most, now_us)
    while oldest_us + span_us < now_us:
        oldest = _ids(store, name, oldest_us, oldest_us + span_us, most, now_us)
        found = newest | oldest
        if len(oldest) >= most:
            break
        span_us *= 2
    return found


def _last_of(store: Store, name: str, most: int, now_us: int) -> set[str]:
    """Return the oldest of the newest `_SEARCHED` that wait: the broker does not tell from when on to look."""
    found: list[str] = []
    filters = executions.Filters(queue=name, state=execution_row.WAITING, limit=_SEARCHED // 4)
    for _ in range(4):
        told = executions.page(store, filters, now_us)
        found += [row["id"] for row in told["executions"]]
        if told["next"] is None:
            break
        filters = replace(filters, before=paging.position(told["next"]))
    return set(found[-most:])


def _ids(store: Store, name: str, since_us: int | None, until_us: int | None, most: int, now_us: int) -> set[str]:
    filters = executions.Filters(
        queue=name, state=execution_row.WAITING, since_us=since_us, until_us=until_us, limit=most
    )
    return {row["id"] for row in executions.page(store, filters, now_us)["executions"]}


def _row(task_id: str, queue: str, found: Found, known: Facts, now_us: int, others: int) -> dict[str, Any] | None:
    """Return a row of the page; None for what is running or over by now."""
    shown = execution_row.row(pack_id(task_id), found, None)
    held = known.held.get(task_id)
    if shown["state"] not in _STATES or any(
        run["id"] == task_id for w in known.workers for run in w.get("running", ())
    ):
        return None
    row = {"id": task_id, "task": shown["task"] or (held.task if held else None), "run_id": shown["run_id"]}
    return row | _explained(task_id, queue, found, known, now_us, others)


def _since_us(task_id: str, found: Mapping[bytes, Found], known: Facts) -> int:
    """Return since when a message waits: its last publish, or since it was held, 0 for nobody knows."""
    publishes = found.get(pack_id(task_id), Found()).publishes
    held = known.held.get(task_id)
    return max((p.published_us for p in publishes), default=held.hold.since_us if held else 0)


def _explained(task_id: str, queue: str | None, found: Found, known: Facts, now_us: int, others: int) -> dict[str, Any]:
    held = known.held.get(task_id)
    last = max(found.publishes, key=lambda p: p.published_us, default=None)
    due_us = (last.due_us if last else 0) or (held.eta_us if held else 0)
    message = Message(last.published_us if last else 0, due_us, retried=bool(last and last.retries))
    hold = held.hold if held else None
    told = waiting.explain(message, hold, known.consumers(queue), known.visibility_s, now_us, others=others)
    again_us = hold.since_us + int(known.visibility_s * 1e6) if hold and told["delivered_twice"] else 0
    return {
        "published_at": iso(message.published_us),
        "due_at": iso(due_us),
        "held_by": hold.worker.name if hold else None,
        "held_since": iso(hold.since_us) if hold else None,
        **told,
        "delivered_twice_at": iso(again_us),
    }


def _worker(agent: AgentState) -> Worker:
    ahead_us = agent.get("clock_us", 0)
    running = [{**run, "started_us": run["started_us"] - ahead_us} for run in agent.get("running") or ()]
    return Worker(agent.get("hostname", ""), int(agent.get("slots") or 0), running)
