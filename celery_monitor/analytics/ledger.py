"""The ledger of one entry: what should have been sent, what was, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from celery_monitor.details import Fire

ON_TIME: Final = "on_time"
LATE: Final = "late"
MISSED: Final = "missed"
DUPLICATE: Final = "duplicate"
UNSENT: Final = "unsent"
OUTAGE: Final = "no beat ran"
STUCK: Final = "beat ran and did not send it"
UNSURE: Final = "no beat ran, or it was behind"
_LATE_US: Final = 5_000_000

Slots = Callable[[int, int], Sequence[int]]
"""Every time in us an entry is due from the first one given (which is one) to the second, in order and bounded."""


@dataclass(frozen=True, slots=True)
class Booking:
    """One line: something that was sent, or times that passed without.

    Attributes:
        state: `ON_TIME`, `LATE`, `MISSED`, `DUPLICATE` or `UNSENT`.
        due_us: when it was due, of what was missed the first time; 0 unknown.
        fire: what was sent, None for what was missed.
        count: how many times it stands for; more than 1 of what was missed only.
        reason: why it was missed, or not sent.
        overlaps: the execution before it had not ended when this one was sent.
    """

    state: str
    due_us: int
    fire: Fire | None = None
    count: int = 1
    reason: str = ""
    overlaps: bool = False

    @property
    def drift_us(self) -> int | None:
        """How much later than due it was sent; None for what was not, or is not told against a time."""
        if self.fire is None or not self.due_us or self.state not in {ON_TIME, LATE}:
            return None
        return max(0, self.fire.at_us - self.due_us)


def book(
    fires: Iterable[Fire], slots: Slots, now_us: int, *, beats: Iterable[bytes] = (), ends: bool = True
) -> list[Booking]:
    """Return the lines of an entry, the oldest first.

    What is sent claims the time until it is due again: whatever is sent inside it is a duplicate, whoever sent it.
    Times that passed between the end of a claim and the next sending were missed, but the last, which that one is for.

    Parameters:
        fires: of one entry, in order of time.
        beats: the processes (`Fire.key`) of the beats that live.
        ends: whether the entry is still enabled, so that it can be overdue now.
    """
    lines: list[Booking] = []
    last: Fire | None = None
    for fire in fires:
        if last is not None and last.next_us and fire.at_us < last.next_us - tolerance_us(last):
            lines.append(Booking(DUPLICATE, 0, fire))
            continue
        lines += _missed(last, fire, slots)
        due_us = _due(last, fire, slots)
        if fire.error:
            lines.append(Booking(UNSENT, due_us, fire, reason=fire.error))
        else:
            late = due_us and fire.at_us - due_us > tolerance_us(fire)
            lines.append(Booking(LATE if late else ON_TIME, due_us, fire))
        last = fire
    if last is not None and last.next_us and ends:
        passed = slots(last.next_us, now_us - tolerance_us(last))
        if passed:
            reason = STUCK if last.key in set(beats) else OUTAGE
            lines.append(Booking(MISSED, passed[0], count=len(passed), reason=reason))
    return lines


def tolerance_us(fire: Fire) -> int:
    """Return by how much a sending may be off and still be on time: a quarter of its interval, 5 s at most."""
    return min((fire.next_us - fire.at_us) // 4, _LATE_US) if fire.next_us > fire.at_us else _LATE_US


def overlapping(lines: Sequence[Booking], ended_us: Callable[[bytes], int | None]) -> list[Booking]:
    """Return the lines with `overlaps` set.

    Parameters:
        ended_us: when an execution ended; 0 for one that has not, None where nothing is known of it.
    """
    out: list[Booking] = []
    until = 0.0
    for line in lines:
        if line.fire is None or not line.fire.id:
            out.append(line)
            continue
        out.append(replace(line, overlaps=line.fire.at_us < until))
        ended = ended_us(line.fire.id)
        if ended is not None:
            until = max(until, ended or float("inf"))
    return out


@dataclass(slots=True)
class Totals:
    """Sums over the lines of a window."""

    expected: int = 0
    sent: int = 0
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys((ON_TIME, LATE, MISSED, DUPLICATE, UNSENT), 0))
    overlapping: int = 0
    drifts_us: list[int] = field(default_factory=list)

    def add(self, line: Booking) -> None:
        """Add a line."""
        self.counts[line.state] += line.count
        self.expected += line.count if line.state != DUPLICATE else 0
        self.sent += line.state in {ON_TIME, LATE, DUPLICATE}
        self.overlapping += line.overlaps
        if line.drift_us is not None:
            self.drifts_us.append(line.drift_us)


def _missed(last: Fire | None, fire: Fire, slots: Slots) -> list[Booking]:
    """Return what was due and not sent before a sending."""
    if last is None or not last.next_us:
        return [Booking(MISSED, fire.due_us, count=fire.skipped, reason=UNSURE)] if fire.skipped else []
    passed = slots(last.next_us, fire.at_us)[:-1]
    reason = STUCK if last.key == fire.key else OUTAGE
    return [Booking(MISSED, passed[0], count=len(passed), reason=reason)] if passed else []


def _due(last: Fire | None, fire: Fire, slots: Slots) -> int:
    """Return the time that a sending is for: the last one that had come."""
    if last is None or not last.next_us:
        return fire.due_us if not fire.skipped else (slots(fire.due_us, fire.at_us) or [fire.due_us])[-1]
    passed = slots(last.next_us, fire.at_us)
    return passed[-1] if passed else last.next_us
