"""Records what only a worker's parent hears of: a lost child, a hard limit, a revocation, a bad message."""

from __future__ import annotations

import sys
from collections import deque
from time import time_ns
from types import FrameType
from typing import Any, Final

from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery.exceptions import InvalidTaskError, Reject

from celery_monitor.signals import attempts, header, outcome, process, unreached
from celery_monitor.signals.layout import FACT, NO_ERROR, pack_ids
from celery_monitor.signals.record import Flag, Kind, Reason, State, fixed_id, pack_id

_planless: Final[deque[str]] = deque(maxlen=64)
"""Ids of the last failures told, whose planned steps are written down: Celery 5.7 tells of a hard limit twice."""


def failed(task: Any, task_id: str, error: BaseException, einfo: Any) -> None:
    """A failure heard outside the attempt's own process: the pool's (worker lost, hard limit), never the body's."""
    if process.me.role == "child" or _inside(task, task_id) or isinstance(error, Reject):
        return
    reason = Reason.ERROR
    if isinstance(error, TimeLimitExceeded):
        reason = Reason.HARD_TIMEOUT
    elif isinstance(error, WorkerLostError):
        reason = Reason.KILLED if "signal 9" in str(error) else Reason.WORKER_LOST
    text = outcome.describe(error, str(getattr(einfo, "traceback", "") or ""), task.name)
    _put(State.FAILURE, reason, 0, {"id": task_id}, task.name, text)
    if task_id not in _planless and not (reason is Reason.HARD_TIMEOUT and _comes_again(task)):
        _planless.append(task_id)
        unreached.record(task.name, _request())


def retried(task: Any, request: Any, reason: Any) -> None:
    """A retry told by the parent: with a reason the message was published again, without one it was cancelled."""
    task_id = getattr(request, "id", None) or ""
    if _inside(task, task_id):
        return
    about = {"id": task_id}
    if reason is None:
        _put(State.LOST, Reason.SHUTDOWN, 0, about, task.name, NO_ERROR)
    else:
        error = reason if isinstance(reason, BaseException) else RuntimeError(str(reason))
        _put(State.RETRY, Reason.WORKER_LOST, 0, about, task.name, outcome.describe(error, "", task.name))


def revoked(task: Any, request: Any, *, terminated: bool, expired: bool) -> None:
    """A revocation: of a running attempt (terminated), or of a message that will never start."""
    about = vars(request)
    if terminated:
        _put(State.REVOKED, Reason.TERMINATED, 0, about, task.name, NO_ERROR)
    elif expired:
        _put(State.EXPIRED, Reason.EXPIRED, Flag.UNSTARTED, about, task.name, NO_ERROR)
    else:
        _put(State.REVOKED, Reason.REVOKED, Flag.UNSTARTED, about, task.name, NO_ERROR)


def unknown(name: str | None, task_id: str | None, message: Any, error: BaseException) -> None:
    """A message for a task that this worker has not registered."""
    about = {**_headers(message), "id": task_id or "", "delivery_info": message.delivery_info}
    text = outcome.describe(error, "", str(name or ""))
    _put(State.UNREGISTERED, Reason.UNKNOWN_TASK, Flag.UNSTARTED, about, str(name or "unknown"), text)


def rejected(message: Any, error: BaseException | None) -> None:
    """A message that is no task, or whose content this worker may not read."""
    about = _headers(message)
    about["delivery_info"] = getattr(message, "delivery_info", None)
    text = outcome.describe(error, "", str(about.get("task") or "")) if error is not None else NO_ERROR
    _put(State.BAD_MESSAGE, Reason.UNDECODABLE, Flag.UNSTARTED, about, str(about.get("task") or "unknown"), text)


def not_stored(task: Any, task_id: str, error: BaseException, request: Any = None) -> None:
    """The body succeeded and its result could not be stored: told right after the attempt's end, in its process.

    Before Celery 5.7 a hook that raises (`on_success`, `after_return`) is told so, too, though the result is stored.
    """
    if isinstance(error, InvalidTaskError):  # found before the body could begin
        about = {**request, "id": task_id} if isinstance(request, dict) else {"id": task_id}
        text = outcome.describe(error, task=task.name)
        _put(State.BAD_MESSAGE, Reason.UNDECODABLE, Flag.UNSTARTED, about, task.name, text)
        return
    serial = next((n for known, n in reversed(attempts.succeeded) if known == task_id), 0)
    if serial and not outcome.passed_storing(error):
        text = outcome.describe(error, task=task.name)
        _put(State.STORE_FAILED, Reason.BACKEND, 0, {"id": task_id}, task.name, text, serial)


def _comes_again(task: Any) -> bool:
    """Tell whether a message is given out again after a hard limit; a failure is told all the same."""
    return bool(task.acks_late) and not getattr(task, "acks_on_timeout", True)


def _request() -> dict[str, Any]:
    """Return the attributes of the request whose failure is being told, chain and chord included, {} when not found.

    Neither the signal nor `worker.state`, which has let go of it by then, has it: only the caller, a method of it.
    """
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - there is no other way to the caller
    while frame is not None:
        if frame.f_code.co_name in {"on_failure", "on_timeout"}:
            context = getattr(frame.f_locals.get("self"), "_context", None)
            if context is not None:
                return dict(vars(context))
        frame = frame.f_back
    return {}


def _inside(task: Any, task_id: str) -> bool:
    request = task.request_stack.top
    attempt = request.__dict__.get(attempts.KEY) if request is not None else None
    return attempt is not None and attempt.id == task_id


def _headers(message: Any) -> dict[str, Any]:
    found = getattr(message, "headers", None)
    return dict(found) if isinstance(found, dict) else {}


def _put(
    state: State, reason: Reason, flags: int, about: dict[str, Any], name: str, error: bytes, serial: int = 0
) -> None:
    known = header.decode(about.get(header.NAME))
    own = str(about.get("id") or "")
    delivery = about.get("delivery_info") or {}
    if name in attempts.MACHINERY or name.startswith("celery_monitor."):
        flags |= Flag.INFRASTRUCTURE
    routing_key = delivery.get("routing_key") or ""
    queue = attempts.queue_of(delivery.get("exchange"), routing_key) if delivery else ""
    process.put(
        Kind.FACT,
        FACT.pack(state, reason, flags, 0, serial, time_ns() // 1000)
        + pack_ids(
            own,
            about.get("root_id"),
            about.get("parent_id"),
            about.get("group"),
            known.run if known else fixed_id(pack_id(own)),
        )
        + attempts.series(name, queue, known.workflow if known else "", routing_key)
        + error,
    )
    process.need_agent()
