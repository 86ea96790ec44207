"""A store that holds something of every kind, and every question that is asked of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

from celery import Celery

from celery_monitor import prometheus
from celery_monitor.alerts import ledger
from celery_monitor.alerts.judge import Reading, judge
from celery_monitor.alerts.rules import load_rules
from celery_monitor.details import Content, Fire, Labelled, Log, Measure, Plan, Run, RunState, Span, Traffic, Wait
from celery_monitor.live_state import AgentState
from celery_monitor.model import Attempt, Batch
from celery_monitor.periodic import Ticker
from celery_monitor.query.reader import Reader
from celery_monitor.settings import Settings
from celery_monitor.signals.record import Reason, State, unpack_id
from celery_monitor.store import broker, fold, inbox, live, meta, schedule, workers
from celery_monitor.store.connection import Store
from celery_monitor.store.rows import lost
from celery_monitor.web import answers
from tests.store.batches import BOOT, agent, attempt, batch, cell_of, gauge, publish, task_id

SECOND: Final = 1_000_000
RUN: Final = b"r" * 16
OTHER: Final = b"other-boot-bytes"
SILENT: Final = b"a-silent-process"
FINGERPRINT: Final = "0123456789abcdef"
DAY_S: Final = 86_400


def details(now_us: int, n: int = 1) -> dict[str, list[Any]]:
    """Return rows of every table; a wait that is open, one that ended, and one that is whole."""
    own, uid = task_id(n), attempt(n).uid
    wait = Wait(own, RUN, uid, b"k" * 16, "approval", "shop.charge", "report", now_us, now_us, 0, "", "")
    whole = wait._replace(key=b"w" * 16, begun_us=now_us - SECOND, ended_us=now_us, outcome="done", ended_by="ann")
    ended = wait._replace(key=b"e" * 16, begun_us=0, ended_us=now_us, outcome="error")
    return {
        "spans": [Span(own, RUN, uid, 1, 0, "fetch", "api", "shop.charge", "report", "celery@a", now_us, 900, 1,
                       "ValueError", "no", "stripe", 500, 800, '{"a":1}')],
        "waits": [wait, whole, ended],
        "measures": [Measure(own, RUN, uid, "tokens", "sum", "1", "shop.charge", "report", now_us, 12.5)],
        "logs": [Log(own, RUN, uid, 40, "shop", "it broke", '{"a":1}', "Traceback", "shop.charge", "report",
                     "celery@a", now_us)],
        "contents": [Content(own, RUN, uid, '{"a":1}', "", now_us), Content(own, RUN, uid, "", "[1]", now_us)],
        "traffic": [Traffic(own, RUN, uid, "shop.charge", 1, 2, 3, 4, 5, now_us)],
        "plans": [Plan(task_id(99), RUN, own, b"", 0, "shop.mail", "default", "report", 1, now_us)],
        "labels": [Labelled(b"", RUN, "customer=acme", "report", "the daily one", now_us)],
        "runs": [run(now_us)],
        "fires": [Fire(own, RUN, b"b" * 16, "daily", "shop.charge", "beat@a", "", now_us, now_us, now_us + SECOND, 0)],
    }  # fmt: skip


def run(now_us: int) -> Run:
    """Return the row of a run that failed."""
    values: dict[str, Any] = dict.fromkeys(Run._fields, 0) | {
        "id": b"", "run": task_id(500), "revision": 1, "state": int(RunState.FAILED), "workflow": "report",
        "root_task": "shop.charge", "at_us": now_us, "published_us": now_us - SECOND, "duration_us": SECOND,
        "turnaround_us": SECOND, "known": 2, "completed": 1, "failed": 1, "bottleneck": "shop.charge",
        "labels": "customer=acme", "tasks": "shop.charge", "workers": "celery@a", "queues": "payments", "one_in": 2,
    }  # fmt: skip
    return Run(**values)


def attempts(now_us: int) -> list[Attempt]:
    """Return ends of several kinds: a run's, a failure, the first and the last of a retried one."""
    failure = {
        "state": int(State.FAILURE), "reason": int(Reason.ERROR), "exception": "ValueError", "message": "no money",
        "traceback": "line 1", "fingerprint": FINGERPRINT,
    }  # fmt: skip
    return [
        attempt(1, at_us=now_us, run=RUN, workflow="report", step="shop.charge", hold_us=5, read_bytes=7),
        attempt(2, at_us=now_us, **failure),
        attempt(3, at_us=now_us, state=int(State.RETRY)),
        attempt(4, at_us=now_us, id=task_id(5), state=int(State.RETRY)),
        attempt(5, at_us=now_us, retries=1),
        attempt(6, at_us=now_us, id=b"an id of the user's own"),
    ]


def full_batch(now_us: int, n: int = 1, boot: bytes = BOOT) -> Batch:
    """Return a flush with rows in every table and cells of every kind."""
    rows = attempts(now_us)
    made = batch(n, rows, [publish(1, at_us=now_us, run=RUN, workflow="report"), publish(7)], boot=boot, at_us=now_us)
    made.details = details(now_us)
    kinds = (
        ("workflow", "report"), ("step", "report", "shop.charge"), ("span", "fetch", "api"), ("wait", "approval"),
        ("measure", "tokens", "sum", "1"), ("label", "customer", "acme"), ("infra", "celery.backend_cleanup"),
        ("failure", FINGERPRINT, "ValueError", "no money"), ("failure_task", "shop.charge", "payments", FINGERPRINT),
        ("failure_worker", "celery@a", FINGERPRINT),
    )  # fmt: skip
    for series in kinds:
        cell = cell_of(made, now_us, series)
        cell.counts = {int(State.SUCCESS): 2, int(State.FAILURE): 1}
        cell.reasons = {int(Reason.ERROR): 1}
        cell.runtime.add(1_000)
        cell.turnaround.add(2_000)
    levels = {
        ("queue", "payments"): {"backlog": 212.0, "oldest_s": 41.0, "unacked": 12.0, "consumers": 1.0},
        ("worker", "celery@a"): {"cpu": 61.0, "rss_bytes": 5e8, "busy": 2.0, "slots": 8.0, "prefetched": 3.0},
        ("host", "a"): {"cpu_percent": 70.0, "load1": 1.5, "memory_used_bytes": 55.0},
    }
    for series, samples in levels.items():
        gauge(made, now_us, series, **samples)
    return made


def silent(now_us: int) -> AgentState:
    """Return the last word of a worker that was heard of a minute ago and was running something."""
    running: Any = {
        "uid": attempt(8).uid.hex(), "id": unpack_id(task_id(8)), "run": RUN.hex(), "task": "shop.charge",
        "queue": "payments", "pid": 9, "started_us": now_us - 90 * SECOND, "workflow": "report", "flags": 0,
        "ids": ("", "", ""),
    }  # fmt: skip
    return agent(SILENT, at_us=now_us - 60 * SECOND, running=[running], hostname="celery@b")


def fill(store: Store, now_us: int) -> None:
    """Put something under every key, folded and not folded."""
    meta.check(store)
    meta.claim_namespace(store, "somebody", now_us, is_default=True)
    fold.fold(store, now_us - 4 * 3600 * SECOND)
    inbox.send(store, full_batch(now_us - 2 * 3600 * SECOND), agent(at_us=now_us))
    fold.fold(store, now_us - 60 * SECOND)
    told = silent(now_us)
    inbox.send(store, None, told)
    ((_, raw),) = live.silent(store, now_us)
    lost.book(store, told, raw, (), now_us - 30 * SECOND)
    inbox.send(store, full_batch(now_us, 2), None)
    fold.fold(store, now_us)
    inbox.send(store, None, told)
    told["boot"] = OTHER.hex()
    workers.write(store, [agent(at_us=now_us), told], now_us, DAY_S)
    schedule.write_beat(store, beat(now_us))
    states, changes = judge([Reading("backlog", "payments", 212, "messages")], load_rules(None), {}, now_us)
    ledger.write(store, states, changes)
    health = {"broker": {"kind": "redis", "used_memory": 5}}
    broker.write(store, {"at_us": now_us, "kind": "redis", "notes": {"q": "no"}, "oldest": {}, "health": health})
    live.set_pace(store, {
        "agents": 1, "folded_us": now_us, "by": BOOT.hex(), "role": "worker", "interval_s": 5.0,
        "queues": ["payments"], "task_us": now_us, "one_in": 2, "one_in_us": now_us,
    })  # fmt: skip
    store.client.hset(store.keys.skipped, "something", 1)
    inbox.send(store, full_batch(now_us, 1, OTHER), None)


def beat(now_us: int) -> dict[str, Any]:
    """Return what a beat has to send."""
    entry = {
        "entry": "daily", "task": "shop.charge", "enabled": True, "kind": "interval", "every_s": 60.0, "text": "",
        "queue": "payments", "last_us": now_us, "next_us": now_us + SECOND, "total": 3,
    }  # fmt: skip
    nightly = {**entry, "entry": "nightly", "kind": "crontab", "cron": ["0", "3", "*", "*", "*"], "zone": "UTC"}
    return {
        "boot": BOOT.hex(), "at_us": now_us, "beat": "beat@a", "loop_us": now_us, "sleep_s": 5.0, "scheduler": "file",
        "entries": [entry, nightly],
    }  # fmt: skip


def ticker(store: Store, url: str) -> Ticker:
    """Return what ticks for a process whose broker is in its memory."""
    settings = Settings(url=url, namespace=store.namespace, tick_interval=5.0)
    return Ticker(Celery("shop", broker="memory://"), settings, store, "serve", "b0")


def questions() -> dict[str, tuple[Callable[[Any, Mapping[str, str]], Any], dict[str, str]]]:
    """Return every question of the JSON API with parameters that find something."""
    one, row = unpack_id(task_id(1)), unpack_id(RUN)
    return {
        "summary": (answers.summary, {"window": "24h"}),
        "health": (answers.health, {}),
        "executions": (answers.executions, {"limit": "50"}),
        "failed": (answers.executions, {"state": "FAILURE", "task": "shop.charge"}),
        "execution": (answers.execution, {"id": one}),
        "execution logs": (answers.execution_logs, {"id": one}),
        "runs": (answers.runs, {}),
        "labelled runs": (answers.runs, {"label": "customer:acme"}),
        "run": (answers.run, {"id": row}),
        "run logs": (answers.run_logs, {"id": row}),
        "workflows": (answers.workflows, {}),
        "workflow": (answers.workflow, {"id": "report"}),
        "workflow steps": (answers.workflow_steps, {"id": "report"}),
        "waits": (answers.waits, {}),
        "spans": (answers.spans, {}),
        "measures": (answers.measures, {}),
        "queues": (answers.queues, {}),
        "queue": (answers.queue, {"id": "payments"}),
        "waiting": (answers.waiting, {"id": "payments"}),
        "schedule": (answers.schedule, {}),
        "label": (answers.label, {"id": "customer", "value": "acme"}),
        "tasks": (answers.tasks, {}),
        "task": (answers.task, {"id": "shop.charge"}),
        "failures": (answers.failures, {}),
        "failure": (answers.failure, {"id": FINGERPRINT}),
        "quantiles": (answers.quantiles, {"series": "task:shop.charge"}),
        "logs": (answers.logs, {}),
        "workers": (answers.workers, {}),
        "worker": (answers.worker, {"id": "celery@a"}),
        "hosts": (answers.hosts, {}),
        "host": (answers.host, {"id": "a"}),
        "resources": (answers.resources, {}),
        "metrics": (lambda reader, _: prometheus.render(reader)[0], {}),
    }


def ask(store: Store) -> dict[str, Any]:
    """Return the answers of a new reader to all questions for which it finds anything."""
    reader, found = Reader(store), {}
    for name, (question, params) in questions().items():
        with suppress(answers.NotFound):
            found[name] = question(reader, params)
    return found
