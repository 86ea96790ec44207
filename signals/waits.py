"""Waits for something outside, as an approval: begun and ended in a task, or by run id from any process."""

from __future__ import annotations

import hashlib
from time import monotonic_ns, time_ns
from types import TracebackType
from typing import Any, Final, final

from billiard.exceptions import SoftTimeLimitExceeded

from celery_monitor.signals import attempts, context, guard, owner, process, redact
from celery_monitor.signals.async_with import AsyncWith
from celery_monitor.signals.inside import MAX_NAME, WAIT, WAIT_TEXTS, pack_texts
from celery_monitor.signals.owner import Owner
from celery_monitor.signals.record import Kind

DONE: Final = "done"
ERROR: Final = "error"
ABANDONED: Final = "abandoned"


@final
class wait(AsyncWith):  # noqa: N801 - reads as a statement: ``with wait("approval"):``
    """A part of a task in which it waits for something outside; ``with`` or ``async with``.

    It is listed as open while it lasts. An exception that leaves it makes its outcome "error" and goes on; one that is
    open when its attempt ends is "abandoned". Without a Monitor it does nothing.

    Parameters:
        name: what is waited for, at most 100 characters; statistics are kept per name.

    """

    __slots__ = ("_begun_ns", "_begun_us", "_by", "_key", "_name", "_outcome", "_owner")

    def __init__(self, name: str) -> None:
        self._name, self._outcome, self._by = name, "", ""
        self._owner: Owner | None = None

    def set(self, outcome: str = "", by: str = "") -> None:
        """Say how it ended (like "approved") and who ended it."""
        self._outcome, self._by = outcome, by

    def __enter__(self) -> wait:
        try:
            if self._owner is None and owner.recording():
                self._begin(owner.current())
        except SoftTimeLimitExceeded:
            guard.repair()
            raise
        except Exception as error:  # noqa: BLE001 - the seam: a user's task must not notice us
            guard.note("wait", error)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            failed = error is not None and not isinstance(error, GeneratorExit)
            self._end(ERROR if failed else self._outcome or DONE)
        except SoftTimeLimitExceeded:
            guard.repair()
            raise
        except Exception as ours:  # noqa: BLE001 - the seam: a user's task must not notice us
            guard.note("wait", ours)

    def _begin(self, mine: Owner) -> None:
        self._key = _key_of(mine)
        self._begun_us, self._begun_ns = time_ns() // 1000, monotonic_ns()
        self._owner = mine
        if mine.serial:
            mine.when_ended(self, self._abandon)
        _put(mine, self._begun_us, 0, self._key, self._name)

    def _abandon(self, badly: bool) -> None:  # noqa: ARG002 - what an owner tells everybody
        self._end(ABANDONED)

    def _end(self, outcome: str) -> None:
        mine, self._owner = self._owner, None
        if mine is None:
            return
        ended_us = self._begun_us + max((monotonic_ns() - self._begun_ns) // 1000, 0)
        # With its beginning: nobody has to find that for a wait that one process begins and ends.
        _put(mine, self._begun_us, ended_us, self._key, self._name, outcome, self._by)
        mine.settled(self)


def wait_begin(run_id: str, name: str) -> None:
    """Begin a wait of a run as a whole, in any process; `wait_end` with the same run and name ends it.

    Parameters:
        run_id: of the run, as the API and ``workflow(...).run_id`` give it.
        name: what is waited for, at most 100 characters.

    """
    _told("wait_begin", run_id, name, begun=True)


def wait_end(run_id: str, name: str, outcome: str = DONE, by: str = "") -> None:
    """End the wait that `wait_begin` began, in any process.

    Parameters:
        run_id, name: as given to `wait_begin`.
        outcome: how it ended, like "approved"; "error" and "abandoned" count as failures.
        by: who ended it.

    """
    _told("wait_end", run_id, name, outcome, by, begun=False)


def _told(where: str, run_id: Any, name: Any, outcome: str = "", by: str = "", *, begun: bool) -> None:
    try:
        if not owner.recording():
            return
        run = context.run_of(where, run_id)
        if run is None:
            return
        known = owner.name_of(where, name, MAX_NAME)
        key = hashlib.blake2b(run + known.encode("utf-8", "replace"), digest_size=16).digest()
        now = time_ns() // 1000
        _put(_of_run(run), now if begun else 0, 0 if begun else now, key, known, outcome, by)
    except SoftTimeLimitExceeded:
        guard.repair()
        raise
    except Exception as error:  # noqa: BLE001 - the seam: a user's code must not notice us
        guard.note(where, error)


def _of_run(run: bytes) -> Owner:
    """Return the owner of what belongs to a run; with its workflow's name where that is known."""
    attempt = attempts.current()
    return owner.of_run(run, attempt.workflow if attempt is not None and attempt.run == run else "")


def _key_of(mine: Owner) -> bytes:
    """Return the attempt's uid and a number: what is begun and ended by one process needs no name to be found by."""
    writer = process.me.writer or process.open_writer()
    ring = writer.ring.ring_id if writer is not None else bytes(8)
    return ring + mine.serial.to_bytes(4, "little") + (next(mine.numbers) & 0xFFFFFFFF).to_bytes(4, "little")


def _put(mine: Owner, begun_us: int, ended_us: int, key: bytes, name: Any, outcome: str = "", by: str = "") -> None:
    owner.put(
        Kind.WAIT,
        WAIT.pack(ended_us or begun_us, begun_us, ended_us, key)
        + mine.block
        + pack_texts(
            WAIT_TEXTS, owner.name_of("wait", name, MAX_NAME), redact.text(str(outcome), MAX_NAME),
            redact.text(str(by), MAX_NAME),
        ),
    )  # fmt: skip
