"""The Prometheus exposition: celery-exporter's families, from totals that never reset, and our own."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from typing import Any, Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from celery_monitor import __version__
from celery_monitor.alerts.rules import SEVERITIES
from celery_monitor.alerts.state import FIRING
from celery_monitor.analytics.figures import counts
from celery_monitor.live_state import AgentState
from celery_monitor.model import Cell, Series
from celery_monitor.query import live
from celery_monitor.signals.record import RUNTIME_LE, WAIT_LE, Reason, State

HOSTNAME: Final = "generic"
"""The one `hostname` of task families (celery-exporter's word): names times workers are too many."""

STOPPED_S: Final = 600.0
"""A worker that stopped in order is shown as down for so long, as by celery-exporter, then not at all."""

_TASK_LABELS: Final = ("name", "hostname", "queue_name")
_UNNAMED: Final = "UnknownException"  # celery-exporter's word for a failure without a type


def render(reader: Any, accept: str = "", *, now_us: int | None = None) -> tuple[bytes, str]:
    """Return the exposition and its content type.

    Parameters:
        reader: a `query.reader.Reader`; only its verbs are used.
        accept: the request's Accept header; OpenMetrics is given to who asks for it.
        now_us: clock to judge heartbeats by; None for this machine's.

    Raises:
        StoreError: as the reader does.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Snapshot(list(families(reader, time.time_ns() // 1000 if now_us is None else now_us))))
    encoder, content_type = choose_encoder(accept)
    return encoder(registry), content_type


def families(reader: Any, now_us: int) -> Iterator[Metric]:
    """Yield every family; see `render`."""
    totals = reader.totals()
    tasks = {series: cell for series, cell in totals.loaded().items() if series[0] == "task"}
    agents: list[AgentState]
    agents, health = reader.latest_and_health()
    yield from _task_counters(tasks)
    yield from _task_histograms(tasks)
    yield from _labels(totals.labelled())
    yield from _workers(agents, now_us)
    yield from _queues(reader.queues_now(), live.serving(agents, now_us))
    yield from _hosts(agents, now_us)
    yield from _alerts(reader.alerts())
    yield from _servers(health["redis"])
    yield from _ourselves(health)


class _Snapshot(Collector):
    """Families computed before anything is encoded, so that a failing store gives no half answer."""

    def __init__(self, found: list[Metric]) -> None:
        self._found = found

    def collect(self) -> Iterable[Metric]:
        return self._found


def _task_counters(tasks: Mapping[Series, Cell]) -> Iterator[Metric]:
    texts = {
        "sent": "Messages published.",
        "received": "Messages that reached a worker and ended there.",
        "started": "Attempts that entered the task's body and ended.",
        "succeeded": "Attempts that succeeded.",
        "rejected": "Attempts that were rejected.",
        "revoked": "Tasks that were revoked.",
        "retried": "Attempts that will be retried.",
    }
    rows = {series: _totals(cell) for series, cell in tasks.items()}
    for what, text in texts.items():
        family = CounterMetricFamily(f"celery_task_{what}", text, labels=_TASK_LABELS)
        for (_, name, queue), totals in rows.items():
            family.add_metric((name, HOSTNAME, queue), totals[what])
        yield family
    yield _failed(tasks)
    pair = ("name", "queue_name")
    lost = GaugeMetricFamily("celery_monitor_task_lost", "Tasks lost and not come back.", labels=pair)
    cpu = CounterMetricFamily("celery_monitor_task_cpu_seconds", "CPU time used by attempts.", labels=pair)
    for (_, name, queue), cell in tasks.items():
        lost.add_metric((name, queue), rows["task", name, queue]["lost"])
        cpu.add_metric((name, queue), cell.cpu.total / 1e6)
    yield lost
    yield cpu


def _totals(cell: Cell) -> dict[str, int]:
    """Return the counters' values; each only grows, what is running is counted when it ends."""
    row = counts(cell)
    by_state, by_reason = cell.counts, cell.reasons
    received = row["ended"] - by_state.get(State.NEVER_PUBLISHED, 0)
    bodiless = sum(by_state.get(s, 0) for s in (State.EXPIRED, State.UNREGISTERED, State.BAD_MESSAGE))
    return {
        "sent": row["published"],
        "received": received,
        "started": max(0, received - bodiless - by_reason.get(Reason.REVOKED, 0)),
        "rejected": by_state.get(State.REJECTED, 0),
        **{what: row[what] for what in ("succeeded", "failed", "revoked", "retried", "lost")},
    }


def _failed(tasks: Mapping[Series, Cell]) -> Metric:
    """Return failures by exception; the series without one stands at 0, so that panels have a beginning."""
    family = CounterMetricFamily(
        "celery_task_failed", "Attempts that failed.", labels=("name", "hostname", "exception", "queue_name")
    )
    for (_, name, queue), cell in tasks.items():
        unnamed = counts(cell)["failed"] - sum(cell.errors.values())
        by_type = {"": 0, **cell.errors}
        if unnamed > 0:
            by_type[_UNNAMED] = by_type.get(_UNNAMED, 0) + unnamed
        for exception, n in by_type.items():
            family.add_metric((name, HOSTNAME, exception, queue), n)
    return family


def _task_histograms(tasks: Mapping[Series, Cell]) -> Iterator[Metric]:
    runtime = HistogramMetricFamily("celery_task_runtime", "Seconds in the task's body.", labels=_TASK_LABELS)
    wait = HistogramMetricFamily(
        "celery_task_queue_wait_time", "Seconds from publish (or due time) to start.", labels=_TASK_LABELS
    )
    for (_, name, queue), cell in tasks.items():
        labels = (name, HOSTNAME, queue)
        runtime.add_metric(labels, _buckets(RUNTIME_LE, cell.runtime_le), cell.runtime.total / 1e6)
        wait.add_metric(labels, _buckets(WAIT_LE, cell.wait_le), cell.wait.total / 1e6)
    yield runtime
    yield wait


def _labels(found: Mapping[Series, Cell]) -> Iterator[Metric]:
    """Yield what ended with a label, of the keys that are listed for it; publishes are not known by label."""
    texts = {
        "received": "Messages with the label that reached a worker and ended there.",
        "succeeded": "Attempts with the label that succeeded.",
        "failed": "Attempts with the label that failed.",
        "rejected": "Attempts with the label that were rejected.",
        "revoked": "Tasks with the label that were revoked.",
        "retried": "Attempts with the label that will be retried.",
    }
    pair = ("label", "value")
    rows = {series: _totals(cell) for series, cell in found.items()}
    for what, text in texts.items():
        family = CounterMetricFamily(f"celery_monitor_label_task_{what}", text, labels=pair)
        for (_, key, value), totals in rows.items():
            family.add_metric((key, value), totals[what])
        yield family
    cpu = CounterMetricFamily(
        "celery_monitor_label_task_cpu_seconds", "CPU time used by attempts with the label.", labels=pair
    )
    runtime = HistogramMetricFamily(
        "celery_monitor_label_task_runtime", "Seconds in the bodies of tasks with the label.", labels=pair
    )
    for (_, key, value), cell in found.items():
        cpu.add_metric((key, value), cell.cpu.total / 1e6)
        runtime.add_metric((key, value), _buckets(RUNTIME_LE, cell.runtime_le), cell.runtime.total / 1e6)
    yield from (cpu, runtime)


def _buckets(bounds: tuple[float, ...], counted: Mapping[int, int]) -> list[tuple[str, float]]:
    sums = accumulate(counted.get(i, 0) for i in range(len(bounds) + 1))
    return list(zip([*map(str, bounds), "+Inf"], sums, strict=True))


def _workers(agents: Iterable[AgentState], now_us: int) -> Iterator[Metric]:
    """Yield the gauges per worker; `hostname` is the whole node name, several workers may share a host."""
    up = GaugeMetricFamily("celery_worker_up", "1 while the worker's heartbeats come.", labels=("hostname",))
    active = GaugeMetricFamily("celery_worker_tasks_active", "Tasks the worker runs now.", labels=("hostname",))
    slots = GaugeMetricFamily("celery_monitor_worker_slots", "Tasks it can run at once.", labels=("hostname",))
    cpu = GaugeMetricFamily("celery_monitor_worker_cpu_cores", "CPU cores in use.", labels=("hostname",))
    rss = GaugeMetricFamily("celery_monitor_worker_rss_bytes", "Resident memory.", labels=("hostname",))
    for agent in _shown_workers(agents, now_us):
        labels, alive = (agent.get("hostname", ""),), _is_up(agent, now_us)
        up.add_metric(labels, int(alive))
        active.add_metric(labels, len(agent.get("running", ())) if alive else 0)
        if alive:
            slots.add_metric(labels, agent.get("slots", 0))
            cpu.add_metric(labels, agent.get("cpu_percent", 0.0) / 100)
            rss.add_metric(labels, agent.get("rss_bytes", 0))
    yield from (up, active, slots, cpu, rss)


def _shown_workers(agents: Iterable[AgentState], now_us: int) -> list[AgentState]:
    """Return the newest state per node name, without those that stopped long ago."""
    found = live.workers(agents)
    return [a for a in found if not a.get("goodbye") or now_us - a["at_us"] < STOPPED_S * 1e6]


def _is_up(agent: AgentState, now_us: int) -> bool:
    return live.state(agent, now_us) == "ok"


def _queues(queues: Mapping[str, Mapping[str, Any]], workers: list[AgentState]) -> Iterator[Metric]:
    names = sorted({*queues, *(queue for worker in workers for queue in worker.get("queues", ()))})
    serving = {name: [w for w in workers if name in w.get("queues", ())] for name in names}
    yield _queue_gauge("celery_queue_length", "Messages no worker has taken.", names, _of(queues, "backlog"))
    yield _queue_gauge(
        "celery_active_consumer_count",
        "Consumers of the queue.",
        names,
        {n: len(serving[n]) for n in names} | _of(queues, "consumers"),
    )
    yield _queue_gauge(
        "celery_active_worker_count",
        "Live workers that consume the queue.",
        names,
        {name: len(found) for name, found in serving.items()},
    )
    yield _queue_gauge(
        "celery_active_process_count",
        "Slots of the live workers that consume the queue.",
        names,
        {name: sum(w.get("slots", 0) for w in found) for name, found in serving.items()},
    )
    yield _queue_gauge(
        "celery_monitor_queue_oldest_age_seconds",
        "Age of the message served next; 0 when none waits.",
        names,
        _of(queues, "oldest_s"),
    )
    yield _queue_gauge(
        "celery_monitor_queue_unacked", "Messages taken and not acknowledged.", names, _of(queues, "unacked")
    )


def _queue_gauge(name: str, text: str, queues: list[str], values: Mapping[str, float]) -> Metric:
    """Return a gauge of the queues whose value is known; unknown is absent, never 0."""
    family = GaugeMetricFamily(name, text, labels=("queue_name",))
    for queue in queues:
        if queue in values:
            family.add_metric((queue,), values[queue])
    return family


def _of(queues: Mapping[str, Mapping[str, Any]], gauge: str) -> dict[str, float]:
    return {name: row[gauge] for name, row in queues.items() if row.get(gauge) is not None}


def _hosts(agents: Iterable[AgentState], now_us: int) -> Iterator[Metric]:
    cpu = GaugeMetricFamily("celery_monitor_host_cpu_ratio", "Share of the CPU in use.", labels=("host",))
    memory = GaugeMetricFamily("celery_monitor_host_memory_ratio", "Share of memory in use.", labels=("host",))
    disk = GaugeMetricFamily("celery_monitor_host_disk_ratio", "Share of the disk in use.", labels=("host",))
    load = GaugeMetricFamily("celery_monitor_host_load1", "Load average of a minute.", labels=("host",))
    newest = {a.get("host", ""): a for a in sorted(agents, key=lambda a: a.get("at_us", 0)) if "machine" in a}
    for host, agent in newest.items():
        if not _is_up(agent, now_us):
            continue
        machine = agent["machine"]
        cpu.add_metric((host,), machine["cpu_percent"] / 100)
        load.add_metric((host,), machine["load1"])
        if machine["memory_total_bytes"]:
            memory.add_metric((host,), machine["memory_used_bytes"] / machine["memory_total_bytes"])
        if machine["disk_total_bytes"]:
            disk.add_metric((host,), machine["disk_used_bytes"] / machine["disk_total_bytes"])
    yield from (cpu, memory, disk, load)


def _alerts(rows: Iterable[Mapping[str, Any]]) -> Iterator[Metric]:
    one = GaugeMetricFamily("celery_monitor_alert_firing", "1 while it fires.", labels=("rule", "subject", "severity"))
    total = GaugeMetricFamily("celery_monitor_alerts_firing", "Alerts that fire.", labels=("severity",))
    firing = [row for row in rows if row["state"] == FIRING]
    for row in firing:
        one.add_metric((row["rule"], row["subject"], row["severity"]), 1)
    for severity in SEVERITIES:
        total.add_metric((severity,), sum(row["severity"] == severity for row in firing))
    yield from (one, total)


_SERVER_GAUGES: Final = {
    "used_bytes": ("used_bytes", "Memory in use."),
    "max_bytes": ("max_bytes", "Its maxmemory, 0 for none."),
    "clients": ("clients", "Connections."),
    "blocked_clients": ("blocked_clients", "Connections that wait in a blocking command."),
    "latency_seconds": ("latency_seconds", "Round trip of a PING at the last sample."),
    "hit_ratio": ("hit_ratio", "Share of reads that found their key, since its start."),
}
_SERVER_COUNTERS: Final = {
    "evicted_keys": "Keys it evicted for want of memory.",
    "rejected_connections": "Connections beyond its maxclients.",
}


def _servers(rows: Mapping[str, Any]) -> Iterator[Metric]:
    """Yield how the Redis servers of broker and store are; what is no Redis, or unknown, is absent."""
    servers = {name: rows[name] for name in ("broker", "store") if rows.get(name)}
    kinds: list[tuple[Any, str, str, str]] = [(GaugeMetricFamily, key, *told) for key, told in _SERVER_GAUGES.items()]
    kinds += [(CounterMetricFamily, key, key, text) for key, text in _SERVER_COUNTERS.items()]
    for family, key, name, text in kinds:
        made = family(f"celery_monitor_redis_{name}", text, labels=("server",))
        for server, row in servers.items():
            if row[key] is not None:
                made.add_metric((server,), row[key])
        yield made
    text = "Errors it tells of (persistence, link)."
    errors = GaugeMetricFamily("celery_monitor_redis_errors", text, labels=("server",))
    for server, row in servers.items():
        errors.add_metric((server,), len(row["errors"]))
    yield errors


def _ourselves(health: Mapping[str, Any]) -> Iterator[Metric]:
    """Yield what is known of the monitor itself."""
    build = GaugeMetricFamily("celery_monitor_build_info", "Version; always 1.", labels=("version",))
    build.add_metric((__version__,), 1)
    yield build
    yield GaugeMetricFamily("celery_monitor_agents", "Processes that report.", value=health["agents"])
    lag = GaugeMetricFamily("celery_monitor_fold_lag_seconds", "Seconds since the last fold.")
    if health.get("fold_lag_seconds") is not None:
        lag.add_metric((), health["fold_lag_seconds"])
    yield lag
    dropped = GaugeMetricFamily(
        "celery_monitor_dropped_records",
        "Records lost by living processes since they started.",
        labels=("reason",),
    )
    for reason, n in sorted(health["dropped"].items()):
        dropped.add_metric((reason,), n)
    yield dropped
    yield CounterMetricFamily(
        "celery_monitor_skipped_entries",
        "Inbox entries that could not be read.",
        value=health["skipped_entries"],
    )
    if health.get("stored_bytes") is not None:
        yield GaugeMetricFamily("celery_monitor_stored_bytes", "Memory in the store.", value=health["stored_bytes"])
