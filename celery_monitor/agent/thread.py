"""The agent: one daemon thread per worker parent, producer or beat; it drains, samples, flushes and may tick."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from celery_monitor.agent import adopt, oom
from celery_monitor.agent import sample as sampling
from celery_monitor.agent.clock import Clock
from celery_monitor.agent.deaths import Deaths
from celery_monitor.agent.holds import Holds
from celery_monitor.agent.instance import Flush, Instance
from celery_monitor.agent.journal import Journal
from celery_monitor.agent.oom import OutOfMemory
from celery_monitor.errors import ConfigurationError, StoreError
from celery_monitor.live_state import AgentState, Pace
from celery_monitor.model import Metrics
from celery_monitor.signals import guard, process
from celery_monitor.store import inbox, lease, meta
from celery_monitor.store.connection import Store
from celery_monitor.store.live import LOST_AFTER, LOST_S

HEARTBEAT_S: Final = 10.0
BEAT_HEARTBEAT_S: Final = 5.0
"""Beat's agent must know whether the tick runs, so it asks as often as the tick is due."""
_IDLE_S: Final = 5.0
"""A connection that was not used for this long is closed; after a mere heartbeat it is closed at once."""
_PRODUCER_HEARTBEAT_S: Final = 3600.0
"""A web process that publishes nothing needs no connection: plans count them."""
_PACE: Final = ((20, 1.0), (100, 2.0), (500, 5.0))
"""Agents, and the seconds between two flushes of as many: at 10k tasks/s 200 agents need no more than 0.005 commands
per task, and what a flush costs by itself, in the server and in the fold, is shared by 250 tasks."""
_SLOWEST_S: Final = 10.0
_ADOPT_S: Final = 5.0
_BACKOFF_S: Final = 10.0
SAMPLING_SHARE: Final = 0.003
"""Of a core that samples may take: one that took longer is followed by a longer pause."""


def flush_s(agents: int) -> float:
    """Return the seconds between two flushes of each of so many agents.

    >>> [flush_s(n) for n in (1, 20, 100, 200, 500, 1000)]
    [1.0, 1.0, 2.0, 5.0, 5.0, 10.0]
    """
    return next((seconds for most, seconds in _PACE if agents <= most), _SLOWEST_S)


@dataclass(slots=True)
class Plan:
    """What an agent is told at its start.

    Parameters:
        role: worker, beat, producer, flower or serve.
        hostname: node name; rows and live state carry it.
        app: the Celery app's name.
        owner: tells fleets apart in one store.
        tick: called once per round with the pace and whether the store answered; may fold.
        leave: called when the agent has stopped, to close what ticks have opened.
    """

    role: str
    hostname: str
    app: str
    owner: str
    folder: Path | None
    flush_interval: float | None = None
    resource_interval: float = 5.0
    buffer_bytes: int = 64 * 1024 * 1024
    build: str = ""
    namespace_is_default: bool = False
    worker: Any = None
    tick: Callable[[Pace | None], None] | None = None
    leave: Callable[[], None] | None = None


class Agent:
    """Drains this instance and ships it; `start` it once, `stop` it at the end."""

    def __init__(self, plan: Plan, store: Store) -> None:
        self.plan, self.store = plan, store
        self.host = socket.gethostname()
        self.pace: Pace | None = None
        self.failing = ""
        self.instance: Instance | None = None
        self.orphans: list[Instance] = []
        self._started_us = time.time_ns() // 1000
        self._holds = Holds(self._started_us) if plan.worker is not None else Holds()
        self._sampler = sampling.Sampler(plan.worker, self._holds)
        self._memory: OutOfMemory | None = None
        self._deaths = Deaths(self._starved)
        self._children: list[Any] = []
        self._clock = Clock()
        self._losses: dict[str, int] = {}
        self._lost_us = 0
        self._pause_s = plan.resource_interval
        self._sample: AgentState = {}
        self._gauges = Metrics()
        self._last = {"sample": 0.0, "send": 0.0, "adopt": 0.0}
        self._shown: tuple[str, ...] = ()
        self._told: set[str] = set()
        self._checked = False
        self._first = True  # the first round does not tick: a pool is forked first, without what a tick loads
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._own = process.me.instance
        self._busy = threading.Lock()

    # -- life --------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, name="celery-monitor-agent", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Say goodbye: ship what is left within `timeout_s`; what is not shipped stays in the rings for a successor."""
        self._stop.set()
        thread, until = self._thread, time.monotonic() + timeout_s
        if thread is not None and thread.is_alive() and thread is not threading.current_thread():
            thread.join(timeout_s)
        if not self._busy.acquire(timeout=max(until - time.monotonic(), 0)):
            return
        try:
            self._leave(until)
        finally:
            self._busy.release()
            self.store.close()
            if self.plan.leave is not None:
                self.plan.leave()

    def _run(self) -> None:
        if self.plan.folder is not None:
            adopt.clear(self.plan.folder)
        while not self._stop.is_set():
            with self._busy:
                try:
                    self.round()
                except Exception as error:  # noqa: BLE001 - the thread must outlive any mistake of ours
                    guard.note("agent", error)
            more = self.instance is not None and self.instance.more and not self.failing
            self._stop.wait(0.01 if more else self.interval())

    def _leave(self, until: float) -> None:
        """Drain and ship until nothing is left or the time is over, then remove our files."""
        instance = self._instance()
        if instance is None:
            return
        instance.alone = True
        goodbye = False
        while not goodbye:
            instance.drain(process.me.kept, time.monotonic(), time.time_ns() // 1000)
            flush = instance.next_flush(self._take_gauges())
            goodbye = flush is None and not instance.more
            if not self._ship(instance, flush, partial(self._state, goodbye=goodbye)) or time.monotonic() > until:
                break
        if goodbye and not instance.more and process.me.writer is not None and process.me.instance == self._own:
            writer, process.me.writer = process.me.writer, None
            if writer.ring.path is not None and not instance.more:
                writer.ring.path.unlink(missing_ok=True)
                instance.readers.pop(writer.ring.ring_id, None)
        instance.journal.close(remove=goodbye and not instance.more and not self._files_left())

    def _files_left(self) -> bool:
        folder = self.plan.folder
        return folder is not None and any(folder.glob(f"{self._own.hex()}-*.ring"))

    def abandon(self) -> None:
        """Let go of everything in a process that was forked from ours: it is the parent's."""
        for instance in [self.instance, *self.orphans]:
            if instance is not None:
                for reader in instance.readers.values():
                    if reader.ring is process.me.handed:  # made for this very child, and seen before the fork was done
                        continue
                    with contextlib.suppress(BufferError, OSError, ValueError):
                        reader.ring.close()
                with contextlib.suppress(BufferError, OSError, ValueError):
                    instance.journal.close()

    # -- one round ---------------------------------------------------------------------------------------------------

    def round(self) -> None:
        """Drain, sample, flush, adopt, tick: whatever is due."""
        now, now_us = time.monotonic(), time.time_ns() // 1000
        if now - self._last["sample"] >= self._pause_s:
            self._last["sample"] = now
            began = time.thread_time()
            self._look(now_us)
            self._pause_s = max(self.plan.resource_interval, (time.thread_time() - began) / SAMPLING_SHARE)
        instance = self._instance()
        if instance is not None:
            if process.me.writer is not None:
                process.me.writer.settle()
            instance.drain(process.me.kept, now, now_us)
            if self._last["sample"] == now and self.plan.worker is not None:  # what they left in their rings is read
                self._deaths.look(self._children, instance, now_us)
            self._flush(instance, now)
        self._adopt(now, now_us)
        if self.plan.tick is not None and not self.failing and not self._first:
            self.plan.tick(self.pace)
        self._first = False

    def _instance(self) -> Instance | None:
        """Return our instance once its journal is ours; somebody may have adopted us before our thread ran."""
        if self.instance is None:
            folder, own = self.plan.folder, self._own
            path = folder / f"{own.hex()}.agent" if folder is not None else None
            about = {"role": self.plan.role, "hostname": self.plan.hostname, "pid": os.getpid()}
            taken = path is not None and path.exists()
            journal = Journal.take_over(path) if taken and path is not None else Journal.create(folder, own, about)
            if journal is None:
                return None
            self.instance = Instance(own, journal, folder, self.plan.hostname, self.plan.buffer_bytes)
            self.instance.holds = self._holds
            if self.plan.role == "worker":
                self._memory = OutOfMemory(oom.find(), self._started_us)
                self.instance.ends.out_of_memory = self._starved
            self.instance.replay(time.monotonic())
        return self.instance

    def _starved(self, noticed_us: int) -> bool:
        return self._memory is not None and self._memory.explains(noticed_us, time.time_ns() // 1000)

    def _look(self, now_us: int) -> None:
        self._children = self._deaths.watch(self._sampler.pool)
        self._sample = self._sampler.state(now_us, self._children)
        if self._memory is not None:
            self._memory.look(now_us)
        self._tell()
        instance = self.instance
        busy = len(instance.running()) if instance is not None else 0
        if self.plan.role == "producer":  # its host is sampled by a worker, if it has one
            return
        state: AgentState = {**self._sample, "role": self.plan.role, "hostname": self.plan.hostname, "host": self.host}
        sampling.gauges(self._gauges, state, busy, now_us)

    def _flush(self, instance: Instance, now: float) -> None:
        running = instance.running()
        shown = tuple(sorted(run["uid"] for run in running))
        rows = instance.flush is not None or instance.news
        idle_s = now - self._last["send"]
        if not rows and shown == self._shown and idle_s < self._heartbeat():
            if idle_s > _IDLE_S:
                self.store.close()
            return
        flush = instance.next_flush(self._take_gauges())
        if self._ship(instance, flush, self._state):
            if not rows and shown == self._shown:
                self.store.close()  # a thousand idle workers hold no connections: to connect costs 0.3 ms in 10 s
            self._last["send"] = now
            self._shown = shown

    def _take_gauges(self) -> Metrics | None:
        gauges, self._gauges = self._gauges, Metrics()
        return gauges or None

    def _ship(self, instance: Instance, flush: Flush | None, state: Callable[[], AgentState] | None) -> bool:
        """Send a batch and the live state; a failure is said once and tried again at the next round.

        The state is made here: its times are by the store's clock, with which ours may not be compared before.
        """
        try:
            if not self._checked:
                self._check()
            self._compare_clocks()
            told = state() if state is not None else None
            self.pace = inbox.send(self.store, flush.batch if flush else None, told) or self.pace
        except StoreError as error:
            self._fails(str(error))
            return False
        except ConfigurationError as error:
            guard.logger.error("celery-monitor: %s; nothing of this process is recorded", error)
            self._stop.set()
            return False
        if self.failing:
            guard.logger.warning("celery-monitor: the store answers again; what was kept is being shipped")
            self.failing = ""
        instance.acknowledged()
        instance.keeping.one_in = self.pace["one_in"] if self.pace else 1
        silence_s = LOST_AFTER * max(self._heartbeat(), self.interval()) + LOST_S
        instance.keeping.heard(time.time_ns() // 1000, silence_s)
        return True

    def _compare_clocks(self) -> None:
        self._clock.look(lambda: lease.now_us(self.store), time.monotonic())

    def _check(self) -> None:
        """Check once what is at the other end: a Redis, of a schema we may write, and no other fleet's namespace."""
        meta.check(self.store)
        now_us = time.time_ns() // 1000
        meta.claim_namespace(self.store, self.plan.owner, now_us, is_default=self.plan.namespace_is_default)
        self._checked = True

    def _fails(self, why: str) -> None:
        if not self.failing:
            guard.logger.warning("celery-monitor: %s; tasks run on, data is kept and shipped when it answers", why)
        self.failing = why
        self.store.close()

    def _adopt(self, now: float, now_us: int) -> None:
        folder = self.plan.folder
        if folder is None or self.failing:
            return
        if now - self._last["adopt"] >= _ADOPT_S:
            self._last["adopt"] = now
            known = {orphan.instance for orphan in self.orphans}
            self.orphans += adopt.orphans(folder, self._own, known, self.plan.buffer_bytes)
        for orphan in list(self.orphans):
            orphan.drain([], now, now_us)
            flush = orphan.next_flush()
            if flush is not None:
                self._ship(orphan, flush, None)
            if orphan.finished:
                orphan.journal.close(remove=True)
                self.orphans.remove(orphan)

    # -- what others see ---------------------------------------------------------------------------------------------

    def _notes(self) -> list[str]:
        notes = process.me.notes[:10]
        if self.plan.folder is not None and self.instance is not None and self.instance.pool_in_memory():
            notes.append(
                f"processes of its pool have no room in {self.plan.folder}: what they record dies with the worker; "
                "enlarge that tmpfs (Docker: --shm-size) or lower monitor_ring_bytes"
            )
        return notes

    def _tell(self) -> None:
        """Log a worker's notes once: whoever starts it reads its log, and not yet the page."""
        for note in self._notes() if self.plan.role == "worker" else ():
            if note not in self._told:
                self._told.add(note)
                guard.logger.warning("celery-monitor: %s", note)

    def interval(self) -> float:
        """Return the seconds until the next flush: longer the more agents there are, and while the store is away."""
        if self.failing:
            return min(_BACKOFF_S, 2.0)
        if self.plan.flush_interval is not None:
            return self.plan.flush_interval
        agents = self.pace["agents"] if self.pace else 1
        return flush_s(agents)

    def _heartbeat(self) -> float:
        beat = min(BEAT_HEARTBEAT_S, self.pace["interval_s"]) if self.pace else BEAT_HEARTBEAT_S
        return {"beat": beat, "producer": _PRODUCER_HEARTBEAT_S}.get(self.plan.role, HEARTBEAT_S)

    def _state(self, *, goodbye: bool = False) -> AgentState:
        instance = self.instance
        losses = instance.losses() if instance is not None else {}
        for orphan in self.orphans:
            for reason, n in orphan.losses().items():
                losses[reason] = losses.get(reason, 0) + n
        if process.me.dropped:
            losses["no_ring"] = process.me.dropped
        for where, n in guard.caught.items():
            losses[f"error in {where}"] = n
        ahead_us = self._clock.offset_us
        at_us = time.time_ns() // 1000 - ahead_us
        if losses != self._losses:
            self._losses, self._lost_us = losses, at_us
        return {
            **self._sample,
            "v": 1, "boot": self._own.hex(), "role": self.plan.role, "hostname": self.plan.hostname, "host": self.host,
            "pid": os.getpid(), "app": self.plan.app, "at_us": at_us,
            "started_us": self._started_us - ahead_us, "clock_us": ahead_us, "clock_error_us": self._clock.error_us,
            "interval_s": max(self._heartbeat(), self.interval()), "goodbye": goodbye,
            "running": instance.running()[:500] if instance is not None and not goodbye else [],
            "dropped": losses, "dropped_us": self._lost_us, "notes": self._notes(),
            "versions": sampling.versions(),
            "build": self.plan.build, "exits": dict(self._deaths.exits), "deaths": list(self._deaths.last),
        }  # fmt: skip
