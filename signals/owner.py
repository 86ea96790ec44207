"""Whom it belongs to what user code records: the attempt that runs here, else the open workflow, else nobody.

An attempt's owner is made when something is first recorded inside it, and closed with it: a task that records nothing
pays nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from itertools import count
from typing import Any, Final

from billiard.exceptions import SoftTimeLimitExceeded

from celery_monitor.signals import attempts, content, context, guard, process, redact
from celery_monitor.signals.inside import pack_owner
from celery_monitor.signals.record import Kind, State, pack_id

BAD: Final = frozenset({State.FAILURE, State.RETRY, State.REJECTED, State.INTERRUPTED})
"""Ends of an attempt whose INFO lines are kept."""
first_use: list[Callable[[], None]] = []
"""What to call before the first record of a process that has not published anything: it reads the app's settings."""
_OUTSIDE: Final = 200


class Owner:
    """An attempt, or a workflow outside of tasks, in which something is recorded.

    Attributes:
        block: the owner block of its records.
        serial: of the attempt in this process's ring, 0 outside tasks.
        bare: its task is excluded: what happens is counted, and no content of it is kept.
        closed: the attempt has ended.
        numbers: of its spans and waits; taken by threads too, to which it has handed its context.
        at_end: what is to be done when it ends, told whether it ended badly; by what it is for.

    """

    __slots__ = ("at_end", "bare", "block", "closed", "logs", "numbers", "serial", "sums")

    def __init__(self, serial: int, block: bytes, *, bare: bool = False) -> None:
        self.serial, self.block, self.bare, self.closed, self.numbers = serial, block, bare, False, count(1)
        self.at_end: dict[Any, Callable[[bool], None]] | None = None
        self.logs: Any = None
        self.sums: Any = None

    def when_ended(self, what: Any, settle: Callable[[bool], None]) -> None:
        """Have something done when the attempt ends, told whether it ended badly."""
        if self.at_end is None:
            self.at_end = {}
        self.at_end[what] = settle

    def settled(self, what: Any) -> None:
        """Forget what `when_ended` was asked for."""
        if self.at_end is not None:
            self.at_end.pop(what, None)

    def close(self, state: int) -> None:
        """Settle what is open, as the attempt ends; called again after a soft time limit it goes on where it was."""
        self.closed = True
        while self.at_end:
            _, settle = self.at_end.popitem()
            try:
                settle(state in BAD)
            except SoftTimeLimitExceeded:
                raise
            except Exception as error:  # noqa: BLE001 - the seam: one that fails must not keep the others open
                guard.note("closing an attempt", error)


_everybodys: Final = count(1)
"""Numbers of the spans and waits that are outside of tasks, of several threads at once."""
_outside: dict[tuple[bytes, str], Owner] = {}


def recording() -> bool:
    """Tell whether a Monitor records in this process; one that waits for its app's settings reads them now."""
    if process.place.start_agent is not None:
        return True
    while first_use:
        first_use.pop()()
    return process.place.start_agent is not None


context.ready = recording


def current() -> Owner:
    """Return whom it belongs to what is recorded here and now."""
    attempt = attempts.current()
    if attempt is None:
        return handed() or _of_context()
    found: Owner | None = attempt.inside
    if found is None:
        found = attempt.inside = _of(attempt)
    return found


innermost: ContextVar[Any] = ContextVar("celery_monitor_span", default=None)
"""The span that was opened last in this context, as `spans` keeps it."""


def handed() -> Owner | None:
    """Return the attempt in whose span this thread was handed its context, as `asyncio.to_thread` does; it still runs.

    The span may have ended meanwhile.
    """
    opened = innermost.get()
    while opened is not None and (opened.owner.closed or not opened.owner.serial):
        opened = opened.around
    return opened.owner if opened is not None else None


def of(attempt: attempts.Open) -> Owner:
    """Return the owner of an attempt that is open."""
    if attempt.inside is None:
        attempt.inside = _of(attempt)
    found: Owner = attempt.inside
    return found


def _of(attempt: attempts.Open) -> Owner:
    names = attempts.series(attempt.task, "", attempt.workflow)
    block = pack_owner(attempt.serial, pack_id(attempt.id), attempt.run, names)
    return Owner(attempt.serial, block, bare=content.excludes_task(attempt.task))


def _of_context() -> Owner:
    scope = context.active(None)
    return of_run(b"" if scope is None else scope.run, "" if scope is None else scope.name)


def of_run(run: bytes, workflow: str = "") -> Owner:
    """Return the owner of what belongs to a run as a whole, or to nobody (``b""``)."""
    found = _outside.get((run, workflow))
    if found is None:
        if len(_outside) >= _OUTSIDE:
            _outside.clear()
        found = Owner(0, pack_owner(0, b"", run, attempts.series("", "", workflow)))
        found.numbers = _everybodys
        _outside[run, workflow] = found
    return found


def put(kind: Kind, payload: bytes) -> bool:
    """Write one record, unless the ring has become so full that attempts need the rest of it; tell whether it was."""
    me = process.me
    writer = me.writer or process.open_writer()
    if writer is None:
        me.dropped += 1
        return False
    if writer.crowded():
        return False
    writer.put(kind, payload)
    if not me.agent:
        process.need_agent()
    return True


def complain(where: str, what: str) -> None:
    """Note a mistake in the calling code: logged once per place and counted, never raised into a task."""
    guard.note(where, ValueError(redact.text(what)))


def name_of(where: str, name: Any, most: int) -> str:
    """Return a name as it may be stored; one that is none or too long is noted."""
    text = name if type(name) is str else str(name)
    if not text:
        complain(f"{where} without a name", f"{where}(): a name is a text of 1 to {most} characters")
        return "unnamed"
    if len(text) > most:
        complain(f"{where} with a long name", f"{where}({text[:most]!r}...): a name has at most {most} characters")
        text = text[: most - 1] + "…"
    return redact.name(text)
