"""Rows of a run as agents record them, told by short names: a scenario in which every step is one letter."""

from __future__ import annotations

from typing import Any

from celery_monitor.analytics.judged import Judged, Rows
from celery_monitor.analytics.runs import judge
from celery_monitor.details import Labelled, Measure, Plan, Span, Wait
from celery_monitor.live_state import Running
from celery_monitor.model import Attempt, Publish
from celery_monitor.signals.record import Reason, State, unpack_id

SECOND = 1_000_000
START = 1_763_640_000 * SECOND
RUN = b"run-of-the-tests"


def id_(name: str) -> bytes:
    """Return 16 bytes for a short name; nothing for no name."""
    return name.encode().ljust(16, b".") if name else b""


class Scenario:
    """Collects rows; times are seconds since the start of the scenario."""

    def __init__(self) -> None:
        self.rows = Rows(RUN)
        self._uids = 0

    def publish(self, name: str, at: float = 0.0, parent: str = "", group: str = "", **fields: Any) -> None:
        """Add a message."""
        values = {
            "id": id_(name), "root": b"", "parent": id_(parent), "group": id_(group), "run": RUN,
            "task": f"shop.{name[0]}", "queue": "default", "published_us": us(at), "due_us": 0, "retries": 0,
            "flags": 0, "workflow": "order",
        }  # fmt: skip
        self.rows.publishes.append(Publish(**{**values, **fields}))

    def ran(
        self, name: str, start: float, end: float, state: State = State.SUCCESS, parent: str = "", group: str = "",
        **fields: Any,
    ) -> Attempt:  # fmt: skip
        """Add an attempt that has ended."""
        self._uids += 1
        failed = state in {State.FAILURE, State.RETRY}
        values = {
            "id": id_(name), "root": b"", "parent": id_(parent), "group": id_(group), "run": RUN,
            "uid": b"ring-uid" + self._uids.to_bytes(4, "little"), "task": f"shop.{name[0]}", "queue": "default",
            "worker": "celery@a", "pid": 7, "state": int(state), "reason": int(Reason.OK), "flags": 0, "retries": 0,
            "priority": 0, "published_us": us(start), "started_us": us(start), "wait_us": 10_000,
            "runtime_us": us(end) - us(start), "cpu_us": 1000, "rss_kib": 2048, "growth_kib": 0, "workflow": "order",
            "step": "", "exception": "ValueError" if failed else "", "message": "", "traceback": "",
        }  # fmt: skip
        row = Attempt(**{**values, **fields})
        self.rows.attempts.append(row)
        return row

    def running(self, name: str, start: float, parent: str = "") -> None:
        """Add an attempt that a worker says it runs."""
        self._uids += 1
        row: Running = {
            "uid": (b"live-uid" + self._uids.to_bytes(4, "little")).hex(), "id": unpack_id(id_(name)), "run": RUN.hex(),
            "task": f"shop.{name[0]}", "queue": "default", "pid": 7, "started_us": us(start), "workflow": "order",
            "flags": 0, "ids": ("", unpack_id(id_(parent)) if parent else "", ""),
        }  # fmt: skip
        self.rows.running.append(row)

    def plan(self, name: str, after: str, group: str = "", at: float = 0.0, **fields: Any) -> None:
        """Add a planned step."""
        values = {
            "id": id_(name), "run": RUN, "after": id_(after), "group": id_(group), "body": 0,
            "task": f"shop.{name[0]}" if name else "", "queue": "", "workflow": "order", "steps": 1, "at_us": us(at),
        }  # fmt: skip
        self.rows.plans.append(Plan(**{**values, **fields}))

    def label(self, text: str, at: float = 0.0, name: str = "", workflow: str = "", description: str = "") -> None:
        """Add labels of the run, or of one execution."""
        self.rows.labels.append(Labelled(id_(name), RUN, text, workflow, description, us(at)))

    def span(self, of: Attempt, number: int, start: float, end: float, **fields: Any) -> None:
        """Add a span that has ended."""
        values = {
            "id": of.id, "run": RUN, "uid": of.uid, "number": number, "parent": 0, "name": "search", "kind": "tool",
            "task": of.task, "workflow": "order", "worker": of.worker, "at_us": us(end),
            "duration_us": us(end) - us(start),
            "failed": 0, "exception": "", "message": "", "api": "", "api_status": 0, "api_us": -1, "attributes": "",
        }  # fmt: skip
        self.rows.spans.append(Span(**{**values, **fields}))

    def wait(self, begun: float, ended: float | None, of: Attempt | None = None, key: bytes = b"w" * 16) -> None:
        """Add a wait; without an end it is open."""
        end = us(ended) if ended is not None else 0
        self.rows.waits.append(
            Wait(
                of.id if of else b"", RUN, of.uid if of else b"", key, "approval", "", "order", end or us(begun),
                us(begun), end, "done" if end else "", "",
            )
        )  # fmt: skip

    def measure(self, value: float, at: float = 0.0, name: str = "tokens", kind: str = "sum") -> None:
        """Add a number."""
        self.rows.measures.append(Measure(b"", RUN, b"", name, kind, "", "", "order", us(at), value))

    def judged(self, now: float = 1000.0) -> Judged:
        """Return what it comes to."""
        return judge(self.rows, us(now))


def us(at: float) -> int:
    """Return seconds of a scenario in us since the epoch."""
    return START + round(at * SECOND)
