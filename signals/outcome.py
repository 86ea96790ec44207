"""Says how an attempt ended: the state and reason that Celery's words and its exception mean, and the error block."""

from __future__ import annotations

import sys
import traceback as tracebacks
from collections.abc import Iterator
from typing import Any, Final

from billiard.exceptions import SoftTimeLimitExceeded
from celery.exceptions import Ignore, MaxRetriesExceededError, Reject, Retry

from celery_monitor.signals import content, redact
from celery_monitor.signals.layout import MAX_MESSAGE, MAX_TRACEBACK, NO_ERROR, pack_error
from celery_monitor.signals.record import Reason, State

_STATES: Final = {
    "FAILURE": (State.FAILURE, Reason.ERROR),
    "RETRY": (State.RETRY, Reason.RETRY),
    "IGNORED": (State.IGNORED, Reason.IGNORED),
    "REJECTED": (State.REJECTED, Reason.REJECTED),
}
_FAILURES: Final = (
    (SoftTimeLimitExceeded, Reason.SOFT_TIMEOUT),
    (MemoryError, Reason.OUT_OF_MEMORY),
    (MaxRetriesExceededError, Reason.MAX_RETRIES),
)
_TRACER: Final = "trace_task"
_DEEP: Final = 100
"""Exceptions raised while others were handled that are looked at."""


def left_by() -> tuple[str | None, Any]:
    """Return the state and the exception of a body whose end Celery tells without a state, from what is raised now.

    It names none where nothing was decided: the exception is to reach the caller of an eager task, a hook such as
    `on_failure` raised, the failure could not be stored, or it is none of Celery's, as asyncio's CancelledError. The
    state stays None for a process or greenlet that is told to go, and for gevent's time limit, which the pool tells of.
    """
    error = sys.exc_info()[1]
    if error is None or isinstance(error, (SystemExit, KeyboardInterrupt)):
        return None, error
    if type(error).__module__.partition(".")[0] in {"gevent", "greenlet"}:
        return None, error
    error = _of_body(error)
    if isinstance(error, Retry):
        return "RETRY", error
    if isinstance(error, Reject):
        return "REJECTED", error
    return "IGNORED" if isinstance(error, Ignore) else "FAILURE", error


def _of_body(error: BaseException) -> BaseException:
    """Return what the body raised: the first exception that Celery's tracer caught before it met this one."""
    frame = error.__traceback__.tb_frame if error.__traceback__ is not None else None
    found, cause = error, error.__context__
    for _ in range(_DEEP):
        if cause is None:
            break
        if cause.__traceback__ is not None and cause.__traceback__.tb_frame is frame:
            found = cause
        cause = cause.__context__
    return found


def explain(name: str | None, retval: Any, task: str, *, replaced: bool) -> tuple[int, int, bytes]:
    """Return state, reason and error block of an attempt of a task that did not succeed.

    Parameters:
        name: the state's, as Celery or `left_by` says it.
        retval: what the attempt ended with, an exception most often.
        replaced: whether another task or workflow took its place.

    """
    state, reason = _STATES.get(name or "", (State.INTERRUPTED, Reason.SHUTDOWN))
    if state is State.IGNORED and replaced:
        return State.REPLACED, Reason.REPLACED, NO_ERROR
    if state is State.INTERRUPTED and not _timed_out(retval):
        return state, Reason.SYSTEM_EXIT if _exits(retval) else reason, NO_ERROR
    error = retval if state is not State.RETRY else getattr(retval, "exc", None) or retval
    if not isinstance(error, BaseException):
        return state, reason, NO_ERROR
    # An exception that was made for a retry was never raised: where the retry was asked for is where it was made.
    at = error if error.__traceback__ is not None or state is not State.RETRY else retval
    return state, _reason(state, reason, error), describe(error, _formatted(at), task=task)


def _reason(state: State, reason: Reason, error: BaseException) -> Reason:
    """Return the reason that an exception is for a state, else that of the state."""
    if state is State.REJECTED and getattr(error, "requeue", False):
        return Reason.REQUEUED
    if state is State.INTERRUPTED:
        return Reason.ERROR
    if state is State.FAILURE:
        return next((one for kind, one in _FAILURES if isinstance(error, kind)), reason)
    return reason


def _exits(error: Any) -> bool:
    """Tell whether the body leaves by a SystemExit of its own: one of a signal has the code -(256 - signal)."""
    if not isinstance(error, SystemExit):
        return False
    return not (isinstance(error.code, int) and -256 < error.code < 0)


def _timed_out(error: Any) -> bool:
    """Tell whether a greenlet was stopped by a gevent.Timeout: the pool's, which will tell, or the body's own."""
    return any(one.__name__ == "Timeout" and one.__module__.startswith("gevent") for one in type(error).__mro__)


def passed_storing(error: BaseException) -> bool:
    """Tell whether an internal error came after the result was stored: Celery has made its text for the log by then."""
    return any(frame.get("Rstr") is not None for frame in _tracers(error))


def _tracers(error: BaseException) -> Iterator[dict[str, Any]]:
    """Yield the local variables of Celery's tracer, where an exception went through it."""
    at = error.__traceback__
    while at is not None:
        if at.tb_frame.f_code.co_name == _TRACER:
            yield at.tb_frame.f_locals
        at = at.tb_next


def describe(error: BaseException, traceback: str | None = None, task: str = "") -> bytes:
    """Return the error block of an exception whose own `__str__` may be broken; of an excluded task its type only."""
    if content.excludes_task(task):
        return pack_error(type(error).__name__, "", "")
    message = redact.text(content.said(error), MAX_MESSAGE)
    if traceback is None:
        traceback = _formatted(error)
    return pack_error(type(error).__name__, message, redact.end_of(traceback, MAX_TRACEBACK))


def _formatted(error: BaseException) -> str:
    return "".join(tracebacks.format_tb(error.__traceback__, limit=-30))
