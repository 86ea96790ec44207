"""Says how long a worker held a message before it started it: estimated from looks at its requests, or exactly.

A look (at each sample of resources) shows which requests are held and not started. A message that was first seen at one
look came in between that look and the one before; one that no look has seen came in after the last look before its
start. The middle of what is possible is the estimate, half of it the error. With `monitor_capture_received` the parent
notes when each message came in (`signals.received`), and the error is 0.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable
from operator import itemgetter
from typing import Final

from celery_monitor.model import Attempt
from celery_monitor.signals import received
from celery_monitor.signals.record import pack_id, unpack_id

_LOOKS: Final = 1000
_SEEN: Final = 20_000
_ID, _STARTED = itemgetter(0), itemgetter(Attempt._fields.index("started_us"))


class Holds:
    """What one worker's agent saw of its requests.

    Parameters:
        since_us: when it began to look; the worker held nothing before. None for a process that is no worker, or whose
            requests nobody saw: nothing is known of any hold then.

    Attributes:
        default: estimate and error, in us, of an attempt that no look has seen and that began after `recent_us`.
        seen: packed id to the looks between which its message came in, one pair for each time it was held.
    """

    def __init__(self, since_us: int | None = None) -> None:
        self.default = (-1, 0)
        self.recent_us = since_us or 0
        self.seen: dict[bytes, list[tuple[int, int]]] = {}
        self._looks: deque[int] = deque([since_us] if since_us else [], maxlen=_LOOKS)
        self._held: set[bytes] = set()

    @property
    def exact(self) -> bool:
        """Whether the parent notes what it receives."""
        return bool(self._looks and received.times)

    def look(self, ids: Iterable[str], now_us: int, *, complete: bool = True) -> None:
        """Take in the ids of the requests that are held now; a look that did not see all proves nothing of the rest."""
        if not self._looks:
            return
        held = {pack_id(task_id) for task_id in ids}
        for packed in held - self._held:
            self.seen.setdefault(packed, []).append((self._looks[-1], now_us))
        for _ in range(len(self.seen) - _SEEN):
            del self.seen[next(iter(self.seen))]
        self._held = held
        if complete:
            self.recent_us = self._looks[-1]
            self._looks.append(now_us)

    def drained(self, now_us: int) -> None:
        """Bring `default` up to date before records are read."""
        if not self._looks:
            return
        gap = max(now_us - self._looks[-1], self._looks[-1] - self.recent_us, 0)
        half = -(-gap // 200_000) * 100_000  # whole tenths of a second: a column of few values is small
        self.default = (half, half)

    def of_all(self, rows: list[Attempt]) -> list[Attempt]:
        """Return rows that have `default`, with their holds."""
        if self.exact:
            return list(map(self.of, rows))
        if min(map(_STARTED, rows)) >= self.recent_us and self.seen.keys().isdisjoint(map(_ID, rows)):
            return rows
        return [self.of(row) if row.id in self.seen or row.started_us < self.recent_us else row for row in rows]

    def of(self, row: Attempt) -> Attempt:
        """Return a row with its hold."""
        if self.exact:
            exact = received.take(unpack_id(row.id), row.started_us)
            if exact is not None:
                return row._replace(hold_us=row.started_us - exact, hold_error_us=0)
        bounds = self._seen(row) or self._unseen(row.started_us)
        if bounds is None:
            return row._replace(hold_us=-1, hold_error_us=0)
        least, most = bounds
        return row._replace(hold_us=(least + most) // 2, hold_error_us=(most - least + 1) // 2)

    def _seen(self, row: Attempt) -> tuple[int, int] | None:
        times = self.seen.get(row.id, [])
        began = next((time for time in reversed(times) if time[1] <= row.started_us), None)
        if began is None:
            return None
        later = [time for time in times if time[1] > row.started_us]
        if later:
            self.seen[row.id] = later
        else:
            del self.seen[row.id]
        return row.started_us - began[1], row.started_us - began[0]

    def _unseen(self, started_us: int) -> tuple[int, int] | None:
        at = bisect_right(self._looks, started_us)
        return (0, started_us - self._looks[at - 1]) if at else None
