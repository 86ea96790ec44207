"""Adds successful ends a column at a time, in C: they are nearly all, and one by one they cost four times as much."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from celery_monitor.agent import tally
from celery_monitor.model import Attempt, Cell, Metrics
from celery_monitor.signals.record import Reason, State
from celery_monitor.sketch import Sketch

Buckets = tuple[int, int, int, int, int]
"""What an attempt's own process computed: runtime_le, bins of runtime and CPU, wait_le, bin of wait."""

_OK: Final = int(Reason.OK)
_SUCCESS: Final = int(State.SUCCESS)


class Successes:
    """Ends on their way into the counters; `settle` before the counters are looked at."""

    __slots__ = ("_piles",)

    def __init__(self) -> None:
        self._piles: dict[tuple[int, int, str, str, str], list[tuple[int, ...]]] = {}

    def add(self, row: Attempt, buckets: Buckets) -> None:
        """Put a successful end aside."""
        bucket = tally.bucket_of(row.started_us + row.runtime_us)
        key = (bucket, row.flags & tally.INFRASTRUCTURE, row.task, row.queue, row.workflow)
        pile = self._piles.get(key)
        if pile is None:
            pile = self._piles[key] = []
        pile.append((row.runtime_us, row.cpu_us, row.rss_kib, row.wait_us, *buckets))

    def settle(self, metrics: Metrics) -> None:
        """Add everything that was put aside."""
        piles, self._piles = self._piles, {}
        for (bucket, machinery, task, queue, workflow), pile in piles.items():
            cell = _sum(pile)
            cells = metrics.cells.setdefault(bucket, {})
            for series in tally.series_of(machinery, task, queue, workflow):
                cells.setdefault(series, Cell()).merge(cell)


def _sum(pile: list[tuple[int, ...]]) -> Cell:
    runtime, cpu, rss, wait, le, run_bin, cpu_bin, wait_le, wait_bin = zip(*pile, strict=True)
    cell = Cell()
    cell.counts[_SUCCESS] = cell.reasons[_OK] = len(pile)
    cell.runtime_le = dict(Counter(le))
    _fill(cell.runtime, runtime, run_bin)
    known = [at for at, us in enumerate(cpu) if us >= 0] if min(cpu) < 0 else None
    _fill(cell.cpu, _only(cpu, known), _only(cpu_bin, known))
    known = [at for at, us in enumerate(wait) if us >= 0] if min(wait) < 0 else None
    _fill(cell.wait, _only(wait, known), _only(wait_bin, known))
    cell.wait_le = dict(Counter(_only(wait_le, known)))
    for kib, times in Counter(rss).items():  # a process's memory seldom moves between two tasks
        if kib:
            cell.memory.merge(_repeated(kib, times))
    return cell


def _only(column: Sequence[int], known: list[int] | None) -> Sequence[int]:
    return column if known is None else [column[at] for at in known]


def _fill(sketch: Sketch, values: Sequence[int], bins: Sequence[int]) -> None:
    if values:
        sketch.count, sketch.total = len(values), sum(values)
        sketch.least, sketch.most = min(values), max(values)
        sketch.bins = dict(Counter(bins))


def _repeated(value: int, times: int) -> Sketch:
    sketch = Sketch()
    sketch.add(value)
    sketch.count, sketch.total, sketch.bins = times, value * times, dict.fromkeys(sketch.bins, times)
    return sketch
