"""Synthetic agents: batches like those of real ones, of tasks that nobody runs, on a clock that nobody waits for."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from celery_monitor.agent import tally
from celery_monitor.model import Attempt, Batch, Cell, Metrics, Publish, Series
from celery_monitor.signals.record import ResultSize, State

NAMES: Final = [f"shop.task_{n}" for n in range(50)]
WEIGHTS: Final = [1 / (n + 1) for n in range(50)]
QUEUES: Final = ("default", "slow")
FAILED: Final = 0.02
SECOND: Final = 1_000_000
_TEMPLATES: Final = 8
_ZERO: Final = b"\0" * 12


@dataclass(slots=True)
class Agent:
    """One agent: its boot, how many batches it has sent, its worker."""

    boot: bytes
    worker: str
    n: int = 0


@dataclass(slots=True)
class Template:
    """Rows and counters of a flush; ids are put in for each batch that is made of it."""

    attempts: list[Attempt]
    publishes: list[Publish]
    metrics: Metrics


class Fleet:
    """Agents that flush in turn.

    Parameters:
        workers: how many.
        rate: tasks per second of all of them.
        flush_s: seconds between two flushes of one agent.
    """

    def __init__(self, workers: int, rate: float, flush_s: float, seed: int = 1) -> None:
        self.rng = random.Random(seed)
        self.agents = [Agent(self.rng.randbytes(16), f"celery@w{n}") for n in range(workers)]
        self.flush_s, self.rate = flush_s, rate
        self._rows: list[dict[Series, Cell]] = []
        self._templates: dict[tuple[int, int], list[Template]] = {}

    def batches(self, start_us: int, seconds: float) -> Iterator[Batch]:
        """Yield what all agents hand in during so many seconds, in the order of time."""
        flushes = round(seconds / self.flush_s * len(self.agents))
        owed = 0.0
        for turn in range(flushes):
            at_us = start_us + round(turn / len(self.agents) * self.flush_s * SECOND)
            owed += self.rate * self.flush_s / len(self.agents)
            tasks, owed = int(owed), owed - int(owed)
            yield self.batch(self.agents[turn % len(self.agents)], at_us, tasks)

    def counters(self, at_us: int, seconds: float) -> Batch:
        """Return what all agents count in so many seconds as one batch of the first, without rows."""
        first = self.agents[0]
        first.n += 1
        made, row = Batch(first.boot, first.n, first.worker, at_us), {}
        for agent in self.agents:
            for series, cell in self.rng.choice(self._counted(round(self.rate * seconds / len(self.agents)))).items():
                name = series if series != ("worker", "") else ("worker", agent.worker)
                row.setdefault(name, Cell()).merge(cell)
        made.metrics.cells[at_us // (10 * SECOND) * 10] = row
        return made

    def _counted(self, tasks: int) -> list[dict[Series, Cell]]:
        """Return some rows of cells that so many tasks of a worker come to."""
        if not self._rows:
            for template in (self._template(0, tasks) for _ in range(4 * _TEMPLATES)):
                count_worker(template.metrics, "")
                row: dict[Series, Cell] = {}
                for cells in template.metrics.cells.values():
                    for series, cell in cells.items():
                        row.setdefault(series, Cell()).merge(cell)
                self._rows.append(row)
        return self._rows

    def batch(self, agent: Agent, at_us: int, tasks: int) -> Batch:
        """Return an agent's next batch."""
        agent.n += 1
        template = self.rng.choice(self._known(at_us, tasks))
        ids = [self.rng.randbytes(16) for _ in range(tasks)]
        head = agent.boot[:8]
        made = Batch(agent.boot, agent.n, agent.worker, at_us)
        made.attempts = [
            row._replace(id=own, uid=head + (agent.n * 10_000 + n).to_bytes(4, "little"), worker=agent.worker)
            for n, (row, own) in enumerate(zip(template.attempts, ids, strict=True))
        ]
        made.publishes = [row._replace(id=own) for row, own in zip(template.publishes, ids, strict=True)]
        made.metrics.merge(template.metrics)
        made.metrics.worker = agent.worker
        return made

    def _known(self, at_us: int, tasks: int) -> list[Template]:
        key = (at_us // (10 * SECOND), tasks)
        found = self._templates.get(key)
        if found is None:
            if len(self._templates) > 50:
                self._templates.clear()
            found = self._templates[key] = [self._template(at_us, tasks) for _ in range(_TEMPLATES)]
        return found

    def _template(self, at_us: int, tasks: int) -> Template:
        made = Template([], [], Metrics())
        for _ in range(tasks):
            row, message = task(self.rng, at_us)
            made.attempts.append(row)
            made.publishes.append(message)
            tally.count(made.metrics, row)
            tally.publish(made.metrics, message)
        return made


def count_worker(metrics: Metrics, name: str) -> None:
    """Add a worker's own cells, as the fold does, so that batches of several workers can be joined."""
    metrics.worker = ""
    for cells in metrics.cells.values():
        own = Cell()
        for cell in list(cells.values()):
            for each in ("runtime", "wait", "cpu", "memory", "turnaround"):
                getattr(own, each).merge(getattr(cell, each))
            for state, n in cell.counts.items():
                own.counts[state] = own.counts.get(state, 0) + n
        cells["worker", name] = own


def task(rng: random.Random, at_us: int) -> tuple[Attempt, Publish]:
    """Return the rows of a task that ended about now: log-normal times, Zipf names, some failures."""
    which = rng.choices(range(len(NAMES)), WEIGHTS)[0]
    name, queue = NAMES[which], QUEUES[rng.random() < 0.2]
    run = int(50_000 * (1 + which) ** 0.5 * math.exp(rng.gauss(0, 0.6)))
    wait = int(20_000 * math.exp(rng.gauss(0, 1.0)))
    ended = at_us - rng.randrange(SECOND)
    failed = rng.random() < FAILED
    error = ("ValueError", "no such order", 'Traceback\n  File "shop.py", line 5, in charge\n', "9f86d081884c7d65")
    exception, message, traceback, fingerprint = error if failed else ("", "", "", "")
    row = Attempt(
        b"", b"", b"", b"", b"", _ZERO, name, queue, "", 4000 + rng.randrange(8),
        int(State.FAILURE if failed else State.SUCCESS), int(failed), 0, 0, 0, ended - run - wait, ended - run, wait,
        run, int(run * 0.2), 60_000 + 4 * rng.randrange(50), 4 * rng.randrange(3), "", "", exception, message,
        traceback, result_size=int(ResultSize.UP_TO_1_KIB), hold_us=wait // 2, hold_error_us=1000,
        fingerprint=fingerprint,
    )  # fmt: skip
    return row, Publish(b"", b"", b"", b"", b"", name, queue, ended - run - wait, 0, 0, 0, "")
