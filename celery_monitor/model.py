"""The plain data that rooms hand to each other: what an agent ships and what a bucket holds.

Units: `_us` microseconds (points in time since the epoch), `_s` seconds, `_kib` KiB, `_bytes` bytes. Ids are bytes as
`signals.record.pack_id` makes them; run ids are always 16 bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from zlib import crc32

from celery_monitor.signals.record import Reason, State
from celery_monitor.sketch import Sketch

BUCKET_S: Final = 10
"""The finest bucket of time, in seconds; every coarser tier is a multiple of it."""

PUBLISHED: Final = 0
"""Key in `Cell.counts` of messages published; the other keys are `State` values that are ends, so 0 is free."""

Series = tuple[str, ...]
"""What a cell is about. The first item names the kind:

``("task", name, queue)``, ``("worker", hostname)``, ``("workflow", workflow)``, ``("step", workflow, step)``,
``("infra", name)`` for Celery's and our own machinery, ``("failure", fingerprint, exception, message)`` with the masked
message, ``("failure_task", task, queue, fingerprint)``, ``("failure_worker", hostname, fingerprint)``. Totals and
queues are sums of ``task`` series.
"""

UNFAILED: Final = frozenset({State.SUCCESS, State.RETRY, State.IGNORED, State.REPLACED, State.REVOKED, State.STARTED})
"""States that are no failure; RETRY is an attempt's end only, REVOKED is somebody's wish."""

FINAL: Final = frozenset(State) - {State.STARTED, State.RETRY, State.REPLACED, State.INTERRUPTED}
"""States that end an execution."""

FAILED: Final = FINAL - UNFAILED - {State.LOST}
"""States counted as failures; LOST is counted apart, because it may still come back."""

SAMPLED_BITS: Final = 16
"""From this bit on an attempt's flags hold the logarithm of how many runs its own stands for."""

WEIGHTED: Final = -1
"""Key in `Cell.reasons` of runs that were counted in the place of others, which were not kept."""


def sampled(flags: int) -> int:
    """Return of how many runs one was kept when an attempt with these flags was.

    >>> sampled(0), sampled(3 << SAMPLED_BITS | 1)
    (1, 8)
    """
    return 1 << (flags >> SAMPLED_BITS & 31)


def is_kept(run: bytes, one_in: int) -> bool:
    """Return whether a run (16 bytes) is kept when one in so many is; one that is, is kept at every higher rate too."""
    return crc32(run) * one_in < 1 << 32


UNSURE: Final = frozenset({Reason.REQUEUED, Reason.REDELIVERED})
"""Reasons of ends after which the broker gives the message to somebody again."""


def first_turnaround_us(state: int, reason: int, retries: int, published_us: int, ended_us: int) -> int:
    """Return how long an execution took from its publish to its final end; -1 where this is not it, or not known.

    Of one that was retried its last attempt does not know the first publish (`store.rows.turnarounds`); how long one
    took that was lost is a guess.

    >>> first_turnaround_us(State.SUCCESS, 0, 0, 5, 9), first_turnaround_us(State.SUCCESS, 0, 1, 5, 9)
    (4, -1)
    """
    if retries or not published_us or state not in FINAL or state == State.LOST or reason in UNSURE:
        return -1
    return max(ended_us - published_us, 0)


class Cell:
    """Everything additive that is known of one series in one bucket of time.

    Attributes:
        counts: `PUBLISHED` or `State` value to a number; may be negative in a correction.
        errors: exception type to ends in one of the states of `FAILED`.
        reasons: `Reason` value to ends.
        runtime, wait, cpu: sketches in us, of ends whose value is known; `memory` in KiB (peak RSS).
        turnaround: sketch in us of executions that are over, from their first publish to their final end.
        runtime_le, wait_le: counts per Prometheus bucket (`signals.record.RUNTIME_LE`, `WAIT_LE`), +Inf last.
    """

    __slots__ = (
        "counts",
        "cpu",
        "errors",
        "memory",
        "reasons",
        "runtime",
        "runtime_le",
        "turnaround",
        "wait",
        "wait_le",
    )

    def __init__(self) -> None:
        self.counts: dict[int, int] = {}
        self.errors: dict[str, int] = {}
        self.reasons: dict[int, int] = {}
        self.runtime = Sketch()
        self.wait = Sketch()
        self.cpu = Sketch()
        self.memory = Sketch()
        self.turnaround = Sketch()
        self.runtime_le: dict[int, int] = {}
        self.wait_le: dict[int, int] = {}

    def merge(self, other: Cell) -> None:
        """Add another cell to this one; associative and commutative."""
        for mine, its in (
            (self.counts, other.counts),
            (self.reasons, other.reasons),
            (self.runtime_le, other.runtime_le),
            (self.wait_le, other.wait_le),
        ):
            for key, n in its.items():
                mine[key] = mine.get(key, 0) + n
        for name, n in other.errors.items():
            self.errors[name] = self.errors.get(name, 0) + n
        self.runtime.merge(other.runtime)
        self.wait.merge(other.wait)
        self.cpu.merge(other.cpu)
        self.memory.merge(other.memory)
        self.turnaround.merge(other.turnaround)

    @property
    def published(self) -> int:
        """Messages published."""
        return self.counts.get(PUBLISHED, 0)

    @property
    def ended(self) -> int:
        """Ends of any state, attempts that will be retried included."""
        return sum(n for state, n in self.counts.items() if state != PUBLISHED)

    @property
    def failed(self) -> int:
        """Ends in one of the states of `FAILED`."""
        return sum(n for state, n in self.counts.items() if state in FAILED)

    def dump(self) -> list[Any]:
        """Return the cell as nested lists and dicts for msgpack; empty tails are cut off."""
        out: list[Any] = [self.counts, self.runtime.dump(), self.wait.dump(), self.cpu.dump(), self.memory.dump()]
        out += [self.errors, self.reasons, self.runtime_le, self.wait_le]
        if self.turnaround.count or self.turnaround.bins:
            out.append(self.turnaround.dump())
        return out

    @classmethod
    def load(cls, raw: list[Any]) -> Cell:
        """Return the cell that `dump` wrote."""
        cell = cls()
        cell.counts = raw[0]
        cell.runtime, cell.wait, cell.cpu, cell.memory = map(Sketch.load, raw[1:5])
        cell.errors, cell.reasons, cell.runtime_le, cell.wait_le = raw[5:9]
        if len(raw) > 9:
            cell.turnaround = Sketch.load(raw[9])
        return cell


class Gauge:
    """Samples of a level (depth, CPU share, bytes) in one bucket: count, least, most, sum, last and when."""

    __slots__ = ("count", "last", "last_us", "least", "most", "total")

    def __init__(self) -> None:
        self.count = 0
        self.least = self.most = self.total = self.last = 0.0
        self.last_us = 0

    def add(self, value: float, at_us: int) -> None:
        """Add one sample taken at `at_us`."""
        self.merge(Gauge.load([1, value, value, value, value, at_us]))

    def merge(self, other: Gauge) -> None:
        """Add another gauge; the later `last` wins, of two at once the greater."""
        if not other.count:
            return
        if not self.count or (other.last_us, other.last) > (self.last_us, self.last):
            self.last, self.last_us = other.last, other.last_us
        self.least = min(self.least, other.least) if self.count else other.least
        self.most = max(self.most, other.most) if self.count else other.most
        self.count += other.count
        self.total += other.total

    def dump(self) -> list[Any]:
        """Return ``[count, least, most, total, last, last_us]``."""
        return [self.count, self.least, self.most, self.total, self.last, self.last_us]

    @classmethod
    def load(cls, raw: list[Any]) -> Gauge:
        """Return the gauge that `dump` wrote."""
        g = cls()
        g.count, g.least, g.most, g.total, g.last, g.last_us = raw
        return g


class Attempt(NamedTuple):
    """One end of one attempt, as stored. It ended at ``started_us + max(runtime_us, 0)``.

    A later row of the same `uid` replaces an earlier one (LOST and INTERRUPTED are provisional). An execution that
    ended without a body has the flag UNSTARTED, and `started_us` is when that became known.
    """

    id: bytes
    root: bytes  # b"" when it is the id itself
    parent: bytes
    group: bytes
    run: bytes  # b"" when it is the (fixed) id itself
    uid: bytes  # 12 bytes, unique for ever: ring id (8) and serial (4, little endian)
    task: str
    queue: str
    worker: str
    pid: int
    state: int
    reason: int
    flags: int
    retries: int
    priority: int
    published_us: int
    started_us: int
    wait_us: int
    runtime_us: int
    cpu_us: int
    rss_kib: int
    growth_kib: int
    workflow: str
    step: str
    exception: str  # type name, "" for none
    message: str
    traceback: str
    routing_key: str = ""  # "" when it is the queue's name
    result_size: int = 0  # a `signals.record.ResultSize`
    hold_us: int = -1  # held by the worker before it started, -1 unknown
    hold_error_us: int = 0  # by so much that may be too long or too short; 0 is exact
    fingerprint: str = ""  # of its exception (`agent.fingerprint`), "" for none
    read_bytes: int = -1  # from storage, not from the page cache; this and the others: -1 not attributable
    write_bytes: int = -1
    switches: int = -1  # voluntary ones: it waited for something
    involuntary_switches: int = -1  # another process had its turn


def ended_us(started_us: int, runtime_us: int, published_us: int, wait_us: int) -> int:
    """Return when an attempt ended; one without a body ended when its wait did."""
    # Without `max`: a run of thousands asks thrice of each.
    if started_us:
        return started_us + runtime_us if runtime_us > 0 else started_us
    return published_us + wait_us if wait_us > 0 else published_us


class Publish(NamedTuple):
    """One message handed to the broker, as stored."""

    id: bytes
    root: bytes
    parent: bytes
    group: bytes
    run: bytes
    task: str
    queue: str
    published_us: int
    due_us: int  # eta; 0 for at once
    retries: int
    flags: int
    workflow: str


@dataclass(slots=True)
class Metrics:
    """The additive part of a batch of one agent: cells and gauges by bucket (start of the bucket in seconds).

    Attributes:
        worker: node name of the worker whose tasks these are, "" for none: its own cells are their sum, made by the
            fold, so that they take no bytes on the way.
    """

    cells: dict[int, dict[Series, Cell]] = field(default_factory=dict)
    gauges: dict[int, dict[Series, dict[str, Gauge]]] = field(default_factory=dict)
    worker: str = ""

    def merge(self, other: Metrics) -> None:
        """Add another batch's numbers; used when batches are joined while Redis is away."""
        self.worker = self.worker or other.worker
        for bucket, theirs in other.cells.items():
            mine = self.cells.setdefault(bucket, {})
            for series, cell in theirs.items():
                mine.setdefault(series, Cell()).merge(cell)
        for bucket, levels in other.gauges.items():
            ours = self.gauges.setdefault(bucket, {})
            for series, gauges in levels.items():
                row = ours.setdefault(series, {})
                for name, gauge in gauges.items():
                    row.setdefault(name, Gauge()).merge(gauge)

    def __bool__(self) -> bool:
        return bool(self.cells or self.gauges)


@dataclass(slots=True)
class Batch:
    """One flush of one agent. `(boot, n)` is its identity: the fold takes it once, however often it arrives.

    Parameters:
        boot: 16 random bytes of the instance whose rings were drained.
        n: 1, 2, 3, ... per boot; kept over retries.
        host: hostname of the machine (not the worker's node name).
        at_us: the agent's clock at the flush.
        attempts, publishes: rows, plain tuples in the order of `Attempt` and `Publish`.
        details: table name (`details.ROWS`) to its rows.
    """

    boot: bytes
    n: int
    host: str
    at_us: int
    metrics: Metrics = field(default_factory=Metrics)
    attempts: list[Any] = field(default_factory=list)
    publishes: list[Any] = field(default_factory=list)
    details: dict[str, list[Any]] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Rows of all tables."""
        return len(self.attempts) + len(self.publishes) + sum(map(len, self.details.values()))

    def __bool__(self) -> bool:
        return bool(self.metrics or self.rows)
