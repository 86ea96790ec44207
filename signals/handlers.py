"""Connects one guarded receiver per signal, once per process, whatever number of apps it has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from billiard.exceptions import SoftTimeLimitExceeded
from celery import signals
from celery.exceptions import Reject

from celery_monitor.signals import attempts, facts, outcome, process, publishes, unreached
from celery_monitor.signals.guard import guarded, note, redeliver, repair


@guarded
def on_before_task_publish(sender: str, headers: dict[str, Any], body: Any, **_: Any) -> None:
    """Stamp the message; interrupted by a soft time limit it does so all the same: the message goes out."""
    try:
        publishes.stamp(sender, headers, body)
    except SoftTimeLimitExceeded:
        repair()
        publishes.stamp(sender, headers, body)
        raise


@guarded
def on_after_task_publish(
    sender: str, headers: dict[str, Any], body: Any, exchange: Any, routing_key: str, **_: Any
) -> None:
    """Record the publish."""
    publishes.record(sender, headers, body, exchange, routing_key)


# All that these two are given is named, used or not: to put it into a dict costs as much as the call.
def on_task_prerun(
    sender: Any, signal: Any = None, task_id: Any = None, task: Any = None, args: Any = None, kwargs: Any = None,  # noqa: ARG001
    **_: Any,
) -> None:  # fmt: skip
    """Open an attempt; guarded in place, as this and `on_task_postrun` run once per task."""
    try:
        attempts.begin(sender)
    except SoftTimeLimitExceeded:
        _again(attempts.begin, sender)
        redeliver()
    except Exception as error:  # noqa: BLE001 - the seam: a user's task must not notice us
        note("on_task_prerun", error)


def on_task_postrun(
    sender: Any, state: str | None, retval: Any, signal: Any = None, task_id: Any = None, task: Any = None,  # noqa: ARG001
    args: Any = None, kwargs: Any = None, **_: Any,  # noqa: ARG001
) -> None:  # fmt: skip
    """End an attempt; a soft time limit that strikes here comes after the body and is nobody's."""
    try:
        if state is None:
            state, retval = outcome.left_by()
        stopped = state in unreached.STOPS and _stops(attempts.current(), retval)
        attempts.end(sender, state, retval)
        if stopped:
            unreached.record(sender.name, vars(sender.request_stack.top))
    except SoftTimeLimitExceeded:
        _again(attempts.end, sender, state, retval)
    except Exception as error:  # noqa: BLE001 - the seam: a user's task must not notice us
        note("on_task_postrun", error)


def _stops(attempt: attempts.Open | None, retval: Any) -> bool:
    """Tell whether what is planned behind an attempt stays unpublished: not if it was replaced or comes again."""
    requeued = isinstance(retval, Reject) and getattr(retval, "requeue", False)
    return attempt is not None and not attempt.replaced and not requeued


def _again(step: Callable[..., None], *args: Any) -> None:
    """Repeat what a soft time limit interrupted; both ends of an attempt can be written twice and count once."""
    try:
        repair()
        step(*args)
    except Exception as error:  # noqa: BLE001 - the seam: a user's task must not notice us
        note(step.__name__, error)


@guarded
def on_task_failure(sender: Any, task_id: str, exception: BaseException, einfo: Any = None, **_: Any) -> None:
    """Note a failure that the parent heard of."""
    facts.failed(sender, task_id, exception, einfo)


@guarded
def on_task_retry(sender: Any, request: Any, reason: Any = None, **_: Any) -> None:
    """Note a retry or cancellation by the parent."""
    facts.retried(sender, request, reason)


@guarded
def on_task_revoked(sender: Any, request: Any, terminated: bool = False, expired: bool = False, **_: Any) -> None:
    """Note a revocation or an expiry."""
    facts.revoked(sender, request, terminated=bool(terminated), expired=bool(expired))
    unreached.record(sender.name, vars(request))


@guarded
def on_task_unknown(message: Any, exc: BaseException, name: str | None = None, id: str | None = None, **_: Any) -> None:  # noqa: A002 - the signal's keyword
    """Note a message for a task nobody registered."""
    facts.unknown(name, id, message, exc)


@guarded
def on_task_rejected(message: Any, exc: BaseException | None = None, **_: Any) -> None:
    """Note a message that is no task."""
    facts.rejected(message, exc)


@guarded
def on_task_internal_error(sender: Any, task_id: str, exception: BaseException, request: Any = None, **_: Any) -> None:
    """Note a result that could not be stored."""
    facts.not_stored(sender, task_id, exception, request)


@guarded
def on_worker_before_create_process(**_: Any) -> None:
    """Prepare memory for a pool child."""
    process.before_fork_of_child()


@guarded
def on_worker_process_init(**_: Any) -> None:
    """Become a pool child."""
    process.become_child()


@guarded
def on_worker_process_shutdown(**_: Any) -> None:
    """Write what was set aside; the parent drains the ring."""
    if process.me.writer is not None:
        process.me.writer.settle()


RECEIVERS = {
    "before_task_publish": on_before_task_publish,
    "after_task_publish": on_after_task_publish,
    "task_prerun": on_task_prerun,
    "task_postrun": on_task_postrun,
    "task_failure": on_task_failure,
    "task_retry": on_task_retry,
    "task_revoked": on_task_revoked,
    "task_unknown": on_task_unknown,
    "task_rejected": on_task_rejected,
    "task_internal_error": on_task_internal_error,
    "worker_before_create_process": on_worker_before_create_process,
    "worker_process_init": on_worker_process_init,
    "worker_process_shutdown": on_worker_process_shutdown,
}


def connect() -> None:
    """Connect every receiver; signals are global to the process, so a second call changes nothing."""
    for name, receiver in RECEIVERS.items():
        getattr(signals, name).connect(receiver, weak=False, dispatch_uid=f"celery_monitor.{name}")


def connected() -> bool:
    """Tell whether this process's signals are recorded."""
    known = signals.task_prerun.receivers or ()
    return any(key[0] == "celery_monitor.task_prerun" for key, _ in known)


def disconnect() -> None:
    """Take every receiver off again."""
    for name in RECEIVERS:
        getattr(signals, name).disconnect(dispatch_uid=f"celery_monitor.{name}")
