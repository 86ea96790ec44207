"""One execution from its rows: which end speaks for it, and how it stands within its run."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from celery_monitor.live_state import Running
from celery_monitor.model import FAILED, FINAL, Attempt, Publish, ended_us
from celery_monitor.signals.record import Flag, Reason, State, name_of

BROKEN: Final = FAILED - {State.NEVER_PUBLISHED} | {State.LOST}
"""Ends of an execution that count as its failure; a step that was never published has not failed itself."""
_SURE: Final[dict[int, int]] = {State.INTERRUPTED: 0, State.LOST: 1, State.STORE_FAILED: 3}
"""How sure an end is: an interrupted attempt may be heard of yet, a lost one may come back; others are 2."""
_OPEN: Final = frozenset({State.STARTED, State.RETRY, State.REPLACED, State.INTERRUPTED})
# Enum arithmetic costs a microsecond per operator, and a tick judges thousands of rows.
_MACHINERY: Final = int(Flag.INFRASTRUCTURE)


class Standing(enum.IntEnum):
    """How an execution or a planned step stands within its run."""

    OPEN = 0  # waits in a queue, runs, or will be tried again
    SUCCEEDED = 1
    SKIPPED = 2  # ended on purpose without a result (Ignore), or planned behind such an end
    FAILED = 3
    REVOKED = 4
    UNREACHED = 5  # planned, and never published because of what failed before it
    PLANNED = 6  # not published yet; it still can be
    MISSING = 7  # all before it ended well, and its message is overdue


GOOD: Final = frozenset({Standing.SUCCEEDED, Standing.SKIPPED})
STOPPED: Final = frozenset({Standing.FAILED, Standing.REVOKED, Standing.UNREACHED})
"""Standings behind which nothing that was planned is published."""


def surer(known: Attempt | None, told: Attempt) -> Attempt:
    """Return which of two ends of one attempt holds, whichever came first.

    What is equally sure is settled by the later end, so that the order of arrival decides nothing.
    """
    if known is None or known == told:
        return told
    mine, its = _SURE.get(known.state, 2), _SURE.get(told.state, 2)
    if mine != its:
        return told if its > mine else known
    return max(known, told, key=lambda a: (end_of(a), a))


def end_of(attempt: Attempt) -> int:
    """Return when an attempt ended, in us."""
    return ended_us(attempt.started_us, attempt.runtime_us, attempt.published_us, attempt.wait_us)


def real(attempts: Iterable[Attempt], *, published: bool) -> list[Attempt]:
    """Return attempts by their start; a step given up as never published that was published after all is none."""
    known = sorted(attempts, key=lambda a: (a.started_us, a.uid))
    others = [a for a in known if a.state != State.NEVER_PUBLISHED]
    return others if others or published else known


def last_word(attempts: list[Attempt]) -> Attempt | None:
    """Return the attempt that speaks for the execution: the last to start, a lost one only when no other ended it."""
    ended = [a for a in attempts if a.state in FINAL and a.state != State.LOST and a.reason != Reason.REQUEUED]
    known = ended or attempts
    return known[-1] if known else None


@dataclass(slots=True)
class Execution:
    """The rows of one execution, and what they come to once it is settled.

    Attributes:
        attempts: by their start, as `real` leaves them.
        publishes: by their time.
        running: attempts that a worker says it runs, without those whose end is here already.
        labels: its own, beyond its run's.
        word: the attempt that speaks for it; None while none has ended.
        known: the row that tells its task, group and parent; None when only a worker speaks of it.
        state: as the API names it.
        flags: those of all its rows.
        published_us: when it was published first; 0 unknown.
        ended_us: when it ended; 0 while it is open.
    """

    id: bytes
    attempts: list[Attempt] = field(default_factory=list)
    publishes: list[Publish] = field(default_factory=list)
    running: list[Running] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)
    word: Attempt | None = None
    known: Attempt | Publish | None = None
    standing: Standing = Standing.OPEN
    task: str = ""
    state: str = ""
    parent: bytes = b""
    flags: list[int] = field(default_factory=list)
    infrastructure: bool = False
    published_us: int = 0
    ended_us: int = 0

    def settle(self) -> None:
        """Put the rows in order and decide what they come to; called once all of them are here.

        Everything is asked for many times of each of ten thousand, so nothing is reckoned when it is asked for.
        """
        if len(self.publishes) > 1:
            self.publishes.sort()
        if len(self.attempts) == 1 and self.attempts[0].state != State.NEVER_PUBLISHED:  # as most are
            self.word = self.attempts[0]
        else:
            self.attempts = real(self.attempts, published=bool(self.publishes))
            self.word = last_word(self.attempts)
        self.known = self.word or (self.publishes[-1] if self.publishes else None)
        self.standing = self._standing()
        self.state = self._state()
        self.task = self.known.task if self.known else self.running[0]["task"]
        self.parent = self.known.parent if self.known else b""
        self.flags = [a.flags for a in self.attempts] + [p.flags for p in self.publishes]
        self.flags += [r.get("flags", 0) for r in self.running]
        self.infrastructure = all(f & _MACHINERY for f in self.flags)
        told = [p.published_us for p in self.publishes] + [a.published_us for a in self.attempts if a.published_us]
        self.published_us = min(told) if told else 0
        self.ended_us = end_of(self.word) if self.word and self.standing is not Standing.OPEN else 0

    def _state(self) -> str:
        if self.running:
            return State.STARTED.name
        if self.word is None or self._published_again(self.word):
            return "WAITING"
        return name_of(State, self.word.state)

    def _standing(self) -> Standing:
        word = self.word
        if self.running or word is None or word.state in _OPEN or word.reason == Reason.REQUEUED:
            return Standing.OPEN
        if word.state == State.IGNORED:
            return Standing.OPEN if self._published_again(word) else Standing.SKIPPED
        if word.state == State.NEVER_PUBLISHED:
            return Standing.UNREACHED
        if word.state == State.REVOKED:
            return Standing.REVOKED
        return Standing.FAILED if word.state in BROKEN else Standing.SUCCEEDED

    def _published_again(self, word: Attempt) -> bool:
        """Tell whether an attempt that was ignored had been replaced: its id went out once more, and has not come."""
        if word.state != State.IGNORED:
            return False
        taken = {a.published_us for a in self.attempts}
        return any(p.published_us > word.started_us and p.published_us not in taken for p in self.publishes)
