"""Who ticks, and when: one process of a fleet at a time; `tick` is what it does.

Callers in order of preference: the beat entry; beat's own agent; `monitor serve`; a worker's agent. Each waits one
interval longer than the one before it, and who ticked last goes on at the normal pace.
"""

from __future__ import annotations

import logging
import os
import random
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from celery_monitor.errors import StoreError
from celery_monitor.live_state import Pace
from celery_monitor.settings import Settings
from celery_monitor.store import lease, live
from celery_monitor.store.connection import Store

if TYPE_CHECKING:
    from celery_monitor.tick import Tick

logger = logging.getLogger("celery_monitor")
_PATIENCE: Final = {"task": 0, "beat": 2, "serve": 3, "worker": 4}
"""Intervals without a fold after which a caller steps in; the beat entry has a schedule of its own."""
_COMPARE_S: Final = 60.0
"""Our clock is held against the store's, which is everybody's, so often: by ours alone it may never be our turn."""
_loading: Final = threading.RLock()
"""Held while a thread imports: a child forked in between would wait for ever for what its parent's thread began."""
os.register_at_fork(before=_loading.acquire, after_in_parent=_loading.release, after_in_child=_loading.release)


class Ticker:
    """Ticks for one process, when it is this one's turn.

    Parameters:
        role: task, beat, serve or worker; see the module's text.
        boot: this process's instance in hex, told to others as who ticked.
    """

    def __init__(self, app: Any, settings: Settings, store: Store, role: str, boot: str) -> None:
        self.settings, self.store, self.role, self.boot = settings, store, role, boot
        self._app = app
        self._tick: Tick | None = None
        self._jitter = random.uniform(0, 0.5)  # noqa: S311 - spreads callers, guards nothing
        self._next = self._compare = 0.0
        self._ahead_s = 0.0

    def due(self, pace: Pace | None) -> None:
        """Tick if those who should have not; called by agents once per round, with what they last read."""
        now = time.monotonic()
        if now < self._next:
            return
        interval = self.settings.tick_interval
        self._next = now + interval
        try:
            self._compare_clocks(now)
            # What an agent read last may be as old as its heartbeat; only the store's word says that nobody ticked.
            wait = self._patience_left(pace) or self._patience_left(live.pace(self.store))
            if wait:
                self._next = now + min(interval, wait)
            else:
                self.tick()
        except StoreError as error:
            logger.debug("celery-monitor: no tick: %s", error)

    def _compare_clocks(self, now: float) -> None:
        if now >= self._compare:
            self._ahead_s = time.time() - lease.now_us(self.store) / 1e6
            self._compare = now + _COMPARE_S

    def _patience_left(self, pace: Pace | None) -> float:
        """Return the seconds until it is for us to tick, 0 when it is already."""
        if pace is None:
            return 0.0
        mine = (pace["by"], pace["role"]) == (self.boot, self.role)
        intervals = 1.0 if mine else _PATIENCE[self.role] + self._jitter
        left = intervals * self.settings.tick_interval - (time.time() - self._ahead_s - pace["folded_us"] / 1e6)
        return left if left > 0.02 * intervals * self.settings.tick_interval else 0.0

    def tick(self) -> bool:
        """Do everything once; False when somebody else is at it.

        Raises:
            StoreError: the store cannot be reached or refuses; the next tick goes on where this one stopped.
        """
        if self._tick is None:
            self._tick = _load()(self._app, self.settings, self.store, self.role, self.boot)
        return self._tick.once()

    def close(self) -> None:
        """Close the connections to store and broker; the next tick opens new ones."""
        self.store.close()
        if self._tick is not None:
            self._tick.close()


def _load() -> type[Tick]:
    """Import what a tick needs: 2 MiB and a tenth of a second, of which all other processes are spared."""
    with _loading:
        from celery_monitor.tick import Tick  # noqa: PLC0415

        return Tick
