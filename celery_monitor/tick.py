"""What a tick does: fold, settle runs, sweep, sample the queues, judge; `periodic` says who does it, and when.

Of a fleet's processes one needs this, and all that it imports: the others never load it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

from celery_monitor import settling
from celery_monitor.alerts import judge, ledger, notifiers, readings, rules
from celery_monitor.errors import StoreRefused
from celery_monitor.live_state import AgentState, Pace
from celery_monitor.query.overdue import Overdue
from celery_monitor.query.reader import Reader
from celery_monitor.queue_samples import QueueSamples
from celery_monitor.settings import Settings
from celery_monitor.store import fold, lease, live, workers
from celery_monitor.store.connection import Store
from celery_monitor.store.keys import DAY_S
from celery_monitor.store.report import UNDECODABLE, FoldReport
from celery_monitor.store.rows import keeping, lost

logger = logging.getLogger("celery_monitor")
_HOLD_S: Final = 60.0
_MINUTE_US: Final = 60_000_000
_AGAIN_S: Final = 3.0
"""When a store answers again, all who have waited for it speak within this time."""
_FORGET_S: Final = 3600.0
"""A lost or stopped agent stays in the live table for an hour: long enough to be asked what became of it."""


class Tick:
    """What one process keeps from tick to tick.

    Parameters:
        role: task, beat, serve or worker.
        boot: this process's instance in hex, told to others as who ticked.
    """

    def __init__(self, app: Any, settings: Settings, store: Store, role: str, boot: str) -> None:
        self.settings, self.store, self.role, self.boot = settings, store, role, boot
        self._reader = Reader(store)
        self._queues = QueueSamples(app, settings)
        self._overdue = Overdue()
        self._rules = rules.load_rules(settings.alerts)
        self._notifiers: list[notifiers.Notifier] = [notifiers.LogNotifier()]
        self._told: set[str] = set()
        self._deaf = False

    def once(self) -> bool:
        """Do everything once; False when somebody else is at it.

        Where a key holds what is not ours the rest is done all the same.

        Raises:
            StoreError: the store cannot be reached or refuses; the next tick goes on where this one stopped.
        """
        held = lease.take(self.store, self.boot, _HOLD_S)
        if held is None:
            wrong = lease.trouble(self.store)
            if wrong:
                self._tell([wrong])
            return False
        try:
            now_us = held.now_us
            report = fold.fold(self.store, now_us, pause=_yield)
            agents: list[AgentState] = []
            refused = _each(
                lambda: settling.settle(self.store, now_us, pause=_yield),
                lambda: agents.extend(live.agents(self.store)),
                lambda: self._listen(agents, now_us),
                lambda: self._sweep(agents, now_us),
                lambda: self._keep_book(agents, now_us),
                lambda: self._queues.look(self.store, agents, self._reader.queue_names, now_us),
                lambda: self._judge(agents, now_us),
                lambda: live.set_pace(self.store, self._pace(agents, now_us, report)),
            )
        finally:
            held.release()
        self._tell([report.aside, *refused])
        return True

    def close(self) -> None:
        """Close the connection to the broker; that to the store belongs to whoever gave it."""
        self._queues.close()

    def _tell(self, refused: Iterable[str | None]) -> None:
        """Log what was refused, once until it changes."""
        said = {text for text in refused if text}
        for text in sorted(said - self._told):
            logger.warning("celery-monitor: a part of the tick was left out: %s", text)
        self._told = said

    def _listen(self, agents: list[AgentState], now_us: int) -> None:
        """Find out whether anybody could have been heard since the last tick.

        Where nobody ticked and nobody spoke, the store was away or all stood still: silence proves nothing then. At the
        next tick whoever lives has spoken, so that one judges in any case.
        """
        before = live.pace(self.store)
        self._deaf = False
        if before and not before["deaf"]:
            first_us = before["folded_us"] + self.settings.tick_interval * 1e6
            last_us = now_us - _AGAIN_S * 1e6
            self._deaf = first_us < last_us and not any(first_us < agent["at_us"] < last_us for agent in agents)

    def _sweep(self, agents: list[AgentState], now_us: int) -> None:
        """Book what lost agents were running as LOST; forget agents that said goodbye or were lost long ago."""
        if self._deaf:
            return
        for agent, raw in live.silent(self.store, now_us):
            fates = self._reader.fates(agent["running"], now_us)
            n = lost.book(self.store, agent, raw, fates.ended, now_us, redelivered=fates.redelivered)
            if n:
                logger.warning(
                    "celery-monitor: %s is silent: %d %s booked as LOST",
                    agent.get("hostname"),
                    n,
                    "attempt it was running is" if n == 1 else "attempts it was running are",
                )
        after_us = min(_FORGET_S, self.settings.worker_days * DAY_S) * 1e6
        old = [agent["boot"] for agent in agents if now_us - agent["at_us"] > after_us]
        live.forget(self.store, old)

    def _keep_book(self, agents: list[AgentState], now_us: int) -> None:
        """Enter workers into their book: once in a minute, whoever ticks."""
        before = live.pace(self.store)
        if before is None or before["folded_us"] // _MINUTE_US != now_us // _MINUTE_US:
            workers.write(self.store, agents, now_us, self.settings.worker_days * DAY_S)

    def _judge(self, agents: list[AgentState], now_us: int) -> None:
        """Hold the last minutes against the rules, keep the outcome, tell the transitions."""
        if self._deaf:
            return
        levels = self._reader.queues_now(now_us)
        tasks = self._reader.tasks(readings.WINDOW_S, now_us)
        late = self._overdue.look(self.store, agents, now_us, _yield) if "schedule_missed" in self._rules else None
        found = readings.readings(tasks, levels, agents, now_us, late)
        before = ledger.load(self.store)
        states, transitions = judge.judge(found, self._rules, before, now_us)
        ledger.write(self.store, states, transitions, before)
        notifiers.notify_all(self._notifiers, transitions)

    def _pace(self, agents: list[AgentState], now_us: int, report: FoldReport) -> Pace:
        """Tell agents how many they are, and beat which queues are consumed."""
        living = [a for a in agents if not a.get("goodbye") and now_us - a["at_us"] < 3e6 * a.get("interval_s", 10.0)]
        before = live.pace(self.store)
        one_in, since_us = keeping.decide(self.store, before, self.settings.execution_hours, now_us)
        queues = sorted({name for a in living if a.get("role") == "worker" for name in a.get("queues", ())})
        return {
            "agents": len(living), "folded_us": now_us, "by": self.boot, "role": self.role,
            "interval_s": self.settings.tick_interval, "queues": queues[:1000],
            "task_us": now_us if self.role == "task" else before["task_us"] if before else 0,
            "one_in": one_in, "one_in_us": since_us, "deaf": self._deaf,
            "undecodable_us": now_us if report.skipped[UNDECODABLE] else before["undecodable_us"] if before else 0,
        }  # fmt: skip


def _each(*stages: Callable[[], object]) -> list[str]:
    """Go through stages; return why the server refused some: a key that is not ours must not stop the others."""
    refused = []
    for stage in stages:
        try:
            stage()
        except StoreRefused as error:
            refused.append(str(error))
    return refused


def _yield() -> None:
    """Let the threads of a user's worker run between two slices of the fold."""
    time.sleep(0.002)
