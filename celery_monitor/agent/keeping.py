"""Which rows of a batch are kept when the store has room for a part of the runs only; counters count them all.

A run is kept by the hash of its id, so by every process alike: all of it, or none. Of a run that is not, attempts that
failed or were retried and the slowest ones are kept alone, with what happened inside them. Log records and waits are
always kept: the first have bytes of their own, the second are counted by the fold.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from celery_monitor.model import FAILED, SAMPLED_BITS, Attempt, Batch, is_kept
from celery_monitor.signals.record import GAMMA, Flag, State, bin_of, fixed_id
from celery_monitor.sketch import Sketch

_REMARKABLE: Final = frozenset({*map(int, FAILED), *map(int, (State.LOST, State.RETRY, State.INTERRUPTED))})
_ALWAYS: Final = frozenset({"logs", "waits", "fires"})
_PARTIAL: Final = int(Flag.PARTIAL_RUN)
_SLOW_PART: Final = 0.05
"""Slow attempts that are kept alone are so many of those that are kept."""
_LEAST: Final = 20
"""The quantile that calls an attempt slow stands on so many of those slower than it, at least."""
_MOST_TASKS: Final = 1000
_FORGET: Final = 1_000_000


class Keeping:
    """Decides for the batches of one instance.

    Attributes:
        one_in: of so many runs one is kept; a power of two, as the tick decides.
        doubted_us: attempts that started before this may have been booked as LOST while the store was away; their ends
            are kept, for the fold takes the booking back when it sees them.
    """

    def __init__(self) -> None:
        self.one_in = 1
        self.doubted_us = 0
        self._heard_us = 0
        self._run_times: dict[str, Sketch] = {}

    def heard(self, now_us: int, silence_s: float) -> None:
        """Note that the store has taken a batch; `silence_s`: who is silent for longer is booked as lost."""
        if self._heard_us and now_us - self._heard_us > silence_s * 1e6:
            self.doubted_us = now_us
        self._heard_us = now_us

    def thin(self, batch: Batch) -> None:
        """Remove the rows that are not kept, and mark those that are."""
        if self.one_in <= 1:
            return
        one_in, mark = self.one_in, (self.one_in.bit_length() - 1) << SAMPLED_BITS
        slow = self._slow(batch)
        alone: set[bytes] = set()
        attempts: list[Any] = []
        for row in batch.attempts:
            if is_kept(row.run or fixed_id(row.id), one_in):
                attempts.append(row._replace(flags=row.flags | mark))
            elif self._remarkable(row, slow):
                alone.add(row.uid)
                attempts.append(row._replace(flags=row.flags | mark | _PARTIAL))
        batch.attempts = attempts
        batch.publishes = [row for row in batch.publishes if is_kept(row.run or fixed_id(row.id), one_in)]
        for table, rows in batch.details.items():
            if table not in _ALWAYS:
                batch.details[table] = [row for row in rows if _stays(row, one_in, alone)]

    def _remarkable(self, row: Attempt, slow: Callable[[Attempt], bool]) -> bool:
        if row.state in _REMARKABLE or row.retries or row.started_us < self.doubted_us:
            return True
        return slow(row)

    def _slow(self, batch: Batch) -> Callable[[Attempt], bool]:
        """Return what tells a slow attempt: its run time is beyond a high quantile of its task's, as far as seen."""
        for cells in batch.metrics.cells.values():
            for series, cell in cells.items():
                if series[0] == "task" and (series[1] in self._run_times or len(self._run_times) < _MOST_TASKS):
                    self._seen(series[1]).merge(cell.runtime)
        part = _SLOW_PART / self.one_in
        limits: dict[str, float] = {}
        for task in {row.task for row in batch.attempts}:
            seen = self._run_times.get(task)
            if seen is not None and seen.count * part >= _LEAST:
                # The upper bound of its bin: of run times that are all alike none is slow.
                limits[task] = GAMMA ** bin_of(int(seen.quantile(1.0 - part) or 0))
        return lambda row: row.runtime_us > limits.get(row.task, row.runtime_us)

    def _seen(self, task: str) -> Sketch:
        seen = self._run_times.setdefault(task, Sketch())
        if seen.count > _FORGET:
            seen = self._run_times[task] = Sketch()
        return seen


def _stays(row: Any, one_in: int, alone: set[bytes]) -> bool:
    return is_kept(row.run or fixed_id(row.id), one_in) or getattr(row, "uid", b"") in alone
