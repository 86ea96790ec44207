"""A small fleet's records in a real store, put there the way agents do, for the tests of whoever reads."""

from __future__ import annotations

import uuid
from typing import Any

from celery_monitor.agent import tally
from celery_monitor.alerts import ledger
from celery_monitor.alerts.judge import Reading, judge
from celery_monitor.alerts.rules import load_rules
from celery_monitor.live_state import AgentState
from celery_monitor.model import Attempt, Batch, Publish
from celery_monitor.signals.record import Reason, State, pack_id
from celery_monitor.store import fold, inbox, lease, live, meta
from celery_monitor.store.connection import Store

ENDS = (
    ("shop.charge", "payments", State.SUCCESS, 90),
    ("shop.charge", "payments", State.FAILURE, 2),
    ("shop.charge", "payments", State.RETRY, 8),
    ("shop.mail", "default", State.SUCCESS, 40),
)
"""Task name, queue, state, how many."""

BOOT = "ab" * 16


def record(store: Store) -> None:
    """Hand in `ENDS`, a worker's live state, a queue's gauges and a firing alert, and fold."""
    meta.check(store)
    now_us = lease.now_us(store)
    inbox.send(store, batch(now_us), worker(now_us))
    held = lease.take(store, "test", 30)
    assert held is not None
    fold.fold(store, held.now_us)
    states, changes = judge([Reading("backlog", "payments", 212, "messages")], load_rules(None), {}, now_us)
    ledger.write(store, states, changes)
    live.set_pace(
        store,
        {
            "agents": 1,
            "folded_us": held.now_us,
            "by": BOOT,
            "role": "worker",
            "interval_s": 5.0,
            "queues": ["payments"],
        },
    )
    held.release()


def batch(now_us: int, n: int = 1) -> Batch:
    """Return one flush with everything in `ENDS`."""
    made = Batch(bytes.fromhex(BOOT), n, "a", now_us)
    for task, queue, state, times in ENDS:
        for _ in range(times):
            add(made, task, queue, state, now_us)
    for gauge, value in (("backlog", 212.0), ("oldest_s", 41.0), ("unacked", 12.0)):
        tally.gauge(made.metrics, ("queue", "payments"), gauge, value, now_us)
    made.metrics.worker = "celery@a"
    return made


def add(made: Batch, task: str, queue: str, state: State, now_us: int) -> None:
    """Add a publish and its end."""
    id_ = pack_id(str(uuid.uuid4()))
    failed = state is State.FAILURE
    row = Attempt(
        id=id_, root=b"", parent=b"", group=b"", run=b"", uid=uuid.uuid4().bytes[:12], task=task, queue=queue,
        worker="celery@a", pid=901, state=int(state), reason=int(Reason.ERROR if failed else Reason.OK), flags=0,
        retries=0, priority=0, published_us=now_us - 2_000_000, started_us=now_us - 1_000_000, wait_us=20_000,
        runtime_us=80_000, cpu_us=10_000, rss_kib=51_200, growth_kib=0, workflow="", step="",
        exception="PaymentDeclined" if failed else "", message="", traceback="",
    )  # fmt: skip
    made.attempts.append(tuple(row))
    tally.count(made.metrics, row)
    publish = Publish(id_, b"", b"", b"", b"", task, queue, now_us - 2_000_000, 0, 0, 0, "")
    made.publishes.append(tuple(publish))
    tally.publish(made.metrics, publish)


def worker(now_us: int, **more: Any) -> AgentState:
    """Return the live state of a worker with four slots."""
    state: dict[str, Any] = {
        "v": 1, "boot": BOOT, "role": "worker", "hostname": "celery@a", "host": "a", "pid": 812, "app": "shop",
        "at_us": now_us, "started_us": now_us - 60_000_000, "interval_s": 10.0, "pool": "prefork", "slots": 4,
        "queues": ["default", "payments"], "prefetched": {"payments": 3}, "children": [], "cpu_percent": 61.0,
        "rss_bytes": 536_870_912, "dropped": {}, "notes": [], "versions": {},
        "running": [{
            "uid": "00" * 12, "id": "i", "run": "", "task": "shop.mail", "queue": "default", "pid": 901,
            "started_us": now_us - 250_000,
        }],
        "machine": {
            "cpu_percent": 70.0, "load1": 1.5, "cpus": 8.0, "memory_used_bytes": 55, "memory_total_bytes": 100,
            "disk_used_bytes": 40, "disk_total_bytes": 100,
        },
    }  # fmt: skip
    return state | more  # type: ignore[return-value]
