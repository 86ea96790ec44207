"""Rows of single executions: every way in which an attempt can end."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

from kombu import Exchange

from tests.truth.app import (
    app,
    calls_directly,
    cancel,
    fail,
    flaky,
    hard_limited,
    hard_limited_late,
    hooked,
    hopeless,
    ignore,
    killed,
    killed_late,
    killed_once,
    killed_retried,
    leave,
    limited,
    nap,
    reject,
    requeue_once,
    runs_eagerly,
    soft_limited,
    succeed,
    throws_eagerly,
    time_out,
    unheard,
    unserialisable,
)
from tests.truth.script import CELERY, EVERYWHERE, NOTHING, PREFORK, SUCCESS, Expected, Plan, ends, row
from tests.waiting import until

NO_HEADER: Mapping[str, Any] = {}
RETRY = "RETRY retry"
OK = "SUCCESS ok"


@row()
def success() -> Expected:
    return {succeed.delay(n).id: SUCCESS for n in range(30)}


@row()
def exception() -> Expected:
    return {fail.delay().id: ends("FAILURE error")}


@row(PREFORK)
def soft_limit() -> Expected:
    return {soft_limited.delay().id: ends("FAILURE soft_timeout")}


@row()
def result_that_cannot_be_encoded() -> Expected:
    return {unserialisable.delay().id: ends("FAILURE error")}


@row()
def autoretry() -> Expected:
    return {flaky.delay(2).id: ends(RETRY, RETRY, OK)}


@row()
def max_retries_exceeded() -> Expected:
    return {
        hopeless.delay().id: ends(RETRY, "FAILURE max_retries"),
        hopeless.delay(True).id: ends(RETRY, "FAILURE error"),
    }


@row()
def hook_that_raises() -> Expected:
    """What Celery calls when a body has ended changes nothing of its end."""
    failed, retried = ends("FAILURE error"), ends(RETRY, OK)
    right = {"on_success": SUCCESS, "on_failure": failed, "on_retry": retried, "after_return": SUCCESS}
    return {hooked.apply_async(kwargs={"raises": hook}).id: end for hook, end in right.items()}


@row(EVERYWHERE - {"solo"})
def exception_that_is_no_exception() -> Expected:
    """A worker of one thread ends with it."""
    return {cancel.delay().id: ends("FAILURE error")}


@row(frozenset({"gevent"}))
def time_limit_of_a_greenlet() -> Expected:
    result = nap.delay(60)
    started(result.id)
    app.control.revoke(result.id, terminate=True, reply=True, timeout=10, limit=1)
    return {
        hard_limited.delay().id: ends("FAILURE hard_timeout"),
        time_out.delay().id: ends("FAILURE error"),
        result.id: ends("REVOKED terminated"),
    }


@row()
def ignored() -> Expected:
    return {ignore.delay().id: ends("IGNORED ignored")}


@row()
def rejected() -> Expected:
    return {reject.delay().id: ends("REJECTED rejected")}


@row()
def rejected_and_requeued() -> Expected:
    return {requeue_once.delay().id: ends("REJECTED requeued", OK)}


@row()
def revoked_before_it_was_taken() -> Expected:
    task_id = str(uuid4())
    app.control.revoke(task_id, reply=True, timeout=10, limit=1)
    succeed.apply_async(task_id=task_id)
    return {task_id: ends("REVOKED revoked")}


@row()
def revoked_while_it_waits_for_its_eta() -> Expected:
    result = succeed.apply_async(countdown=2)
    app.control.revoke(result.id, reply=True, timeout=10, limit=1)
    return {result.id: ends("REVOKED revoked")}


@row()
def expired() -> Expected:
    past = datetime.now(timezone.utc) - timedelta(minutes=1)
    return {
        succeed.apply_async(expires=past).id: ends("EXPIRED expired"),
        succeed.apply_async(countdown=2, expires=1).id: ends("EXPIRED expired"),
    }


@row(PREFORK)
def terminated() -> Expected:
    expected: Expected = {}
    for signal in ("SIGTERM", "SIGKILL"):
        result = nap.delay(60)
        accepted(result.id)
        app.control.revoke(result.id, terminate=True, signal=signal, reply=True, timeout=10, limit=1)
        expected[result.id] = ends("REVOKED terminated")
    return expected


@row()
def revoked_by_stamp() -> Expected:
    app.control.revoke_by_stamped_headers({"batch": "stale"}, reply=True, timeout=10, limit=1)
    plan = Plan()
    stamped = plan(succeed, right=ends("REVOKED revoked"))
    stamped.stamp(batch="stale")
    stamped.apply_async()
    return plan.expected


@row(PREFORK)
def hard_limit() -> Expected:
    right = ends("FAILURE hard_timeout")
    return {hard_limited.delay().id: right, hard_limited_late.delay().id: right}


@row(PREFORK)
def system_exit() -> Expected:
    told = CELERY >= (5, 7)
    return {leave.delay().id: ends("FAILURE system_exit" if told else "LOST system_exit")}


@row(PREFORK)
def child_killed() -> Expected:
    right = ends("FAILURE killed")
    return {killed.delay().id: right, killed_late.delay().id: right}


@row(PREFORK)
def child_killed_at_its_start() -> Expected:
    """The pool may not have heard that the job was taken, and gives it to another child."""
    one, lost = "FAILURE killed", "LOST killed"
    right = ((one,), (one, one), (lost, one), (one, lost), (lost, lost, one), (one, lost, lost))
    return {killed.delay(0).id: right}


@row(PREFORK)
def child_killed_and_message_rejected() -> Expected:
    return {killed_once.delay().id: ends("LOST killed", OK)}


@row(PREFORK, since=(5, 7))
def child_killed_and_message_retried() -> Expected:
    return {killed_retried.delay().id: ends("RETRY worker_lost", OK)}


@row()
def published_twice() -> Expected:
    result = succeed.delay()
    succeed.apply_async(task_id=result.id)
    return {result.id: ends(OK, OK)}


@row()
def unregistered() -> Expected:
    return {app.send_task("truth.nobody_has_this").id: ends("UNREGISTERED unknown_task")}


@row()
def message_that_cannot_be_read() -> Expected:
    """A body of a type that workers refuse, one that is not what it says it is; each names its task in the headers."""
    refused, damaged = str(uuid4()), str(uuid4())
    _publish_raw(refused, b"\x80", "application/x-python-serialize", "binary")
    _publish_raw(damaged, b"{", "application/json", "utf-8")
    return {refused: ends("BAD_MESSAGE undecodable"), damaged: ends("BAD_MESSAGE undecodable")}


@row()
def eager_inside_a_body() -> Expected:
    plan = Plan()
    plan(runs_eagerly, plan.id(), plan.id(ends(RETRY, OK))).apply_async()
    return plan.expected


@row()
def eager_in_the_producer() -> Expected:
    plan = Plan()
    succeed.apply(task_id=plan.id(SUCCESS if app_has_monitor() else NOTHING))
    return plan.expected


@row()
def eager_that_throws() -> Expected:
    plan = Plan()
    failed, retried = plan.id(ends("FAILURE error")), plan.id(ends(RETRY))
    plan(throws_eagerly, failed, retried).apply_async()
    return plan.expected


@row()
def id_of_any_form() -> Expected:
    """No UUID, long ones that differ at their ends and, where Celery takes it, a UUID itself."""
    ids: list[Any] = ["order/17", "Ünïcödé-名", *(f"{'tenant/' * 150}{n}" for n in range(2))]
    ids += [uuid4()] if CELERY >= (5, 7) else []
    return {str(succeed.apply_async(task_id=task_id).id): SUCCESS for task_id in ids}


@row()
def message_of_another_client() -> Expected:
    """Numbers as texts, ids as numbers, a header that looks like ours; and arguments that no body can be given."""
    odd: dict[str, Any] = {"retries": "0", "root_id": 5, "parent_id": 7, "group": 9, "cm": "1none of ours"}
    sent = {str(uuid4()): header for header in ({}, odd)}
    for task_id, header in sent.items():
        _publish_raw(task_id, b"[[], {}, {}]", "application/json", "utf-8", header)
    bad = str(uuid4())
    _publish_raw(bad, b"[[], [1], {}]", "application/json", "utf-8")
    return {**dict.fromkeys(sent, SUCCESS), bad: ends("BAD_MESSAGE undecodable")}


@row()
def called_directly() -> Expected:
    return {calls_directly.delay().id: SUCCESS}


@row()
def waiting_on_purpose() -> Expected:
    return {
        succeed.apply_async(countdown=1).id: SUCCESS,
        unheard.delay().id: SUCCESS,
        succeed.apply_async(shadow="another.name").id: SUCCESS,
        succeed.apply_async(priority=3).id: SUCCESS,
        **{limited.delay().id: SUCCESS for _ in range(3)},
    }


def _publish_raw(task_id: str, body: bytes, kind: str, encoding: str, header: Mapping[str, Any] = NO_HEADER) -> None:
    with app.producer_pool.acquire(block=True) as producer:
        producer.publish(
            body,
            exchange=Exchange(""),
            routing_key="celery",
            content_type=kind,
            content_encoding=encoding,
            headers={"id": task_id, "task": "truth.succeed", "lang": "py", **header},
            serializer=None,
        )


def started(task_id: str) -> None:
    """Wait until the worker says that a task runs."""

    def runs() -> bool:
        told = app.control.inspect(timeout=10, limit=1).active() or {}
        return any(one["id"] == task_id and one["time_start"] for tasks in told.values() for one in tasks)

    until(runs, seconds=60, what=f"{task_id} started")


def accepted(task_id: str) -> None:
    """Wait until the worker's parent knows which child has the task: until then a killed child's job is given again."""

    def runs() -> bool:
        told = app.control.inspect(timeout=10, limit=1).active() or {}
        return any(one["id"] == task_id and one["worker_pid"] for tasks in told.values() for one in tasks)

    until(runs, seconds=60, what=f"{task_id} accepted")


def app_has_monitor() -> bool:
    return hasattr(app, "celery_monitor")
