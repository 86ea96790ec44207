"""What processes do in the tests of the agent, through real signals: run attempts, publish, tell facts."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from billiard.exceptions import WorkerLostError
from celery import Celery
from celery.app.task import Context
from celery.app.trace import build_tracer

from celery_monitor.agent.thread import Agent, Plan
from celery_monitor.signals import attempts, facts, handlers, process
from celery_monitor.store.connection import Store

app = Celery("actors", broker="memory://", backend=None)


@app.task(name="job", ignore_result=True)
def job() -> None:
    """Do nothing."""


def begin(task_id: str) -> None:
    """Begin an attempt and leave it open."""
    job.request_stack.push(Context(about(task_id)))
    attempts.begin(job)


def run(task_id: str) -> None:
    """Run an attempt from its beginning to its end."""
    build_tracer("job", job, app=app)(task_id, (), {}, about(task_id))


def interrupted(task_id: str) -> None:
    """End an attempt as a child does that leaves by SystemExit: nobody knows why yet."""
    begin(task_id)
    attempts.end(job, None, None)
    job.request_stack.pop()


def about(task_id: str) -> dict[str, Any]:
    """Return a request as a worker makes it of a message."""
    return {"id": task_id, "root_id": task_id, "delivery_info": {"routing_key": "q"}, "hostname": "celery@a"}


def publish(task_id: str) -> None:
    """Hand a message to the broker."""
    job.apply_async(task_id=task_id)


def tell_killed(task_id: str) -> None:
    """Tell what a worker's parent hears when a child was killed."""
    facts.failed(job, task_id, WorkerLostError("Worker exited prematurely: signal 9 (SIGKILL) Job: 1."), None)


def worker_parent(folder: Path | None) -> None:
    """Become a worker's parent."""
    handlers.connect()
    process.place.folder = folder
    process.me.role = "worker"


def pool_child(does: Callable[[], None]) -> int:
    """Fork a pool child that does something and then waits to be killed; return its pid once it is done."""
    ready, theirs = os.pipe()
    process.before_fork_of_child()
    child = os.fork()
    if not child:
        os.close(ready)
        process.become_child()
        does()
        os.write(theirs, b"!")
        signal.pause()
        os._exit(0)
    os.close(theirs)
    assert os.read(ready, 1) == b"!", "the child failed"
    os.close(ready)
    return child


def kill(pid: int) -> None:
    """SIGKILL a process and wait until it is gone."""
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def agent(folder: Path | None, store: Store, **plan: Any) -> Agent:
    """Return an agent of this process; its thread is not started: the test calls `round`."""
    about = {"role": "worker", "hostname": "celery@a", "app": "actors", "owner": "tests", "folder": folder, **plan}
    return Agent(Plan(**about), store)


def round_(agent: Agent) -> None:
    """Do one round of an agent, with everything due."""
    agent._last.update(adopt=-1e9, sample=-1e9, send=-1e9)
    agent.round()
