"""Says how far this machine's clock is from the store's, which is everybody's clock.

The store is asked for its time and ours is taken before and after: the middle of the two is when it answered, give or
take half the time between them (Mills, RFC 5905, section 8, for equal ways there and back).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

_EVERY_S: Final = 60.0
_SET_US: Final = 500_000
"""A clock that went by so much more or less than the monotonic one was set: slewing changes 30 ms in a minute."""
_KEEP: Final = 4
"""The best of so many looks counts: an answer that took long says little."""


def _ticks() -> int:
    return time.monotonic_ns() // 1000


def _wall() -> int:
    return time.time_ns() // 1000


class Clock:
    """Compares two clocks.

    Parameters:
        ours: this machine's time in us since the epoch.
        ticks: monotonic us, which no change of the clock touches.
    """

    def __init__(self, ours: Callable[[], int] = _wall, ticks: Callable[[], int] = _ticks) -> None:
        self._ours, self._ticks = ours, ticks
        self._looks: list[tuple[int, int]] = []  # error and offset, us
        self._next = 0.0
        self._lead = 0  # of our clock before the ticks at the last look, us

    def look(self, store_us: Callable[[], int], now: float) -> None:
        """Ask the store for its time, once in a minute and when ours was set; `now` is monotonic seconds."""
        lead = self._ours() - self._ticks()
        # Told by a clock that was set back, a worker would be silent until the next look, and what it runs lost.
        if now < self._next and abs(lead - self._lead) < _SET_US:
            return
        began = self._ticks()
        theirs = store_us()
        took = self._ticks() - began
        error = took // 2 + 1
        offset = self._ours() - error - theirs
        # A clock that was set since makes older looks wrong.
        self._looks = [each for each in self._looks if abs(each[1] - offset) <= each[0] + error][1 - _KEEP :]
        self._looks.append((error, offset))
        self._next, self._lead = now + _EVERY_S, lead

    @property
    def offset_us(self) -> int:
        """By how much our clock is ahead of the store's; 0 while nobody knows."""
        return min(self._looks)[1] if self._looks else 0

    @property
    def error_us(self) -> int:
        """By how much `offset_us` may be wrong."""
        return min(self._looks)[0] if self._looks else 0
