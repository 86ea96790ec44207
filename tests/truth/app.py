"""The Celery app that the truth suite watches, and the bodies that end in every way there is."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import signal
import threading
import time
from typing import Any

from celery import Celery, Task
from celery.exceptions import Ignore, Reject, Retry

from celery_monitor import Monitor
from celery_monitor.agent import thread
from celery_monitor.store import live
from tests.truth.witness import BARE, HEARTBEAT, SETTINGS, watch_ends, witnessed

app = Celery("truth")
app.conf.update(
    monitor_flush_interval=0.2,
    worker_prefetch_multiplier=4,
    broker_connection_retry_on_startup=True,
    result_expires=60,
    task_send_sent_event=False,
    worker_send_task_events=False,
    worker_enable_remote_control=True,
)
app.conf.update(json.loads(os.environ.get(SETTINGS, "{}")))
if HEARTBEAT in os.environ:  # leases so short that a test can wait for three
    thread.HEARTBEAT_S, live.LOST_S = float(os.environ[HEARTBEAT]), 0.0  # type: ignore[misc]
if BARE not in os.environ:
    Monitor(app)
watch_ends()


def task(**options: Any) -> Any:
    """Return a decorator that makes a bound, witnessed task named after its function."""

    def decorate(function: Any) -> Any:
        return app.task(bind=True, name=f"truth.{function.__name__}", typing=False, **options)(witnessed(function))

    return decorate


def die() -> None:
    """SIGKILL the process that runs this body, and wait for it."""
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


@task()
def succeed(self: Any, *args: Any, **kwargs: Any) -> int:
    return 1


@task()
def fail(self: Any, *args: Any) -> None:
    raise ValueError("on purpose")


@task()
def nap(self: Any, seconds: float = 0.2) -> float:
    time.sleep(seconds)
    return seconds


@task()
def hold(self: Any, seconds: float) -> None:
    """Keep the interpreter for oneself, once it is known to run: no other thread or greenlet of the process goes on."""
    time.sleep(1)
    ctypes.PyDLL(None).usleep(int(seconds * 1e6))


@task()
def write(self: Any, path: str, mebibytes: int, in_thread: bool) -> None:
    """Write a file to its disk, and read it back from there."""
    helper = threading.Thread(target=_write_and_read, args=(path, mebibytes))
    helper.start() if in_thread else helper.run()
    if in_thread:
        helper.join()


def _write_and_read(path: str, mebibytes: int) -> None:
    with open(path, "w+b", buffering=0) as file:
        file.writelines(os.urandom(1 << 20) for _ in range(mebibytes))
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        file.seek(0)
        while file.read(1 << 20):
            pass
    os.unlink(path)


@task(acks_late=True)
def late_nap(self: Any, seconds: float = 0.2) -> float:
    time.sleep(seconds)
    return seconds


@task()
def unserialisable(self: Any) -> object:
    return object()


@task(autoretry_for=(KeyError,), default_retry_delay=0, max_retries=3)
def flaky(self: Any, failures: int) -> str:
    if self.request.retries < failures:
        raise KeyError("not yet")
    return "at last"


@task(max_retries=1, default_retry_delay=0)
def hopeless(self: Any, with_own_exception: bool = False) -> None:
    if with_own_exception:
        raise self.retry(exc=LookupError("own"))
    raise self.retry()


@task()
def ignore(self: Any) -> None:
    raise Ignore


@task(acks_late=True)
def reject(self: Any) -> None:
    raise Reject("no", requeue=False)


@task(acks_late=True)
def requeue_once(self: Any) -> str:
    if self.request.delivery_info.get("redelivered"):
        return "second time"
    raise Reject("once more", requeue=True)


@task(soft_time_limit=1)
def soft_limited(self: Any) -> None:
    time.sleep(30)


@task(time_limit=1)
def hard_limited(self: Any) -> None:
    time.sleep(30)


@task(time_limit=1, acks_late=True)
def hard_limited_late(self: Any) -> None:
    time.sleep(30)


@task()
def leave(self: Any) -> None:
    time.sleep(0.3)
    raise SystemExit(3)


@task()
def killed(self: Any, after: float = 0.4) -> None:
    time.sleep(after)
    die()


@task(acks_late=True)
def killed_late(self: Any) -> None:
    time.sleep(0.4)
    die()


@task(acks_late=True, reject_on_worker_lost=True)
def killed_once(self: Any, after: float = 0.4) -> str:
    if not self.request.delivery_info.get("redelivered"):
        time.sleep(after)
        die()
    return "second time"


@task(retry_on_worker_lost=True, default_retry_delay=0)
def killed_retried(self: Any) -> str:
    if not self.request.retries:
        time.sleep(0.4)
        die()
    return "second time"


@task()
def replaced(self: Any, how: str) -> None:
    from tests.truth import shapes

    raise self.replace(shapes.replacement(how))


@task()
def adds_to_chord(self: Any, new_id: str) -> int:
    self.add_to_chord(succeed.si().set(task_id=new_id))
    return 1


@task()
def parent(self: Any, child_id: str) -> None:
    succeed.apply_async(task_id=child_id)


@task()
def opens_group(self: Any, ids: list[str]) -> None:
    from celery import group

    group(succeed.si().set(task_id=one) for one in ids).apply_async()


@task()
def runs_eagerly(self: Any, inner_id: str, retried_id: str) -> None:
    succeed.apply(task_id=inner_id)
    flaky.apply(args=(1,), task_id=retried_id)


@task()
def calls_directly(self: Any) -> Any:
    return succeed()


@task(rate_limit="50/s")
def limited(self: Any) -> None:
    return None


@task()
def give(self: Any, size: int) -> str:
    return "x" * size


@task(ignore_result=True)
def give_to_nobody(self: Any, size: int) -> str:
    return "x" * size


@task()
def lose(self: Any, order: int) -> None:
    raise LookupError(f"order {order} is gone from <shelf at {hex(id(self))}>")


@task()
def miss(self: Any, order: int) -> None:
    raise LookupError(f"order {order} is gone from <shelf at {hex(id(self))}>")


@task(max_retries=1, default_retry_delay=0)
def refused(self: Any, order: int) -> None:
    """Be retried for an exception that is made for it, and fail with it."""
    raise self.retry(exc=LookupError(f"order {order} was refused"))


@task(autoretry_for=(LookupError,), max_retries=1, default_retry_delay=0)
def late(self: Any, order: int) -> None:
    """Be retried for an exception that was raised, and fail with it."""
    raise LookupError(f"order {order} was too late")


@task(ignore_result=True)
def unheard(self: Any) -> None:
    return None


class WithHooks(Task):  # type: ignore[type-arg]
    """A task whose hooks raise, each when it is named by the keyword `raises`."""

    abstract = True

    def _hook(self, name: str) -> None:
        if (self.request.kwargs or {}).get("raises") == name:
            raise RuntimeError(f"{name} raised")

    def on_success(self, *_: Any) -> None:
        self._hook("on_success")

    def on_failure(self, *_: Any) -> None:
        self._hook("on_failure")

    def on_retry(self, *_: Any) -> None:
        self._hook("on_retry")

    def after_return(self, *_: Any) -> None:
        self._hook("after_return")


@task(base=WithHooks, default_retry_delay=0)
def hooked(self: Any, raises: str) -> None:
    if raises == "on_failure":
        raise ValueError("on purpose")
    if raises == "on_retry" and not self.request.retries:
        raise self.retry(exc=ValueError("once more"))


@task()
def cancel(self: Any) -> None:
    """End as the body of an asyncio task that nobody awaits any more."""
    raise asyncio.CancelledError


@task()
def time_out(self: Any) -> None:
    """Take longer than the body itself allows."""
    import gevent

    with gevent.Timeout(0.1):
        time.sleep(30)


@task()
def throws_eagerly(self: Any, failed_id: str, retried_id: str) -> None:
    """Have the exceptions of eager tasks raised here, as `task_eager_propagates` does."""
    for inner, task_id in ((fail, failed_id), (refused, retried_id)):
        with contextlib.suppress(ValueError, LookupError, Retry):
            inner.apply(args=(1,), task_id=task_id, throw=True)


@task()
def calls_a_parent(self: Any, child_id: str) -> None:
    """Call a task that publishes as a mere function."""
    parent(child_id)


@task(acks_late=True)
def late_once(self: Any, seconds: float) -> str:
    """Take long the first time only."""
    if not self.request.delivery_info.get("redelivered"):
        time.sleep(seconds)
    return "done"
