"""Rates of a queue: what comes, what is started, what ends, and when it is empty if nothing changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from celery_monitor.model import Cell
from celery_monitor.signals.record import Reason, State


@dataclass(frozen=True, slots=True)
class Flow:
    """Messages that came, attempts that began and attempts that ended in so many seconds.

    Attributes:
        published: as publishers with a Monitor have told; there may be others.
        grown: by how much what waits has grown per second, None where too few samples tell.
    """

    published: float
    started: float
    ended: float
    seconds: float
    grown: float | None = None

    def rates(self) -> dict[str, float | None]:
        """Return the three per second, None when no time has passed.

        >>> Flow(20, 10, 5, 10.0).rates()
        {'in_per_second': 2.0, 'start_per_second': 1.0, 'out_per_second': 0.5}
        """
        values = {"in": self.published, "start": max(self.started, 0), "out": self.ended}
        known = self.seconds > 0
        return {f"{name}_per_second": round(n / self.seconds, 6) if known else None for name, n in values.items()}

    def empties_in_s(self, backlog: float | None) -> float | None:
        """Return in how many seconds nothing waits any more, None when more comes than ends, or that is not known.

        What ended and left no less waiting was replaced by what came, whether or not its publishers told.

        >>> Flow(10, 30, 30, 10.0).empties_in_s(8), Flow(30, 30, 30, 10.0).empties_in_s(8)
        (4.0, None)
        >>> Flow(0, 30, 30, 10.0, grown=4.0).empties_in_s(90), Flow(0, 30, 30, 10.0, grown=-1.0).empties_in_s(90)
        (None, 90.0)
        >>> Flow(0, 0, 0, 10.0).empties_in_s(0)
        0.0
        """
        if not backlog or self.seconds <= 0:
            return 0.0 if backlog == 0 else None
        surplus = (self.ended - self.published) / self.seconds
        if self.grown is not None:
            surplus = min(surplus, -self.grown)
        return round(backlog / surplus, 3) if surplus > 0 else None


def started(cell: Cell) -> int:
    """Return how many of the ends in a cell had begun: not those that were revoked or expired while they waited.

    >>> cell = Cell(); cell.counts = {0: 9, State.SUCCESS: 4, State.EXPIRED: 1}
    >>> started(cell)
    4
    """
    bodiless = (State.EXPIRED, State.UNREGISTERED, State.BAD_MESSAGE, State.NEVER_PUBLISHED)
    never = sum(cell.counts.get(state, 0) for state in bodiless) + cell.reasons.get(Reason.REVOKED, 0)
    return max(0, cell.ended - never)


def start_rates(
    ended: Sequence[int], running: Sequence[float | None], widths: Sequence[float | None]
) -> list[float | None]:
    """Return starts per second and point: what ended, and by how much more is running than in the point before.

    Parameters:
        widths: seconds of each point, None for one that tells no rate.

    >>> start_rates([5, 5, 5, 5], [0, 10, None, None], [10.0, 10.0, 10.0, None])
    [0.5, 1.5, 0.5, None]
    """
    out: list[float | None] = []
    before: float | None = None
    for n, now, width in zip(ended, running, widths, strict=True):
        more = now - before if now is not None and before is not None else 0.0
        out.append(round(max(0.0, n + more) / width, 6) if width else None)
        before = now if now is not None else before
    return out
