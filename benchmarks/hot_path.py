"""CPU per task in a pool child (`trace_task` with our handlers) and in the agent that takes the record from there.

All variants take turns in short slices on the thread CPU clock, so a machine that is slower for a while is slower for
all of them; shown are the least and the median slice. Run from the checkout: ``python benchmarks/hot_path.py``.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from celery import Celery, signals
from celery._state import _task_stack
from celery.app.task import Context
from celery.app.trace import build_tracer

from celery_monitor import measure, span, workflow
from celery_monitor.agent.instance import Instance
from celery_monitor.agent.journal import Journal
from celery_monitor.signals import attempts, handlers, header, labels, logs, process, publishes, received, results
from celery_monitor.signals.record import fixed_id, pack_id
from celery_monitor.store import inbox

TAIL = "daily_report?session=0b9e2f6c&user=u-1234567"
US = 1e-3
"""Microseconds per nanosecond."""
Slices = dict[str, list[float]]


class Bench:
    """A task, its tracer, messages for it, and an instance that drains what is recorded."""

    def __init__(self, folder: Path, tasks: int) -> None:
        self.app = Celery("hot", broker="memory://")
        self.app.conf.task_ignore_result = True
        self.app.task(noop, name="hot.noop")
        self.app.finalize()
        self.task = self.app.tasks["hot.noop"]  # what a worker traces; the decorator returned a proxy of it
        self.bodies = self._bodies()
        self.bare_encode = self.app.backend.encode
        results.listen(self.app)
        self.trace = build_tracer(self.task.name, self.task, app=self.app)
        process.place.folder, process.place.size, process.place.slots = folder, 4 << 20, tasks
        process.me.agent = True  # we drain by hand
        self.requests = [self._request() for _ in range(tasks)]
        journal = Journal.create(folder, process.me.instance, {})
        self.instance = Instance(process.me.instance, journal, folder, "celery@hot", 64 << 20)
        self.slices: Slices = {}

    def _request(self) -> dict[str, Any]:
        """Return what a worker hands to `trace_task` for a message that an instrumented producer published."""
        task_id = str(uuid4())
        return {
            "id": task_id, "task": self.task.name, "lang": "py", "root_id": task_id, "parent_id": None, "group": None,
            "retries": 0, "eta": None, "expires": None, "timelimit": [None, None], "origin": "gen1@host",
            "argsrepr": "('a', 1)", "kwargsrepr": "{}", "ignore_result": True, "stamps": {}, "stamped_headers": None,
            "replaced_task_nesting": 0, "reply_to": "", "correlation_id": task_id, "hostname": "celery@hot",
            "delivery_info": {"exchange": "", "routing_key": "celery", "priority": 0, "redelivered": False},
            "args": ["a", 1], "kwargs": {}, "is_eager": False, "callbacks": None, "errbacks": None, "chain": None,
            "chord": None, "cm": header.encode(time.time_ns() // 1000, pack_id(task_id), ""),
        }  # fmt: skip

    def timed(self, name: str, per: int, work: Callable[[], Any]) -> Any:
        """Run `work`, which does `per` steps, and note the CPU of one of them in us."""
        begun = time.thread_time_ns()
        value = work()
        self.slices.setdefault(name, []).append((time.thread_time_ns() - begun) * US / per)
        return value

    def run(self) -> None:
        """Run all messages through `trace_task`."""
        trace = self.trace
        for request in self.requests:
            trace(request["id"], request["args"], request["kwargs"], request)

    def halves(self) -> None:
        """Time our two handlers alone, without Celery's dispatch."""
        for request in self.requests:
            self.task.push_request(**request)
        contexts = list(self.task.request_stack.stack)
        while self.task.request_stack.pop() is not None:
            pass

        def each(step: Callable[..., None], *args: Any) -> None:
            push, pop = self.task.request_stack.push, self.task.request_stack.pop
            for context in contexts:
                push(context)
                step(self.task, *args)
                pop()

        self.timed("stack", len(contexts), lambda: each(noop))
        per = len(contexts)
        attempts.memory.next_ns = 1 << 62
        self.timed("begin", per, lambda: each(attempts.begin))
        for context in contexts:  # else each has lasted for a slice, and is looked at as a long one
            context.__dict__[attempts.KEY].started_ns = time.monotonic_ns() + 10**9
        self.timed("end", per, lambda: each(attempts.end, "SUCCESS", None))
        attempts.memory.next_ns = 0

    def drain(self, per: int, what: str = "") -> None:
        """Time what the agent does with the records: copy and add, then make a batch's bytes."""
        self.timed(what + "drain", per, lambda: self.instance.drain([], time.monotonic(), time.time_ns() // 1000))
        flush = self.instance.next_flush()
        assert flush is not None
        assert len(flush.batch.attempts) == per
        self.timed(
            what + "encode", per, lambda: (inbox.encode_metrics(flush.batch.metrics), inbox.encode_rows(flush.batch))
        )
        self.instance.acknowledged()

    def throw_away(self) -> None:
        """Drain without a note."""
        self.instance.drain([], time.monotonic(), time.time_ns() // 1000)
        if self.instance.next_flush() is not None:
            self.instance.acknowledged()

    def round(self) -> None:
        """Give every variant its slice."""
        gc.collect()
        per = len(self.requests)
        self.timed("bare", per, self.run)
        for signal in (signals.task_prerun, signals.task_postrun):
            signal.connect(nothing, weak=False, dispatch_uid="nothing")
        self.timed("no-op", per, self.run)
        for signal in (signals.task_prerun, signals.task_postrun):
            signal.disconnect(dispatch_uid="nothing")
        self.timed("bare-again", per, self.run)
        handlers.connect()
        self.timed("ours", per, self.run)
        handlers.disconnect()
        self.drain(per)
        self.halves()
        self.throw_away()
        self.extras()
        self.insides()
        self.publishing()
        self.labelled()

    def insides(self) -> None:
        """Time what a task pays for one thing that it records inside itself."""
        handlers.connect()
        process.place.start_agent = nobody
        for name, (task, trace) in self.bodies.items():
            messages = [{**request, "task": task.name} for request in self.requests]

            def run(trace: Any = trace, messages: list[dict[str, Any]] = messages) -> None:
                for request in messages:
                    trace(request["id"], request["args"], request["kwargs"], request)

            self.timed(name, len(messages), run)
            self.throw_away()
        task, trace = self.bodies["inside-span"]
        named = [r | {"task": task.name, "cm": self._header(r["id"], TAIL)} for r in self.requests]
        self.timed("whole", len(named), lambda: [trace(r["id"], r["args"], r["kwargs"], r) for r in named])
        self.drain(len(named), "whole-")
        process.place.start_agent = None
        handlers.disconnect()

    def _bodies(self) -> dict[str, tuple[Any, Any]]:
        quiet, heard = logging.getLogger("quiet"), logging.getLogger("heard")
        quiet.handlers, heard.handlers = [logging.NullHandler()], [logs.handler]
        quiet.propagate = heard.propagate = False
        logs.budget.bytes = float("inf")

        def spanned(*_: Any) -> None:
            with span("web_search", kind="tool") as s:
                s.set(status=200, api="duckduckgo", api_seconds=0.2)

        bodies = {
            "inside-none": lambda *_: None,
            "inside-span": spanned,
            "inside-measure": lambda *_: measure("tokens", 512),
            "inside-log-unheard": lambda *_: quiet.warning("order %d is late", 17),
            "inside-log": lambda *_: heard.warning("order %d is late", 17),
            "inside-log-held": lambda *_: heard.info("order %d is late", 17),
        }
        quiet.setLevel(logging.INFO), heard.setLevel(logging.INFO)
        found = {}
        for name, body in bodies.items():
            body.__name__ = "body"
            task = self.app.task(body, name=f"hot.{name}", typing=False)
            found[name] = (task, build_tracer(task.name, task, app=self.app))
        return found

    def extras(self) -> None:
        """Time what only some tasks or settings pay for: an exact hold in the parent, and a result that is stored."""
        per, messages = len(self.requests), [Context(request) for request in self.requests]
        send = signals.task_received.send
        self.timed("unheard", per, lambda: [send(sender=self, request=message) for message in messages])
        received.connect()
        self.timed("received", per, lambda: [send(sender=self, request=message) for message in messages])
        self.timed("taken", per, lambda: [received.take(message.id, 2**62) for message in messages])
        received.disconnect()
        self.task.request_stack.push(messages[0])
        _task_stack.push(self.task)
        stored = {"status": "SUCCESS", "result": [1, 2, 3], "traceback": None, "children": [], "task_id": "some"}
        for name, encode in (("encoded", self.bare_encode), ("measured", self.app.backend.encode)):
            self.timed(name, per, lambda encode=encode: [encode(stored) for _ in messages])
        self.timed("size", per, lambda: [results.class_of(self.task, vars(messages[0]), stored) for _ in messages])
        _task_stack.pop()
        self.task.request_stack.pop()

    def publishing(self) -> None:
        """Time our two handlers of a publish: bare, and in a named workflow with two labels."""
        per = len(self.requests)
        self.timed("publish", per, self._publish(self._messages()))
        with workflow("daily_report", session="0b9e2f6c", user="u-1234567"):
            self.timed("publish-named", per, self._publish(self._messages()))
        self.throw_away()
        for name, tail in (("", ""), ("-named", TAIL)):
            messages = self._messages()
            self.task.request_stack.push(Context(self.requests[0] | {"cm": self._header("a-run", tail)}))
            _task_stack.push(self.task)
            attempts.begin(self.task)
            self.timed(f"publish-inside{name}", per, self._publish(messages))
            attempts.end(self.task, "SUCCESS", None)
            _task_stack.pop()
            self.task.request_stack.pop()
            self.throw_away()

    def _messages(self) -> list[Any]:
        made = [self.app.amqp.as_task_v2(str(uuid4()), self.task.name, ("a", 1), {}) for _ in self.requests]
        return [(message.headers, message.body) for message in made]

    def _publish(self, messages: list[Any]) -> Callable[[], None]:
        name = self.task.name

        def publish() -> None:
            for headers, body in messages:
                publishes.stamp(name, headers, body)
                publishes.record(name, headers, body, "", "celery")

        return publish

    @staticmethod
    def _header(text: str, tail: str) -> str:
        return header.encode(time.time_ns() // 1000, fixed_id(pack_id(text)), tail)

    def labelled(self) -> None:
        """Time tasks whose messages carry a name and two labels, none of them counted, and one that is."""
        trace, per = self.trace, len(self.requests)
        named = [request | {"cm": self._header(request["id"], TAIL)} for request in self.requests]

        def run() -> None:
            for request in named:
                trace(request["id"], request["args"], request["kwargs"], request)

        handlers.connect()
        self.timed("named", per, run)
        self.throw_away()
        labels.use(counted=["user"])
        self.timed("counted", per, run)
        self.throw_away()
        labels.use()
        handlers.disconnect()


def nobody() -> None:
    """Start no agent."""


def noop(*_: Any) -> None:
    """Do nothing, as a task."""


def nothing(**_: Any) -> None:
    """Do nothing, as a handler."""


def report(slices: Slices) -> None:
    """Print the least and the median slice of everything, and the differences that budgets are about."""
    least = {name: min(values) for name, values in slices.items()}
    middle = {name: statistics.median(values) for name, values in slices.items()}
    rows = [
        ("trace_task, no handler", "bare", "", None),
        ("  again (control)", "bare-again", "bare", None),
        ("  two no-op handlers", "no-op", "bare", None),
        ("  ours", "ours", "bare", 8.0),
        ("task_prerun handler alone", "begin", "stack", None),
        ("task_postrun handler alone", "end", "stack", None),
        ("agent: drain, decode, add", "drain", "", 2.0),
        ("agent: bytes of a batch", "encode", "", None),
        ("parent, monitor_capture_received", "received", "unheard", None),
        ("  agent: looks it up", "taken", "", None),
        ("storing a result", "measured", "encoded", None),
        ("  its size class", "size", "", None),
        ("publish: our two handlers", "publish", "", None),
        ("  in a workflow with two labels", "publish-named", "publish", None),
        ("  in a task", "publish-inside", "", None),
        ("  in a task of such a workflow", "publish-inside-named", "publish-inside", None),
        ("a named task with two labels", "named", "ours", None),
        ("  one of them counted", "counted", "ours", None),
        ("a span in the task", "inside-span", "inside-none", None),
        ("a name, two labels and a span", "whole", "inside-none", None),
        ("  agent: drain, decode, add", "whole-drain", "drain", None),
        ("  agent: bytes of a batch", "whole-encode", "encode", None),
        ("a measure", "inside-measure", "inside-none", None),
        ("a log record that is kept", "inside-log", "inside-log-unheard", None),
        ("  that is held, and not kept", "inside-log-held", "inside-log-unheard", None),
    ]
    print(f"{'us CPU per task':<34}{'least':>9}{'median':>9}{'- base':>9}{'median':>9}{'budget':>9}")
    for label, name, base, budget in rows:
        less = [f"{a[name] - a[base]:9.2f}" for a in (least, middle)] if base else [" " * 9] * 2
        limit = f"{budget:9.1f}" if budget else ""
        print(f"{label:<34}{least[name]:9.2f}{middle[name]:9.2f}{less[0]}{less[1]}{limit}")


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=60, help="slices of each variant (default 60)")
    parser.add_argument("--tasks", type=int, default=500, help="tasks in a slice (default 500)")
    options = parser.parse_args()
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=base) as folder:
        bench = Bench(Path(folder), options.tasks)
        for _ in range(3):
            bench.round()
        bench.slices.clear()
        for _ in range(options.rounds):
            bench.round()
        report(bench.slices)


if __name__ == "__main__":
    main()
