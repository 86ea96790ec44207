"""Says which of beat's entries should have been sent by now and were not, also when the beat itself does not know."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from celery_monitor.details import Fire
from celery_monitor.live_state import AgentState
from celery_monitor.query import schedule
from celery_monitor.store import schedule as stored
from celery_monitor.store.connection import Store

_GIVEN_UP_S: Final = 86_400.0
"""Who has told of no beat for a day has done away with it."""
_BEHIND_US: Final = 60_000_000
"""What was sent may be folded later than what another process sent after it."""


class Overdue:
    """Knows what was sent last of each entry, and reads only what is new.

    A beat that starts without its schedule file takes everything as sent a moment ago: that a run was missed is told by
    what was sent before, not by it.
    """

    def __init__(self) -> None:
        self._last: dict[str, Fire] = {}
        self._since_us = 0

    def look(
        self, store: Store, agents: Iterable[AgentState], now_us: int, pause: Callable[[], None] = lambda: None
    ) -> dict[str, float]:
        """Return by how many seconds each enabled entry is overdue, 0 for one that is not due.

        Parameters:
            agents: live states, by which the entries of the beats that live count.
            pause: called between the pages that are read.

        Raises:
            StoreError: the store does not answer.
        """
        beats = [beat for beat in stored.beats(store) if now_us - beat["at_us"] < _GIVEN_UP_S * 1e6]
        if not beats:
            return {}
        for fire in stored.walk(store, self._since_us, pause):
            self._since_us = max(self._since_us, min(fire.at_us, now_us) - _BEHIND_US)
            before = self._last.get(fire.entry)
            if not fire.error and (before is None or fire.at_us > before.at_us):
                self._last[fire.entry] = fire
        found = schedule.entries(beats, agents, now_us)
        self._last = {name: fire for name, fire in self._last.items() if name in found}
        return {
            name: round(max(now_us + entry["ahead_us"] - due_us, 0) / 1e6, 1)
            for name, entry in found.items()
            if entry["enabled"] and (due_us := self._due_us(entry))
        }

    def _due_us(self, entry: dict[str, Any]) -> int:
        """Return when an entry is due by its schedule of today, 0 where nobody knows."""
        last = self._last.get(entry["entry"])
        if last is None:
            return int(entry.get("next_us") or 0)
        try:
            return schedule.due_after(entry, last)
        except (ValueError, OverflowError, OSError):  # a schedule or a time that makes no sense must not end the tick
            return 0
