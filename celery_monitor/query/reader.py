"""The reader: the verbs that every face calls; nothing here writes, and nothing asks a worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery_monitor import __version__
from celery_monitor.alerts import ledger
from celery_monitor.analytics.judged import id_of
from celery_monitor.live_state import AgentState, Running
from celery_monitor.model import Cell, Series
from celery_monitor.query import (
    executions,
    failures,
    health,
    hosts,
    labels,
    log_search,
    logs,
    quantiles,
    queues,
    redis_health,
    resources,
    run,
    runs,
    schedule,
    stats,
    summary,
    tables,
    tasks,
    waiting,
    waits,
    window,
    workers,
)
from celery_monitor.query.executions import Fates
from celery_monitor.query.failures import Takes
from celery_monitor.query.kept import Kept
from celery_monitor.query.rollups import RollupReader, Want
from celery_monitor.query.times import iso
from celery_monitor.query.window import of_workers
from celery_monitor.signals.record import pack_id
from celery_monitor.store import broker, lease, live, meta
from celery_monitor.store import workers as worker_book
from celery_monitor.store.connection import Store
from celery_monitor.store.rollups.lifetime import Lifetime
from celery_monitor.store.rollups.tiers import GAUGES, OTHER, TASKS

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from celery_monitor.query.window import Between

QUEUES_S = 300
"""A queue that was not sampled for this long is no queue of now."""


class Reader:
    """Reads one namespace; safe for threads, keeps a few MB of buckets that change no more.

    Every verb raises `errors.StoreError` when the store does not answer or refuses. `now_us` is the server's clock in
    us; None asks the server. Where there is a `window`, `since` and `until` (ISO-8601) may stand in its place.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._rollups = RollupReader(store)
        self._kept = Kept()

    def summary(self, window: str = "1h", now_us: int | None = None, **between: Unpack[Between]) -> dict[str, Any]:
        """Return the summary of a window like ``15m``, as docs/api.md describes it.

        Raises:
            BadRequest: the window is not of the accepted form.
            StoreTooNew: a newer release wrote the store.
        """
        asked = _asked(window, self._now(now_us), **between)
        meta.check(self._store, create=False)
        return summary.build(self._store, self._rollups, asked)

    def health(self, now_us: int | None = None) -> dict[str, Any]:
        """Return how the monitor itself is, with the versions."""
        return self.latest_and_health(now_us)[1]

    def latest_and_health(self, now_us: int | None = None) -> tuple[list[AgentState], dict[str, Any]]:
        """Return what `latest` and `health` do, of one reading of the live table: of 1000 agents it takes 80 ms."""
        now = self._now(now_us)
        facts = health.read(self._store, now)
        row = health.row(facts, now)
        servers = redis_health.rows(broker.load(self._store))
        return facts.agents, row | {"version": __version__, "schema": meta.SCHEMA, "redis": servers}

    def executions(self, *, now_us: int | None = None, **filters: Any) -> dict[str, Any]:
        """Return a page of executions: ``{"executions": [...], "next": cursor or None}``.

        Parameters:
            filters: `task`, `state`, `reason`, `queue`, `worker`, `run`, `fingerprint`, `since`, `until`, `limit`,
                `cursor`.

        Raises:
            BadRequest: a filter is not of the accepted form.
        """
        asked = executions.parse(**filters)
        return executions.page(self._store, asked, self._now(now_us))

    def execution(self, task_id: str, now_us: int | None = None) -> dict[str, Any] | None:
        """Return one execution with all its attempts and why it waits, None when nothing is known of it."""
        now = self._now(now_us)
        found = executions.one(self._store, task_id, now)
        if found is None:
            return None
        return found | {"waiting": waiting.of_execution(self._store, found, now, lambda: self.queues_now(now))}

    def fates(self, silent: list[Running], now_us: int | None = None) -> Fates:
        """Return which attempts of a silent worker have ended, and which messages were given out again."""
        return executions.fates(self._store, silent, self._now(now_us))

    def runs(self, *, now_us: int | None = None, **filters: Any) -> dict[str, Any]:
        """Return a page of runs: ``{"runs": [...], "next": cursor or None}``.

        Parameters:
            filters: `workflow`, `state`, `label` (key:value), `worker`, `since`, `until`, `limit`, `cursor`.

        Raises:
            BadRequest: a filter is not of the accepted form.
        """
        asked = runs.parse(**filters)
        return runs.page(self._store, asked, self._now(now_us))

    def run(
        self, run_id: str, *, limit: int | str | None = None, form: str | None = None, now_us: int | None = None
    ) -> dict[str, Any] | None:
        """Return one run with its tree, None when nothing is known of it.

        Parameters:
            limit: executions that are shown one by one.
            form: "objects" for at most 500 of them, "columns" for at most 10,000.
        """
        return run.one(self._store, self._kept, run_id, run.parse(limit, form), self._now(now_us))

    def run_logs(self, run_id: str, *, now_us: int | None = None, **filters: Any) -> dict[str, Any]:
        """Return a page of a run's log records: ``{"logs": [...], "next": ...}``.

        Parameters:
            filters: `level`, `limit`, `cursor`.
        """
        return logs.page(self._store, id_of(run_id), "run", self._now(now_us), **filters)

    def execution_logs(self, task_id: str, *, now_us: int | None = None, **filters: Any) -> dict[str, Any]:
        """Return a page of an execution's log records, as `run_logs` does."""
        return logs.page(self._store, pack_id(task_id), "id", self._now(now_us), **filters)

    def workflows(self, window: str = "24h", now_us: int | None = None, **between: Unpack[Between]) -> dict[str, Any]:
        """Return the statistics of every workflow over a window."""
        asked = _asked(window, self._now(now_us), **between)
        return _framed(asked, "workflows", stats.workflows(self._rollups, asked))

    def workflow(
        self, name: str, window: str = "24h", now_us: int | None = None, **between: Unpack[Between]
    ) -> dict[str, Any] | None:
        """Return a workflow's statistics with its steps and its newest runs, None when nothing is known of it."""
        now = self._now(now_us)
        asked = _asked(window, now, **between)
        found = stats.workflow(self._rollups, name, asked)
        limits = asked.limits if between else {}
        newest = runs.page(self._store, runs.parse(workflow=name, **limits), now)["runs"]
        if found is None and not newest and not self._ever_ran(name, now):
            return None
        return {"window": frame(asked), **(found or {"workflow": name, "steps": []}), "runs": newest}

    def _ever_ran(self, workflow: str, now_us: int) -> bool:
        return bool(runs.page(self._store, runs.parse(workflow=workflow, limit=1), now_us)["runs"])

    def workflow_steps(
        self, name: str, window: str = "24h", now_us: int | None = None, **between: Unpack[Between]
    ) -> dict[str, Any] | None:
        """Return the statistics of a workflow's steps, None when nothing of it ended in the window."""
        asked = _asked(window, self._now(now_us), **between)
        found = stats.workflow(self._rollups, name, asked)
        return _framed(asked, "steps", found["steps"]) | {"workflow": name} if found else None

    def waits(
        self, *, window: str = "24h", since: str | None = None, until: str | None = None, now_us: int | None = None,
        **filters: Any,
    ) -> dict[str, Any]:  # fmt: skip
        """Return a page of waits with the statistics of each name; filters `state`, `name`, `limit`, `cursor`.

        Raises:
            BadRequest: a filter is not of the accepted form.
        """
        now = self._now(now_us)
        asked, wanted = _asked(window, now, since, until), waits.parse(**filters)
        found = waits.page(self._store, wanted, now)
        return _framed(asked, "statistics", stats.waits(self._rollups, asked)) | found

    def queues(self, window: str = "1h", now_us: int | None = None, **between: Unpack[Between]) -> dict[str, Any]:
        """Return a row per queue, with what the broker is."""
        asked = _asked(window, self._now(now_us), **between)
        return {"window": frame(asked), **queues.page(self._store, self._rollups, asked)}

    def queue(
        self, name: str, window: str = "1h", now_us: int | None = None, **between: Unpack[Between]
    ) -> dict[str, Any] | None:
        """Return one queue with its history, None when nothing is known of it."""
        asked = _asked(window, self._now(now_us), **between)
        found = queues.one(self._store, self._rollups, name, asked)
        return {"window": frame(asked) | {"step_seconds": asked.step_s}, **found} if found else None

    def waiting(self, name: str, limit: int | str | None = None, now_us: int | None = None) -> dict[str, Any] | None:
        """Return why what waits in a queue waits, None when nothing is known of the queue."""
        asked = window.parse("15m", self._now(now_us))
        seen = queues.read(self._store, self._rollups, asked)
        known = name in seen.names or name in seen.ever
        return waiting.page(self._store, seen, name, limit) if known else None

    def schedule(self, window: str = "24h", now_us: int | None = None, **between: Unpack[Between]) -> dict[str, Any]:
        """Return the beats, their entries, and what each should have sent and has."""
        asked = _asked(window, self._now(now_us), **between)
        return {"window": frame(asked), **schedule.page(self._store, asked)}

    def spans(self, window: str = "24h", now_us: int | None = None, **between: Unpack[Between]) -> dict[str, Any]:
        """Return the statistics of every name and kind of span."""
        asked = _asked(window, self._now(now_us), **between)
        return _framed(asked, "spans", stats.spans(self._rollups, asked))

    def measures(self, window: str = "24h", now_us: int | None = None, **between: Unpack[Between]) -> dict[str, Any]:
        """Return the statistics of every measure."""
        asked = _asked(window, self._now(now_us), **between)
        return _framed(asked, "measures", stats.measures(self._rollups, asked))

    def label(
        self, key: str, value: str, *, window: str = "24h", limit: int | str | None = None,
        now_us: int | None = None, **between: Unpack[Between],
    ) -> dict[str, Any] | None:  # fmt: skip
        """Return what is known of a label: when it was seen, its runs and outcomes; None when nothing is.

        Raises:
            BadRequest: values of this key are neither indexed nor counted.
        """
        now = self._now(now_us)
        asked = _asked(window, now, **between)
        found = labels.one(self._store, key, value, limit, now)
        if found is None:
            return None
        return {"window": frame(asked), **found, "statistics": stats.label(self._rollups, key, value, asked)}

    def task_names(self, window: str = "24h", now_us: int | None = None, **between: Unpack[Between]) -> dict[str, Any]:
        """Return a row for each task name over a window, as the summary's, with turnaround and memory."""
        asked = _asked(window, self._now(now_us), **between)
        return _framed(asked, "tasks", tasks.table(self._rollups, asked))

    def task(
        self, name: str, window: str = "24h", now_us: int | None = None, **between: Unpack[Between]
    ) -> dict[str, Any] | None:
        """Return everything about a task name over a window, None when it was never seen."""
        asked = _asked(window, self._now(now_us), **between)
        found = tasks.one(self._store, self._rollups, name, asked)
        return {"window": frame(asked) | {"step_seconds": asked.step_s}, **found} if found else None

    def failures(
        self,
        window: str = "24h",
        *,
        task: str | None = None,
        limit: int | str | None = None,
        now_us: int | None = None,
        **between: Unpack[Between],
    ) -> dict[str, Any]:
        """Return the failures of a window by kind, the most frequent first."""
        asked = _asked(window, self._now(now_us), **between)
        return {"window": frame(asked), **failures.page(self._rollups, asked, task, limit, self._takes())}

    def failure(
        self, fingerprint: str, window: str = "24h", now_us: int | None = None, **between: Unpack[Between]
    ) -> dict[str, Any] | None:
        """Return one kind of failure with a traceback and its executions, None when nothing is known of it.

        Raises:
            BadRequest: no fingerprint.
        """
        asked = _asked(window, self._now(now_us), **between)
        found = failures.one(self._store, self._rollups, fingerprint, asked, self._takes())
        return {"window": frame(asked), **found} if found else None

    def quantiles(
        self, series: str, measure: str = "runtime", q: str = "0.5,0.95,0.99", window: str = "24h",
        now_us: int | None = None, **between: Unpack[Between],
    ) -> dict[str, Any]:  # fmt: skip
        """Return quantiles of a series (`query.quantiles.series`) over a window.

        Raises:
            BadRequest: something is not of the accepted form.
        """
        asked = _asked(window, self._now(now_us), **between)
        return {"window": frame(asked), **quantiles.answer(self._rollups, series, measure, q, asked)}

    def logs(self, *, now_us: int | None = None, **filters: Any) -> dict[str, Any]:
        """Return a page of log records, the newest first: ``{"logs": [...], "next": ...}``.

        Parameters:
            filters: `level`, `task`, `text`, `run`, `since`, `until`, `limit`, `cursor`.

        Raises:
            BadRequest: a filter is not of the accepted form.
        """
        asked = log_search.parse(**filters)
        return log_search.page(self._store, asked, self._now(now_us))

    def workers(self, window: str = "1h", now_us: int | None = None, **between: Unpack[Between]) -> dict[str, Any]:
        """Return a row per worker: those that live, and those that are gone and not yet forgotten."""
        asked = of_workers(_asked(window, self._now(now_us), **between))
        agents, book, firing = self._workers()
        return _framed(asked, "workers", workers.rows(self._rollups, asked, agents, book, firing))

    def worker(
        self, name: str, window: str = "1h", now_us: int | None = None, **between: Unpack[Between]
    ) -> dict[str, Any] | None:
        """Return one worker with its processes, lives and history, None when nothing is known of it."""
        asked = of_workers(_asked(window, self._now(now_us), **between))
        agents, book, firing = self._workers()
        found = workers.one(self._rollups, asked, name, agents, book, firing)
        return {"window": frame(asked), **found} if found else None

    def _takes(self) -> Takes:
        return failures.taken(live.agents(self._store))

    def _workers(self) -> tuple[list[AgentState], dict[str, worker_book.Book], ledger.Firing]:
        """Return the live agents, the book of workers, and which alerts fire."""
        agents = live.agents(self._store)
        firing = ledger.firing(ledger.read(self._store))
        return agents, worker_book.with_lives(worker_book.read(self._store), agents), firing

    def hosts(self, now_us: int | None = None) -> dict[str, Any]:
        """Return a row per host, each counted once, and what the app's processes take on all of them by role."""
        found = hosts.rows(live.agents(self._store), self._now(now_us))
        return {"hosts": found, "processes": hosts.totals(found)}

    def host(
        self, name: str, window: str = "1h", now_us: int | None = None, **between: Unpack[Between]
    ) -> dict[str, Any] | None:
        """Return one host with its history, None when nothing is known of it."""
        asked = _asked(window, self._now(now_us), **between)
        found = hosts.one(self._rollups, asked, name, live.agents(self._store))
        return {"window": frame(asked), **found} if found else None

    def resources(
        self, by: str = "cpu", window: str = "24h", now_us: int | None = None, **between: Unpack[Between]
    ) -> dict[str, Any]:
        """Return the tasks, those first that cost most of `by`: cpu, memory, growth, io, network or time.

        Raises:
            BadRequest: `by` is none of these.
        """
        asked = _asked(window, self._now(now_us), **between)
        return _framed(asked, "tasks", resources.rows(self._rollups, asked, by)) | {"by": by}

    def lifetime(self, now_us: int | None = None) -> dict[Series, Cell]:
        """Return the totals of each ("task", name, queue) since ever, what is not folded yet included."""
        return self.totals(now_us).loaded()

    def totals(self, now_us: int | None = None) -> Lifetime:
        """Return the totals since ever of tasks and of labels, what is not folded yet included."""
        return self._rollups.read([], self._now(now_us), lifetime=True).lifetime()

    def tasks(self, seconds: float, now_us: int | None = None) -> dict[str, Cell]:
        """Return the sums of the last so many seconds, by task name."""
        now = self._now(now_us)
        start = (now // 1_000_000 - int(seconds)) // 10 * 10
        want = Want(TASKS, start, now // 1_000_000 + 10)
        return tables.grouped(self._rollups.read([want], now).total(want), 1)

    def latest(self) -> list[AgentState]:
        """Return the last state of every agent, those lost or stopped lately included."""
        return live.agents(self._store)

    def queues_now(self, now_us: int | None = None) -> dict[str, dict[str, float]]:
        """Return the last sample of each queue: `backlog`, `oldest_s`, `unacked`, `consumers`, as far as known."""
        now = self._now(now_us)
        within_s = broker.fresh_s(broker.load(self._store))
        want = Want(GAUGES, (now // 1_000_000 - max(QUEUES_S, int(within_s))) // 10 * 10, now // 1_000_000 + 10)
        levels = tables.latest_levels(self._rollups.read([want], now), want, "queue")
        found = {name: tables.fresh(gauges, now, within_s) for name, gauges in levels.items()}
        return {name: gauges for name, gauges in found.items() if gauges}

    def queue_names(self, now_us: int | None = None) -> list[str]:
        """Return every queue that tasks were ever published to or taken from."""
        return sorted({series[2] for series in self.lifetime(now_us) if series[2] and series[2] != OTHER})

    def alerts(self) -> list[dict[str, Any]]:
        """Return the `alerts` rows of the summary."""
        return ledger.read(self._store)

    def _now(self, now_us: int | None) -> int:
        return lease.now_us(self._store) if now_us is None else now_us


_asked = window.asked


def frame(asked: window.Window) -> dict[str, Any]:
    """Return a window as answers name it."""
    return {
        "seconds": asked.seconds,
        "start": iso(asked.start_s * 1_000_000),
        "end": iso(asked.at_us),
        "clamped": asked.clamped,
    }


def _framed(asked: window.Window, name: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {"window": frame(asked), name: rows}
