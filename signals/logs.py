"""Keeps log records emitted inside tasks: from a level on at once, lesser ones when the attempt ends badly.

A handler is attached to the root logger and to Celery's task logger, which does not propagate, once Celery has set them
up. Not before (at `worker_init`): Celery empties the root logger's handlers or, with `worker_hijack_root_logger` off,
takes a logger that has a handler for configured and adds none of its own.
"""

from __future__ import annotations

import logging
import threading
import traceback as tracebacks
from collections import deque
from time import monotonic
from typing import Any, Final

from billiard.exceptions import SoftTimeLimitExceeded
from celery import signals

from celery_monitor.signals import attempts, content, guard, owner, process, redact
from celery_monitor.signals.inside import LOG, LOG_TEXTS, pack_texts
from celery_monitor.signals.owner import Owner
from celery_monitor.signals.record import Kind
from celery_monitor.signals.ring import AT_LOGS

OFF: Final = 1000
"""A level that no record has."""
MOST: Final = 200
"""Records of an attempt."""
MOST_BYTES: Final = 64 * 1024
"""Bytes of an attempt's records."""
HELD: Final = 50
"""Lesser records that an attempt keeps in memory, the last ones."""
RATE: Final = 64 * 1024
"""Bytes in a second that all attempts of a process may write; twice as much at once."""
_LONG: Final = 2000
_TRACE: Final = 4000
OURS: Final = "celery_monitor"
CELERYS: Final = frozenset({"celery.app.trace", "celery.worker.strategy", "celery.pool", "celery.worker.request"})
"""Loggers that tell of attempts what we know better."""
TASK_LOGGER: Final = "celery.task"
STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {
    "asctime", "message", "taskName", "task_id", "task_name", "run_id", "workflow", "worker", "trace_id",
}  # fmt: skip
"""Attributes of a record that are no `extra`: logging's, Celery's, and those of `celery_monitor.logs`."""


class Levels:
    """From which level on records are kept at once, and from which on they are held for attempts that end badly."""

    def __init__(self) -> None:
        self.keep: int = logging.WARNING
        self.hold: int = logging.INFO


levels = Levels()


class Kept:
    """What an attempt has logged so far."""

    __slots__ = ("held", "left", "room")

    def __init__(self) -> None:
        self.left, self.room = MOST, MOST_BYTES
        self.held: deque[Line] = deque(maxlen=HELD)


class Here(threading.local):
    """What this thread or greenlet is keeping: an attempt's threads log at the same time."""

    busy = False
    last: tuple[int, float] | None = None


here = Here()


class Line:
    """A record as it is held: formatted, as its arguments may change, but not redacted yet."""

    __slots__ = ("at_us", "exception", "extra", "level", "logger", "message")

    def __init__(self, record: logging.LogRecord) -> None:
        self.at_us, self.level, self.logger = int(record.created * 1e6), record.levelno, record.name
        self.message = _message(record)
        about = record.__dict__
        self.extra = {key: about[key] for key in about if key not in STANDARD} if len(about) > _USUAL else None
        self.exception = _traceback(record)

    def packed(self, mine: Owner) -> bytes:
        """Return the payload of the record."""
        return (
            LOG.pack(self.at_us, self.level)
            + mine.block
            + pack_texts(
                LOG_TEXTS, self.logger, redact.text(self.message, _LONG),
                content.text(self.extra) if self.extra else "",
                redact.end_of(self.exception, _TRACE) if self.exception else "",
            )
        )  # fmt: skip


_USUAL: Final = len(vars(logging.makeLogRecord({})))


def _message(record: logging.LogRecord) -> str:
    """Return the formatted message; where its format is wrong, as the user's own handlers will say too, without it."""
    try:
        return record.getMessage()[: 2 * _LONG]
    except SoftTimeLimitExceeded:
        raise
    except Exception as error:  # noqa: BLE001 - a user's format or __str__
        return f"<not formattable: {type(error).__name__}> {record.msg!s:.500}"


def _traceback(record: logging.LogRecord) -> str:
    if record.exc_text:
        return record.exc_text
    if not record.exc_info or record.exc_info[1] is None:
        return ""
    error = record.exc_info[1]
    frames = "".join(tracebacks.format_tb(error.__traceback__, limit=-30))
    return f"{frames}{type(error).__name__}: {content.said(error)[:_LONG]}"


class Budget:
    """How many bytes this process may still write: a bucket that fills at `RATE` and holds twice as much."""

    def __init__(self) -> None:
        self.bytes = 2.0 * RATE
        self.at = 0.0

    def takes(self, size: int, now: float) -> bool:
        """Take so many bytes out, at a time in seconds; False when there are not as many.

        >>> budget = Budget(); budget.takes(2 * RATE, 5.0), budget.takes(1, 5.0), budget.takes(RATE, 6.0)
        (True, False, True)
        """
        self.bytes = min(self.bytes + (now - self.at) * RATE, 2.0 * RATE)
        self.at = now
        if size > self.bytes:
            return False
        self.bytes -= size
        return True


budget = Budget()


class AttemptHandler(logging.Handler):
    """Keeps what is logged inside an attempt. It has no lock: a fork or a finaliser could dead-lock in it."""

    def createLock(self) -> None:  # noqa: N802 - logging's name
        """Have none."""
        self.lock = None

    def handle(self, record: logging.LogRecord) -> bool:
        """Keep a record; never raises an Exception into whoever logs."""
        try:
            self.emit(record)
        except SoftTimeLimitExceeded:
            guard.repair()
            raise
        except Exception as error:  # noqa: BLE001 - the seam: a user's task must not notice us
            guard.note("log record", error)
        return True

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record of an attempt, also of its threads, unless it is of ours or of somebody excluded."""
        attempt = attempts.current()
        mine = owner.of(attempt) if attempt is not None else owner.handed()
        if mine is None or mine.bare or not _wanted(record.name):
            return
        kept: Kept | None = mine.logs
        if kept is None:
            kept = mine.logs = Kept()
        seen = (id(record), record.created)
        if here.busy or here.last == seen:  # by a value's own __str__, or on both loggers
            return
        here.busy, here.last = True, seen
        try:
            _take(mine, kept, record)
        finally:
            here.busy = False


def _wanted(logger: str) -> bool:
    if logger in CELERYS or logger == OURS or logger.startswith(OURS + "."):
        return False
    return not content.excludes_logger(logger)


def _take(mine: Owner, kept: Kept, record: logging.LogRecord) -> None:
    if record.levelno >= levels.keep:
        _write(mine, kept, Line(record))
        return
    if not kept.held:
        mine.when_ended("logs", lambda badly: _settle(mine, kept, badly=badly))
    kept.held.append(Line(record))


def _settle(mine: Owner, kept: Kept, *, badly: bool) -> None:
    """Write what was held, if the attempt ended badly."""
    while badly and kept.held:
        _write(mine, kept, kept.held.popleft())
    kept.held.clear()


def _write(mine: Owner, kept: Kept, line: Line) -> None:
    payload = line.packed(mine) if kept.left > 0 else b""
    size = len(payload)
    if not size or size > kept.room or not budget.takes(size, monotonic()):
        if process.me.writer is not None:
            process.me.writer.left_out(AT_LOGS)
        return
    kept.left -= 1
    kept.room -= size
    owner.put(Kind.LOG, payload)


# -- where it is attached ----------------------------------------------------------------------------------------------

handler = AttemptHandler()


def use(keep: int, hold: int) -> None:
    """Take the levels from the settings; `OFF` for none."""
    levels.keep, levels.hold = keep, min(hold, keep)
    handler.setLevel(levels.hold)


def attach(logger: logging.Logger | None = None) -> None:
    """Attach the handler to a logger, by default to the root and task loggers; once to each."""
    if levels.hold >= OFF:
        return
    loggers = [logging.getLogger(), logging.getLogger(TASK_LOGGER)] if logger is None else [logger]
    for one in loggers:
        alone = one.parent is None or not one.propagate
        if alone and handler not in one.handlers:
            one.addHandler(handler)


@guard.guarded
def on_logging_set_up(logger: logging.Logger | None = None, **_: Any) -> None:
    """Attach the handler: Celery has just set up this logger."""
    if logger is not None:
        attach(logger)


@guard.guarded
def on_worker_set_up(**_: Any) -> None:
    """Attach the handler where the user has set up logging, in the worker and again in each child."""
    attach()


SIGNALS: Final = {
    "after_setup_logger": on_logging_set_up,
    "after_setup_task_logger": on_logging_set_up,
    "celeryd_after_setup": on_worker_set_up,
    "worker_process_init": on_worker_set_up,
}


def connect() -> None:
    """Connect; never to `setup_logging`, whose receivers switch Celery's own set-up off."""
    for name, receiver in SIGNALS.items():
        getattr(signals, name).connect(receiver, weak=False, dispatch_uid=f"celery_monitor.logs.{name}")


def disconnect() -> None:
    """Take the receivers and the handler off again."""
    for name in SIGNALS:
        getattr(signals, name).disconnect(dispatch_uid=f"celery_monitor.logs.{name}")
    for logger in (logging.getLogger(), logging.getLogger(TASK_LOGGER)):
        logger.removeHandler(handler)
