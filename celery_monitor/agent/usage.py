"""Adds up what attempts took beside time, by task name: growth of memory, I/O, context switches, network traffic.

They travel as gauges of the series ``("usage", task)``: sums are what a gauge has anyway, most tasks have none of them,
and who adds gauges up needs to know nothing of this.

A child reads its memory at most once in 20 ms, so a growth may belong to several short attempts that ended since the
reading before. It is shared out among them by what each name was seen to take so far (the E step of an expectation
maximisation, Dempster, Laird and Rubin 1977): who is there whenever memory grows ends up with it.

What attempts grow by that do not succeed is kept apart: the traceback of each lies in a cycle with its frames, so
memory rises by what the body held until Python collects cycles, and that is no leak.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Final

from celery_monitor.agent import tally
from celery_monitor.details import Traffic
from celery_monitor.model import Attempt, Gauge, Metrics
from celery_monitor.signals.record import Flag, State

TRAFFIC: Final = ("connections", "network_sent_bytes", "network_received_bytes", "reads", "writes")
"""Columns of `details.Traffic` that are added up."""
SUMS: Final = ("read_bytes", "write_bytes", "switches", "involuntary_switches", *TRAFFIC)
"""What is added up: columns of an attempt, where it has them, and of `details.Traffic`; -1 is unknown."""
SHARED: Final = "shared"
GROWTH: Final = "growth_kib"
SQUARES: Final = "growth_kib2"
FAILED_GROWTH: Final = "failed_growth_kib"
"""Of attempts that did not succeed, without what was given back."""
_READ_EVERY_US: Final = 20_000
_PRIOR_KIB: Final = 1.0
_MOST_NAMES: Final = 5000
_MOST_TOGETHER: Final = 1000
_PROVISIONAL: Final = frozenset({int(State.LOST), int(State.INTERRUPTED)})
_UNATTRIBUTED: Final = int(Flag.UNATTRIBUTED)
_COLUMNS: Final = tuple(name for name in SUMS if name in Attempt._fields)
_SUCCESS: Final = int(State.SUCCESS)
_task: Final = itemgetter(Attempt._fields.index("task"))
_state: Final = itemgetter(Attempt._fields.index("state"))
Name = tuple[str, bool]
"""A task, and whether its attempt succeeded."""
_figures: Final = itemgetter(
    Attempt._fields.index("flags"), Attempt._fields.index("growth_kib"), *map(Attempt._fields.index, _COLUMNS)
)


class Usage:
    """What one instance's attempts took."""

    def __init__(self) -> None:
        self._runs: Counter[Name] = Counter()
        self._grown: defaultdict[Name, float] = defaultdict(float)
        self._counted: dict[bytes, None] = {}
        self._to_collect: defaultdict[bytes, float] = defaultdict(float)  # KiB by ring, of tracebacks

    def add(self, metrics: Metrics, rows: Sequence[Attempt]) -> None:
        """Add the rows of a batch; all of a name count in the bucket in which its last one ended."""
        groups: dict[str, list[Attempt]] = {}
        for row in rows:
            groups.setdefault(_task(row), []).append(row)
        buckets = {}
        if len(self._runs) > _MOST_NAMES:
            self._runs.clear()
            self._grown.clear()
        for task, group in groups.items():
            succeeded = list(map(_state, group)).count(_SUCCESS)
            self._runs[task, True] += succeeded
            self._runs[task, False] += len(group) - succeeded
            buckets[task] = tally.bucket_of(tally.ended_us(group[-1]))
            if not group[-1].flags & tally.INFRASTRUCTURE:
                self._sums(metrics, buckets[task], task, group)
        for (task, succeeded), kib in self._growth(rows):
            if task not in groups or groups[task][-1].flags & tally.INFRASTRUCTURE:
                continue
            if succeeded:
                _add(metrics, buckets[task], task, GROWTH, kib)
                _add(metrics, buckets[task], task, SQUARES, kib * kib)
            elif kib > 0:
                _add(metrics, buckets[task], task, FAILED_GROWTH, kib)

    def traffic(self, metrics: Metrics, rows: Sequence[Traffic]) -> None:
        """Add what was measured because somebody asked for it."""
        for row in rows:
            for name in TRAFFIC:
                value = getattr(row, name)
                if value > 0:
                    _add(metrics, tally.bucket_of(row.at_us), row.task, name, value)

    def _sums(self, metrics: Metrics, bucket: int, task: str, group: list[Attempt]) -> None:
        flags, _, *columns = zip(*map(_figures, group), strict=True)
        shared = sum(1 for each in flags if each & _UNATTRIBUTED)
        if shared:
            _add(metrics, bucket, task, SHARED, shared)
        for name, column in zip(_COLUMNS, columns, strict=True):
            known = [each for each in column if each > 0] if max(column) > 0 else ()
            if known:
                _add(metrics, bucket, task, name, sum(known), len(known))

    def _growth(self, rows: Sequence[Attempt]) -> Iterator[tuple[Name, float]]:
        """Yield names and by how much memory grew in an attempt of theirs, in KiB."""
        grown = [row for row in rows if row.growth_kib and row.state not in _PROVISIONAL]
        if not grown:
            return
        by_uid = {row.uid: row for row in rows}
        for row in grown:
            if row.uid in self._counted:  # it was booked otherwise first, and has been put right
                continue
            self._counted[row.uid] = None
            for name, kib in self._shares(self._kept(row), _since_reading(row, by_uid)):
                self._grown[name] += kib
                if not name[1] and kib > 0:
                    self._to_collect[row.uid[:8]] += kib
                yield name, kib
        for told in (self._counted, self._to_collect):
            for _ in range(len(told) - _MOST_NAMES):
                del told[next(iter(told))]

    def _kept(self, row: Attempt) -> float:
        """Return a growth without what a collection gave back of failed attempts: it is not for this one to have."""
        back = min(max(-row.growth_kib, 0), self._to_collect.get(row.uid[:8], 0.0))
        if back:
            self._to_collect[row.uid[:8]] -= back
        return row.growth_kib + back

    def _shares(self, kib: float, together: Counter[Name]) -> Iterator[tuple[Name, float]]:
        weights = {
            name: n * (max(self._grown[name], 0.0) + _PRIOR_KIB) / (self._runs[name] + 1)
            for name, n in together.items()
        }
        whole = sum(weights.values())
        for name, weight in weights.items():
            if kib:
                yield name, kib * weight / whole


def _since_reading(row: Attempt, by_uid: dict[bytes, Attempt]) -> Counter[Name]:
    """Return the names of the attempts of a child that may have ended since its memory was read before."""
    names = Counter([_name(row)])
    ring, serial = row.uid[:8], int.from_bytes(row.uid[8:12], "little")
    newest = 0
    while serial > 1 and names.total() < _MOST_TOGETHER:
        serial -= 1
        before = by_uid.get(ring + serial.to_bytes(4, "little"))
        if before is None or before.growth_kib or before.runtime_us >= _READ_EVERY_US:
            break
        newest = newest or tally.ended_us(before)
        if tally.ended_us(before) < newest - _READ_EVERY_US:
            break
        names[_name(before)] += 1
    return names


def _name(row: Attempt) -> Name:
    return row.task, row.state == _SUCCESS


def _add(metrics: Metrics, bucket: int, task: str, name: str, value: float, count: int = 1) -> None:
    """Add a sum; when it was and the extremes of single rows are nobody's question."""
    levels = metrics.gauges.setdefault(bucket, {}).setdefault(("usage", task), {})
    levels.setdefault(name, Gauge()).merge(Gauge.load([count, 0.0, 0.0, value, 0.0, 0]))
