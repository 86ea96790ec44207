"""Tells which task leaks memory: growth per run, how sure that is, and after how many tasks a child should go."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf, isfinite, log10, sqrt
from typing import Final, NamedTuple

LEAST_RUNS: Final = 20
_LIKELY: Final = 3.0
_SURE: Final = 6.0
_SURE_RUNS: Final = 100
_LEAST_KIB: Final = 1.0
"""Growth per run below this is the allocator's own noise: a child would take a million runs to grow by a GiB."""
_LEAST_ROOM_KIB: Final = 64 * 1024


class Growth(NamedTuple):
    """By how much the resident memory of children grew in the runs of one task: sum in KiB, and sum of squares.

    Attributes:
        beside: runs that are not looked at, because they did not succeed.
    """

    runs: int
    total_kib: float
    squares: float
    beside: int = 0


class Leak(NamedTuple):
    """What is concluded of one task.

    Attributes:
        kib_per_run: mean growth; children that shrink make it negative.
        confidence: ``none`` (no leak is seen), ``low``, ``likely`` or ``high``.
    """

    kib_per_run: float
    confidence: str

    @property
    def leaks(self) -> bool:
        """Whether that is worth acting on."""
        return self.confidence in {"likely", "high"}


def leak(growth: Growth) -> Leak:
    """Return what growth says: a leak grows in most runs, a first import or a big result in one.

    The mean is held against its standard error: 3 of them make a leak likely, 6 in at least 100 runs sure.

    >>> leak(Growth(200, 200 * 1024.0, 200 * 1024.0**2))
    Leak(kib_per_run=1024.0, confidence='high')
    >>> leak(Growth(1000, 51200.0, 51200.0**2)).confidence
    'low'
    >>> leak(Growth(1000, 0.0, 0.0)), leak(Growth(0, 0.0, 0.0)).confidence
    (Leak(kib_per_run=0.0, confidence='none'), 'none')
    """
    if not growth.runs or growth.total_kib <= 0:
        return Leak(growth.total_kib / growth.runs if growth.runs else 0.0, "none")
    mean = growth.total_kib / growth.runs
    variance = max(growth.squares / growth.runs - mean * mean, 0.0)
    strength = mean / sqrt(variance / growth.runs) if variance else inf
    if mean < _LEAST_KIB:
        confidence = "none"
    elif strength < _LIKELY or growth.runs < LEAST_RUNS:
        confidence = "low"
    else:
        confidence = "high" if strength >= _SURE and growth.runs >= _SURE_RUNS else "likely"
    return Leak(mean, confidence)


def max_tasks_per_child(mix: Iterable[Growth], resident_kib: float) -> int | None:
    """Return after how many tasks a child should be replaced so that it does not double; None when nothing leaks.

    Parameters:
        mix: growth of every task that the child runs, the innocent ones too: they count as runs.
        resident_kib: what a child takes as it is; at least 64 MiB may be added.

    >>> leaky, quiet = Growth(100, 102400.0, 100 * 1024.0**2), Growth(900, 0.0, 0.0)
    >>> max_tasks_per_child([leaky], 0), max_tasks_per_child([leaky, quiet], 0), max_tasks_per_child([quiet], 0)
    (64, 640, None)
    """
    rows = list(mix)
    grown = sum(row.total_kib for row in rows if leak(row).leaks)
    runs = sum(row.runs + row.beside for row in rows)
    if grown <= 0 or not runs:
        return None
    return _rounded_down(max(resident_kib, _LEAST_ROOM_KIB) * runs / grown)


def _rounded_down(value: float) -> int:
    """Return a number with two digits that count, not above another one."""
    if not isfinite(value) or value < 1:
        return 1
    step = 10 ** max(int(log10(value)) - 1, 0)
    return int(value // step * step)
