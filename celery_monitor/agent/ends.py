"""Decides the one end of every attempt from what its own process wrote and what the worker's parent heard.

Precedence, per attempt: its own end with a state (turned to STORE_FAILED by an internal error) > revoked while running
> the parent's failure > the parent's retry > an end without a state (INTERRUPTED, provisional) > none (open). What the
parent says therefore closes only an attempt that is open or INTERRUPTED; what comes for a closed one (a Reject, the
twin of a hard limit, a retry after success) is dropped.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Final, NamedTuple

from celery_monitor.agent import decode, tally
from celery_monitor.agent.decode import Fact
from celery_monitor.agent.fingerprint import fingerprint
from celery_monitor.agent.labelled import Labelled
from celery_monitor.model import Attempt, Metrics
from celery_monitor.signals.record import Flag, Reason, ResultSize, State

GRACE_S: Final = 6.0
"""A parent hears of a killed child up to 5.0 s late (measured: 25 kills, 0.03 to 5.01 s)."""
_RECENT: Final = 5000
_STARTED: Final = itemgetter(Attempt._fields.index("started_us"))


@dataclass(slots=True)
class Told:
    """A fact that waits for its attempt, or for the grace to pass."""

    fact: Fact
    since: float


class Verdict(NamedTuple):
    """How an attempt ended that could not say so itself."""

    state: int
    reason: int
    at_us: int  # 0 when nobody knows
    error: tuple[str, str, str]


@dataclass(slots=True)
class Ends:
    """The ends of one instance's attempts, on their way into a batch.

    Attributes:
        worker: node name that rows carry.
        attempts, metrics: what the next batch will hold; the drainer empties them.
        labelled: the labels of its attempts.
        out_of_memory: tells whether the kernel's lack of memory explains a child's SIGKILL, noticed at a time (us).

    """

    worker: str
    out_of_memory: Callable[[int], bool] = lambda _: False
    attempts: list[Attempt] = field(default_factory=list)
    metrics: Metrics = field(default_factory=Metrics)
    labelled: Labelled = field(default_factory=Labelled)
    _told: dict[bytes, Told] = field(default_factory=dict)
    _interrupted: dict[bytes, tuple[Attempt, float]] = field(default_factory=dict)
    _recent: deque[Attempt] = field(default_factory=lambda: deque(maxlen=_RECENT))

    def succeeded(self, rows: list[Attempt]) -> None:
        """Take successful ends of one task that are in `metrics` already."""
        self._recent.extend(rows)
        if not ours(rows[0].task):
            self.attempts += rows

    def ended(self, row: Attempt, now: float, labels: str = "") -> None:
        """Take an end that an attempt's own process wrote."""
        if labels:
            self.labelled.note(row.uid, self.labelled.series(labels))
        if row.state == State.INTERRUPTED:
            told = self._told.pop(row.id, None)
            if told is not None:
                row = _by_fact(row, told.fact)
            else:
                self._interrupted[row.uid] = (row, now)
        self._book(row)

    def in_order(self, start: int) -> None:
        """Sort what was taken since `attempts` had `start` rows by its beginning: a retry before what came of it."""
        self.attempts[start:] = sorted(self.attempts[start:], key=_STARTED)

    def told(self, fact: Fact, now: float) -> None:
        """Take what the parent heard."""
        own = fact.ids[0]
        if fact.reason == Reason.KILLED and own not in self._told and self.out_of_memory(fact.at_us):
            fact = fact._replace(reason=Reason.OUT_OF_MEMORY)
        if fact.state == State.NEVER_PUBLISHED:  # a plan that came to nothing is no end of anybody's attempt
            self.attempts.append(decode.unstarted(fact, "", hashlib.blake2b(own, digest_size=12).digest()))
        elif fact.flags & Flag.UNSTARTED:
            self._book(decode.unstarted(fact, self.worker, _uid(fact)))
        elif fact.serial:
            row = self._last(own, fact.serial)
            if row is not None and row.state == State.SUCCESS:  # as the newest word on it still has it
                self._correct(row, fact)
        elif (row := self._take_interrupted(own)) is not None:
            self._correct(row, fact)
        elif own not in self._told:
            self._told[own] = Told(fact, now)

    def verdict(self, task_id: bytes, dead_for: float, now_us: int, *, alone: bool) -> Verdict | None:
        """Say how an attempt ended whose process is dead; None while its parent may still tell.

        `alone`: the parent is dead too, so nobody will tell more.
        """
        told = self._told.pop(task_id, None)
        if told is not None:
            fact = told.fact
            return Verdict(fact.state, fact.reason, fact.at_us, fact.error)
        if alone:
            return Verdict(State.LOST, Reason.PARENT_GONE, 0, decode.NO_TEXTS)
        if dead_for >= GRACE_S:
            starved = self.out_of_memory(now_us - int(dead_for * 1e6))
            return Verdict(State.LOST, Reason.OUT_OF_MEMORY if starved else Reason.KILLED, 0, decode.NO_TEXTS)
        return None

    def expire(self, now: float, *, alone: bool) -> None:
        """Give up waiting for the other half of a story.

        An interrupted attempt of which the parent says nothing is lost; a failure that no attempt answers to ended an
        execution before its body began.
        After the parent's death (`alone`) it may as well correct an end that only the dead agent remembered: then it is
        dropped, and that end stays INTERRUPTED.
        """
        for own, told in list(self._told.items()):
            if now - told.since < GRACE_S:
                continue
            del self._told[own]
            if not alone and not any(row.id == own for row in self._recent):
                self._book(decode.unstarted(told.fact, self.worker, _uid(told.fact)))
        for uid, (row, since) in list(self._interrupted.items()):
            if alone or now - since >= GRACE_S:
                del self._interrupted[uid]
                # A greenlet that a time limit stopped: not its pool's, or that had told.
                self._replace(row, row._replace(state=State.FAILURE if row.reason == Reason.ERROR else State.LOST))

    def last_of(self, pid: int) -> Attempt | None:
        """Return the end that was booked last of a process, None when there is none lately."""
        return next((row for row in reversed(self._recent) if row.pid == pid), None)

    def _take_interrupted(self, own: bytes) -> Attempt | None:
        """Forget and return the newest interrupted attempt of an execution."""
        row = next((row for row, _ in reversed(self._interrupted.values()) if row.id == own), None)
        if row is not None:
            del self._interrupted[row.uid]
        return row

    def _last(self, own: bytes, serial: int) -> Attempt | None:
        tail = serial.to_bytes(4, "little")
        return next((row for row in reversed(self._recent) if row.id == own and row.uid[8:] == tail), None)

    def _correct(self, row: Attempt | None, fact: Fact) -> None:
        """Replace an end that was booked: in the same bucket, so that every window stays right."""
        if row is not None:
            self._replace(row, _by_fact(row, fact))

    def _replace(self, row: Attempt, better: Attempt) -> None:
        tally.correct(self.metrics, row, better)
        self.labelled.correct(self.metrics, row, better)
        self.attempts.append(better)
        self._recent.append(better)

    def _book(self, row: Attempt) -> None:
        tally.count(self.metrics, row)
        self.labelled.count(self.metrics, row)
        self._recent.append(row)
        if not ours(row.task):
            self.attempts.append(row)


def ours(task: str) -> bool:
    """Tell whether a task is our own machinery: counted, but never stored or shown among the user's executions."""
    return task.startswith("celery_monitor.")


def _by_fact(row: Attempt, fact: Fact) -> Attempt:
    kind, message, traceback = fact.error
    left = row.reason == Reason.SYSTEM_EXIT and fact.reason == Reason.WORKER_LOST  # all that its parent could see
    return row._replace(
        state=fact.state, reason=row.reason if left else fact.reason,
        exception=kind, message=message, traceback=traceback, fingerprint=fingerprint(*fact.error),
        result_size=int(ResultSize.NONE),
    )  # fmt: skip


def _uid(fact: Fact) -> bytes:
    """Return an uid for an execution without an attempt: its own id and time, the same over a replay."""
    return fact.ids[0][:4].ljust(4, b"\0") + fact.at_us.to_bytes(8, "little")
