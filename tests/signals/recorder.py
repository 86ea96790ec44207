"""What user code records in this very process: tasks run through Celery's own tracer, records read from the ring."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

from celery import Celery
from celery.app.trace import build_tracer

from celery_monitor.agent import decode, details
from celery_monitor.agent.drain import RingReader
from celery_monitor.model import Attempt
from celery_monitor.signals import calls, content, guard, handlers, logs, owner, process, redact
from celery_monitor.signals.record import Kind

_numbers = count(1)


class Recorder:
    """Runs functions as tasks, and reads what was recorded."""

    def __init__(self) -> None:
        self.app = Celery("recorder", broker="memory://", backend=None, set_as_current=False)
        self.attempts: list[Attempt] = []
        self._caught = Counter(guard.caught)
        self._reader: RingReader | None = None

    def run(self, function: Callable[..., Any], *args: Any, name: str = "work", **kwargs: Any) -> str:
        """Run a function as a task with a name, whatever it raises, and return the task's id."""
        task_id = f"task-{next(_numbers)}"
        if function.__name__ == "<lambda>":
            function.__name__ = "body"  # Celery makes code of it
        task = self.app.task(function, name=name, ignore_result=True, typing=False, shared=False)
        tracer = build_tracer(task.name, task, app=self.app)
        request = {"id": task_id, "delivery_info": {"routing_key": "q"}, "is_eager": False, "hostname": "h@here"}
        tracer(task_id, args, kwargs, request)
        self.app.tasks.pop(name)
        return task_id

    def read(self) -> dict[str, list[Any]]:
        """Return the rows of what was recorded since the last time, by table; attempts are in `attempts`."""
        found: dict[str, list[Any]] = {name: [] for name in ("spans", "waits", "measures", "logs", "contents")}
        writer = process.me.writer
        if writer is None:
            return found
        self._reader = self._reader or RingReader(writer.ring)
        for kind, payload in self._reader.take(10**9):
            if kind == Kind.ATTEMPT:
                self.attempts.append(decode.attempt(payload, writer.ring.ring_id, "h@here", 1)[0])
            elif (row := details.decode(kind, payload, writer.ring.ring_id, "h@here")) is not None:
                found.setdefault(row[0], []).extend(row[1])
        self._reader.commit(self._reader.read)
        return found

    @property
    def caught(self) -> dict[str, int]:
        """What was caught of ours or of the caller's mistakes, by place and type."""
        return dict(guard.caught - self._caught)

    @property
    def losses(self) -> dict[str, int]:
        """What the ring's head counts as lost."""
        self.read()
        return self._reader.losses() if self._reader is not None else {}


@contextmanager
def recording() -> Iterator[Recorder]:
    """Record in this process as under a Monitor, without an agent, into a ring of its own."""
    me, place = process.me, process.place
    before = (place.folder, place.start_agent)
    process.me = process.Process()
    process.me.agent = True
    place.folder, place.start_agent = None, lambda: None
    connected = handlers.connected()
    handlers.connect()
    try:
        yield Recorder()
    finally:
        if not connected:
            handlers.disconnect()
        logs.disconnect()
        calls.disconnect()
        logs.use(30, 20)
        content.use()
        redact.use()
        owner._outside.clear()
        place.folder, place.start_agent = before
        mine, process.me = process.me, me
        for ring in mine.kept:
            ring.close()
