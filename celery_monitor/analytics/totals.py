"""What a run adds up to: errors, retries, time, memory, calls, measures, and who took part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import fsum
from typing import Final

from celery_monitor.analytics.executions import BROKEN, Execution, Standing
from celery_monitor.details import Measure, Span, Wait
from celery_monitor.model import Attempt
from celery_monitor.signals.record import Flag, State

MOST_NAMES: Final = 20
_UNSTARTED: Final = int(Flag.UNSTARTED)


@dataclass(frozen=True, slots=True)
class Names:
    """How many different names took part, and those with the most attempts."""

    count: int = 0
    names: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class WaitTotal:
    """The waits of one name: how many, how many of them are open, and the time they took so far (us)."""

    count: int
    open: int
    us: int


@dataclass(frozen=True, slots=True)
class MeasureTotal:
    """The values of one measure; `last` is the newest."""

    name: str
    kind: str
    unit: str
    count: int
    sum: float
    least: float
    most: float
    last: float


@dataclass(slots=True)
class Totals:
    """The totals of a run; times in us, -1 where nothing is known. Bytes are of those attempts that were looked at."""

    completed: int = 0
    succeeded: int = 0
    failed: int = 0
    errors: int = 0
    retries: int = 0
    attempts: int = 0
    ran: int = 0
    run_us: int = 0
    wait_us: int = 0
    cpu_us: int = -1
    rss_kib: int = 0
    read_bytes: int = -1
    write_bytes: int = -1
    spans: int = 0
    api_calls: int = 0
    waits: dict[str, WaitTotal] = field(default_factory=dict)
    measures: list[MeasureTotal] = field(default_factory=list)
    tasks: Names = field(default_factory=Names)
    workers: Names = field(default_factory=Names)
    queues: Names = field(default_factory=Names)


def totals(executions: Iterable[Execution], spans: Sequence[Span], waits: Sequence[Wait], now_us: int) -> Totals:
    """Return the totals of the executions of a run, `measures` excepted."""
    found = Totals(spans=len(spans), api_calls=sum(1 for s in spans if s.api), waits=_waits(waits, now_us))
    tasks: Counter[str] = Counter()
    workers: Counter[str] = Counter()
    queues: Counter[str] = Counter()
    for one in executions:
        _add_execution(found, one)
        tasks[one.task] += max(len(one.attempts) + len(one.running), 1)
        for a in one.attempts:
            workers[a.worker] += 1
            queues[a.queue] += 1
        if not one.attempts:
            queues.update([p.queue for p in one.publishes] or [r["queue"] for r in one.running])
    found.tasks, found.workers, found.queues = _names(tasks), _names(workers), _names(queues)
    return found


def _add_execution(found: Totals, one: Execution) -> None:
    standing = one.standing
    if standing is not Standing.OPEN and standing is not Standing.UNREACHED:
        found.completed += not _unpublished(one)
    found.succeeded += standing is Standing.SUCCEEDED
    found.failed += standing is Standing.FAILED
    for a in one.attempts:
        found.retries += a.state == State.RETRY
        found.errors += a.state in BROKEN or (a.state == State.RETRY and bool(a.exception))
        if a.wait_us > 0:
            found.wait_us += a.wait_us
        if not a.flags & _UNSTARTED:
            _add_ran(found, a)


def _add_ran(found: Totals, a: Attempt) -> None:
    """Add an attempt that had a body; -1 is unknown, as a total too while nothing is known."""
    found.attempts += 1
    if a.rss_kib > found.rss_kib:
        found.rss_kib = a.rss_kib
    if a.runtime_us >= 0:
        found.ran += 1
        found.run_us += a.runtime_us
    if a.cpu_us >= 0:
        found.cpu_us = a.cpu_us + max(found.cpu_us, 0)
    if a.read_bytes >= 0:
        found.read_bytes = a.read_bytes + max(found.read_bytes, 0)
    if a.write_bytes >= 0:
        found.write_bytes = a.write_bytes + max(found.write_bytes, 0)


def _unpublished(one: Execution) -> bool:
    return one.word is not None and one.word.state == State.NEVER_PUBLISHED


def measured(rows: Iterable[Measure]) -> list[MeasureTotal]:
    """Return the totals of some measures, by name; the order of the rows decides nothing.

    >>> def of(value, at_us): return Measure(b"", b"", b"", "tokens", "sum", "", "", "", at_us, value)
    >>> total = measured([of(3.0, 7), of(5.0, 9), of(1.0, 8)])[0]
    >>> total.count, total.sum, total.least, total.most, total.last
    (3, 9.0, 1.0, 5.0, 5.0)
    """
    by_name: dict[tuple[str, str, str], list[Measure]] = {}
    for row in rows:
        by_name.setdefault((row.name, row.kind, row.unit), []).append(row)
    found = []
    for key, group in sorted(by_name.items()):
        values = [row.value for row in group]
        last = max(group, key=lambda row: (row.at_us, row.value)).value
        found.append(MeasureTotal(*key, len(values), fsum(values), min(values), max(values), last))
    return found


def _waits(rows: Iterable[Wait], now_us: int) -> dict[str, WaitTotal]:
    found: dict[str, WaitTotal] = {}
    for row in rows:
        before = found.get(row.name, WaitTotal(0, 0, 0))
        lasted = max((row.ended_us or now_us) - row.begun_us, 0) if row.begun_us else 0
        found[row.name] = WaitTotal(before.count + 1, before.open + (not row.ended_us), before.us + lasted)
    return dict(sorted(found.items()))


def _names(counts: Counter[str]) -> Names:
    del counts[""]
    ordered = sorted(counts, key=lambda name: (-counts[name], name))
    return Names(len(ordered), ordered[:MOST_NAMES])
