"""CPU per task in a pool child (`trace_task` with our handlers) and in the agent that takes the record from there.

All variants take turns in short slices on the thread CPU clock, so a machine that is slower for a while is slower for
all of them; shown are the least and the median slice. Run from the checkout: ``python benchmarks/hot_path.py``.
"""

from __future__ import annotations

import argparse
import gc
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
from celery.app.trace import build_tracer

from celery_monitor.agent.instance import Instance
from celery_monitor.agent.journal import Journal
from celery_monitor.signals import attempts, handlers, header, process
from celery_monitor.signals.record import pack_id
from celery_monitor.store import inbox

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
        self.timed("begin", per, lambda: each(attempts.begin))
        self.timed("end", per, lambda: each(attempts.end, "SUCCESS", None))

    def drain(self, per: int) -> None:
        """Time what the agent does with the records: copy and add, then make a batch's bytes."""
        self.timed("drain", per, lambda: self.instance.drain([], time.monotonic(), time.time_ns() // 1000))
        flush = self.instance.next_flush()
        assert flush is not None
        assert len(flush.batch.attempts) == per
        self.timed("encode", per, lambda: (inbox.encode_metrics(flush.batch.metrics), inbox.encode_rows(flush.batch)))
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
    ]
    print(f"{'us CPU per task':<30}{'least':>9}{'median':>9}{'- base':>9}{'median':>9}{'budget':>9}")
    for label, name, base, budget in rows:
        less = [f"{a[name] - a[base]:9.2f}" for a in (least, middle)] if base else [" " * 9] * 2
        limit = f"{budget:9.1f}" if budget else ""
        print(f"{label:<30}{least[name]:9.2f}{middle[name]:9.2f}{less[0]}{less[1]}{limit}")


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
