"""Whether something happens on one worker much more often than on all others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

_LEAST: Final = 5
"""Fewer happen on one worker by chance."""
_TIMES: Final = 3.0
"""What is less than this is said of no worker."""


class Concentration(NamedTuple):
    """A worker, and how many times more often than elsewhere; None: it happens nowhere else."""

    worker: str
    times: float | None

    @property
    def text(self) -> str:
        """Say it in words."""
        return f"only on {self.worker}" if self.times is None else f"{self.times:g} times more often on {self.worker}"


def concentration(counts: Mapping[str, int], ended: Mapping[str, int]) -> Concentration | None:
    """Return the worker that stands out, by its rate against that of all others together; None for none.

    Parameters:
        counts: worker to how often it happened there.
        ended: worker to how many attempts ended there, those included.

    >>> concentration({"w1": 2, "w2": 20}, {"w1": 1000, "w2": 1000}).text
    '10 times more often on w2'
    >>> concentration({"w2": 20}, {"w1": 1000, "w2": 1000}).text
    'only on w2'
    >>> concentration({"w2": 20}, {"w2": 1000}), concentration({"w1": 9, "w2": 11}, {"w1": 500, "w2": 500})
    (None, None)
    """
    rates = {worker: n / ended[worker] for worker, n in counts.items() if n >= _LEAST and ended.get(worker, 0) >= n}
    if not rates:
        return None
    worker = max(rates, key=lambda name: (rates[name], name))
    elsewhere = sum(n for name, n in ended.items() if name != worker)
    others = sum(n for name, n in counts.items() if name != worker)
    if rates[worker] * elsewhere < _LEAST:
        return None  # so few ended elsewhere that none of them had to
    if not others:
        return Concentration(worker, None)
    times = rates[worker] * elsewhere / others
    return Concentration(worker, round(times, 1)) if times >= _TIMES else None
