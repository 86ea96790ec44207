"""What is known of one queue at one moment."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class QueueSample:
    """One look at a queue; None is unknown, and `note` says why.

    Attributes:
        backlog: messages that no worker has taken.
        oldest_s: seconds since the publish of the message that is served next, 0 when none waits.
        unacked: messages taken and not acknowledged (prefetched, running, waiting for their ETA).
        consumers: consumers the broker counts.
        note: what could not be read and why.
        oldest: id, task and publish time (us) of the message that is served next, where the broker shows it.
    """

    backlog: int | None = None
    oldest_s: float | None = None
    unacked: int | None = None
    consumers: int | None = None
    note: str | None = None
    oldest: tuple[str, str, int] | None = None

    def gauges(self) -> dict[str, float]:
        """Return what is known, by gauge name.

        >>> QueueSample(backlog=3, consumers=1).gauges()
        {'backlog': 3.0, 'consumers': 1.0}
        """
        known = {
            "backlog": self.backlog,
            "oldest_s": self.oldest_s,
            "unacked": self.unacked,
            "consumers": self.consumers,
        }
        return {name: float(value) for name, value in known.items() if value is not None}
