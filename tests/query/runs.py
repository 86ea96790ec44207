"""Scenarios of runs, handed in to a store as agents and the tick do."""

from __future__ import annotations

from typing import Any

from celery_monitor.analytics.judged import Rows, row, text_of
from celery_monitor.analytics.runs import judge
from celery_monitor.details import Log, Run
from celery_monitor.model import Batch
from celery_monitor.signals.record import State
from celery_monitor.store import inbox
from celery_monitor.store.connection import Store
from celery_monitor.store.fold import fold
from tests.analytics.rows import START, Scenario, us
from tests.store.batches import BOOT, agent, task_id

NOW_US = START + 1000 * 1_000_000
"""Long after everything in a scenario."""


class Filled:
    """A store, and batches put into it one after another."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._numbers = iter(range(1, 10_000))

    def send(self, *, folded: bool = True, **tables: list[Any]) -> None:
        """Hand in rows by table."""
        made = Batch(BOOT, next(self._numbers), "host-a", NOW_US)
        made.attempts = tables.pop("attempts", [])
        made.publishes = tables.pop("publishes", [])
        made.details = {name: rows for name, rows in tables.items() if rows}
        inbox.send(self.store, made, None)
        if folded:
            fold(self.store, NOW_US)

    def take(self, scenario: Scenario, *, folded: bool = True) -> str:
        """Hand in a scenario; return its run's id."""
        rows = scenario.rows
        tables = {name: getattr(rows, name) for name in ("attempts", "publishes", "plans", "labels", "spans", "waits")}
        self.send(folded=folded, **tables, measures=rows.measures)
        if rows.running:
            inbox.send(self.store, None, agent(running=rows.running, at_us=NOW_US))
        return text_of(rows.run)

    def settle(self, scenario: Scenario, revision: int = 1) -> Run:
        """Store what a run came to, as the tick does when it is over."""
        made = row(judge(scenario.rows, NOW_US))._replace(revision=revision)
        self.send(runs=[made])
        self.store.client.zrem(self.store.keys.runs, made.run)
        return made


def order(number: int, at: float = 0.0, end: State = State.SUCCESS, **fields: Any) -> Scenario:
    """Return a chain of two steps as run number `number`; it takes two seconds."""
    run = task_id(number)
    s = Scenario()
    s.rows = Rows(run)
    a, b = f"a{number}", f"b{number}"
    s.publish(a, at)
    s.ran(a, at + 0.1, at + 1, **fields)
    s.ran(b, at + 1.1, at + 2, end, parent=a, **fields)
    s.plan(b, after=a, at=at)
    s._uids += number * 10
    for name in ("attempts", "publishes", "plans"):
        table = getattr(s.rows, name)
        table[:] = [
            r._replace(run=run, **({"workflow": fields["workflow"]} if "workflow" in fields else {})) for r in table
        ]
    s.rows.attempts[:] = [a._replace(uid=b"u%07d" % number + a.uid[8:]) for a in s.rows.attempts]
    return s


def log(level: int, message: str, at: float, of: Any) -> Log:
    """Return a record that was emitted inside an attempt."""
    return Log(of.id, of.run, of.uid, level, "shop", message, "", "", of.task, of.workflow, of.worker, us(at))
