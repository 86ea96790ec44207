"""The exposition: celery-exporter's contract, real totals, and what a real Prometheus makes of it."""

from __future__ import annotations

import itertools
import json
import socket
import subprocess
import threading
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from celery_monitor import prometheus
from celery_monitor.agent.labelled import Labelled
from celery_monitor.cli import serve
from celery_monitor.errors import StoreUnreachable
from celery_monitor.model import Attempt, Batch
from celery_monitor.query.reader import Reader
from celery_monitor.signals.record import State
from celery_monitor.store import broker, fold, inbox, lease
from celery_monitor.store.connection import Store
from celery_monitor.store.rollups import lifetime
from tests import fleet
from tests.waiting import until

TASK = ("hostname", "name", "queue_name")
CONTRACT = {
    **{f"celery_task_{what}": ("counter", TASK) for what in (
        "sent", "received", "started", "succeeded", "rejected", "revoked", "retried",
    )},
    "celery_task_failed": ("counter", ("exception", *TASK)),
    "celery_task_runtime": ("histogram", TASK),
    "celery_task_queue_wait_time": ("histogram", TASK),
    "celery_worker_up": ("gauge", ("hostname",)),
    "celery_worker_tasks_active": ("gauge", ("hostname",)),
    "celery_queue_length": ("gauge", ("queue_name",)),
    "celery_active_consumer_count": ("gauge", ("queue_name",)),
    "celery_active_worker_count": ("gauge", ("queue_name",)),
    "celery_active_process_count": ("gauge", ("queue_name",)),
}  # fmt: skip
"""Type and labels of every family of danihodovic/celery-exporter."""


@pytest.fixture
def reader(store: Store) -> Reader:
    return Reader(store)


def scraped(reader: Reader) -> dict[str, Any]:
    body, _ = prometheus.render(reader)
    return {family.name: family for family in text_string_to_metric_families(body.decode())}


def values(family: Any, sample_name: str = "", /, **labels: str) -> list[float]:
    return [
        sample.value
        for sample in family.samples
        if sample_name in ("", sample.name) and labels.items() <= sample.labels.items()
    ]


@pytest.mark.parametrize("family", CONTRACT)
def test_names_types_and_labels_are_celery_exporters(reader: Reader, family: str) -> None:
    kind, labels = CONTRACT[family]
    found = scraped(reader)[family]

    assert found.type == kind
    assert {tuple(sorted(set(sample.labels) - {"le"})) for sample in found.samples} == {labels}


def test_counters_are_the_totals_since_ever(reader: Reader) -> None:
    found = scraped(reader)
    charge = {"name": "shop.charge", "queue_name": "payments", "hostname": "generic"}

    assert values(found["celery_task_sent"], **charge) == [100]
    assert values(found["celery_task_received"], **charge) == [100]
    assert values(found["celery_task_succeeded"], **charge) == [90]
    assert values(found["celery_task_retried"], **charge) == [8]
    assert values(found["celery_task_failed"], exception="PaymentDeclined", **charge) == [2]


def test_what_has_not_failed_stands_at_zero(reader: Reader) -> None:
    assert values(scraped(reader)["celery_task_failed"], name="shop.mail") == [0]


def test_totals_never_fall_between_two_scrapes(reader: Reader, store: Store) -> None:
    before = scraped(reader)
    inbox.send(store, fleet.batch(lease.now_us(store), n=2), None)
    after = scraped(reader)

    for name, (kind, _) in CONTRACT.items():
        if kind == "counter":
            assert sum(values(after[name])) >= sum(values(before[name]))
    assert sum(values(after["celery_task_succeeded"])) == 2 * sum(values(before["celery_task_succeeded"]))


def hand_in_labelled(store: Store, n: int, values: dict[str, int]) -> None:
    """Hand in ends with these values of the label tenant, the first one of each a failure."""
    now_us = lease.now_us(store)
    made, counted = Batch(bytes.fromhex(fleet.BOOT), n, "a", now_us), Labelled()
    for value, times in values.items():
        for at in range(times):
            fleet.add(made, "shop.charge", "payments", State.SUCCESS if at else State.FAILURE, now_us)
            row = Attempt._make(made.attempts[-1])
            counted.note(row.uid, counted.series(f"tenant={value}"))
            counted.count(made.metrics, row)
    inbox.send(store, made, None)


def test_what_ended_is_told_by_listed_label_and_counted_in_no_total(reader: Reader, store: Store) -> None:
    before = values(scraped(reader)["celery_task_succeeded"], name="shop.charge")
    hand_in_labelled(store, 2, {"acme": 3, "zoo": 1})
    waiting = scraped(reader)
    fold.fold(store, lease.now_us(store))
    found = scraped(reader)
    acme = {"label": "tenant", "value": "acme"}

    assert values(waiting["celery_monitor_label_task_received"], **acme) == [3], "what waits to be folded is told"
    assert values(found["celery_monitor_label_task_received"], **acme) == [3]
    assert values(found["celery_monitor_label_task_succeeded"], **acme) == [2]
    assert values(found["celery_monitor_label_task_failed"], label="tenant") == [1, 1]
    runtime = found["celery_monitor_label_task_runtime"]
    assert values(runtime, "celery_monitor_label_task_runtime_bucket", le="0.1", **acme) == [3]
    assert values(runtime, "celery_monitor_label_task_runtime_sum", **acme) == [pytest.approx(0.24)]
    assert values(found["celery_monitor_label_task_cpu_seconds"], **acme) == [pytest.approx(0.03)]
    assert values(found["celery_task_succeeded"], name="shop.charge") == [before[0] + 2]
    assert set(reader.queue_names()) == {"default", "payments"}


def test_beyond_fifty_values_of_a_label_the_rest_are_one_whoever_counted_them(reader: Reader, store: Store) -> None:
    hand_in_labelled(store, 2, {f"t{n}": 1 for n in range(40)})
    hand_in_labelled(store, 3, {f"t{n}": 1 for n in range(30, 70)})
    fold.fold(store, lease.now_us(store))
    hand_in_labelled(store, 4, {"t0": 2, "t69": 2})

    received = scraped(reader)["celery_monitor_label_task_received"]

    assert len(values(received, label="tenant")) == lifetime.MOST_VALUES + 1
    assert values(received, value="t0") == [3], "who has a counter keeps it"
    assert values(received, value=lifetime.OTHER) == [20 + 2]
    assert sum(values(received)) == 84


def test_histogram_buckets_add_up(reader: Reader) -> None:
    runtime = scraped(reader)["celery_task_runtime"]
    charge = {"name": "shop.charge"}

    assert values(runtime, "celery_task_runtime_bucket", le="0.075", **charge) == [0]
    assert values(runtime, "celery_task_runtime_bucket", le="0.1", **charge) == [100]
    assert values(runtime, "celery_task_runtime_bucket", le="+Inf", **charge) == [100]
    assert values(runtime, "celery_task_runtime_count", **charge) == [100]
    assert values(runtime, "celery_task_runtime_sum", **charge) == [pytest.approx(8.0)]


def test_queues_and_workers_are_as_they_are_now(reader: Reader) -> None:
    found = scraped(reader)

    assert values(found["celery_queue_length"], queue_name="payments") == [212]
    assert values(found["celery_queue_length"], queue_name="default") == []
    assert values(found["celery_active_process_count"], queue_name="payments") == [4]
    assert values(found["celery_worker_up"], hostname="celery@a") == [1]
    assert values(found["celery_worker_tasks_active"], hostname="celery@a") == [1]


def test_a_worker_that_fell_silent_is_down(reader: Reader, store: Store) -> None:
    now_us = lease.now_us(store)
    inbox.send(store, None, fleet.worker(now_us - 600_000_000))

    found = scraped(reader)

    assert values(found["celery_worker_up"]) == [0]
    assert values(found["celery_active_worker_count"]) == [0]


def test_a_worker_that_stopped_in_order_is_forgotten_after_a_while(reader: Reader, store: Store) -> None:
    now_us = lease.now_us(store)
    inbox.send(store, None, fleet.worker(now_us, goodbye=True))
    assert values(scraped(reader)["celery_worker_up"]) == [0]

    inbox.send(store, None, fleet.worker(now_us - round((prometheus.STOPPED_S + 60) * 1e6), goodbye=True))
    assert values(scraped(reader)["celery_worker_up"]) == []


def test_our_own_families_tell_of_alerts_hosts_and_ourselves(reader: Reader) -> None:
    found = scraped(reader)

    assert values(found["celery_monitor_alert_firing"], rule="backlog", subject="payments") == [1]
    assert values(found["celery_monitor_alerts_firing"], severity="warning") == [1]
    assert values(found["celery_monitor_queue_oldest_age_seconds"], queue_name="payments") == [41]
    assert values(found["celery_monitor_host_cpu_ratio"], host="a") == [0.7]
    assert values(found["celery_monitor_agents"]) == [1]
    assert values(found["celery_monitor_fold_lag_seconds"])[0] < 60


def test_who_asks_for_openmetrics_gets_it(reader: Reader) -> None:
    body, kind = prometheus.render(reader, "application/openmetrics-text; version=1.0.0")

    assert kind.startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")


def test_a_scrape_reads_the_live_table_once(reader: Reader, store: Store) -> None:
    with store.client.monitor() as seen:
        prometheus.render(reader)
        store.client.ping()
        asked = list(itertools.takewhile(lambda told: told != "PING", (each["command"] for each in seen.listen())))

    assert asked.count(f"HVALS {store.keys.live}") == 1


def test_a_store_that_is_gone_is_an_error_and_no_half_answer() -> None:
    away = Reader(Store.open("redis://127.0.0.1:1/0", "shop"))

    with pytest.raises(StoreUnreachable):
        prometheus.render(away)


@pytest.mark.prometheus
def test_promtool_finds_nothing_but_names_that_are_celery_exporters(
    reader: Reader, store: Store, require: Callable[[str], str]
) -> None:
    hand_in_labelled(store, 2, {"acme": 2})
    body, _ = prometheus.render(reader)

    checked = subprocess.run(
        [require("promtool"), "check", "metrics"], input=body, capture_output=True, check=False, timeout=30
    )

    said = (checked.stdout + checked.stderr).decode().splitlines()
    assert [line.split()[0] for line in said] == [
        "celery_active_consumer_count", "celery_active_process_count", "celery_active_worker_count",
    ]  # fmt: skip
    assert all('"_count" suffix' in line for line in said)


@pytest.fixture
def prometheus_url(reader: Reader, store: Store, require: Callable[[str], str], tmp_path: Path) -> Iterator[str]:
    """A real Prometheus that has seen the counters grow."""
    program = require("prometheus")
    with serve.listen(reader, "127.0.0.1", 0) as server, socket.create_server(("127.0.0.1", 0)) as free:
        target, port = server.server_address[1], free.getsockname()[1]
        free.close()
        config = tmp_path / "prometheus.yml"
        config.write_text(
            "global: {scrape_interval: 1s}\n"
            "scrape_configs:\n"
            "- job_name: celery-exporter\n"
            f"  static_configs: [{{targets: ['127.0.0.1:{target}'], labels: {{cluster: c, namespace: n}}}}]\n"
        )
        threading.Thread(target=server.serve_forever, daemon=True).start()
        listen = f"--web.listen-address=127.0.0.1:{port}"
        command = [program, f"--config.file={config}", f"--storage.tsdb.path={tmp_path / 'data'}", listen]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        url = f"http://127.0.0.1:{port}"
        try:
            until(lambda: scrapes(url) >= 2, seconds=60, what="two scrapes")
            inbox.send(store, fleet.batch(lease.now_us(store), n=2), None)
            hand_in_labelled(store, 3, {"acme": 2})
            seen = scrapes(url)
            until(lambda: scrapes(url) >= seen + 3, seconds=60, what="three more scrapes")
            yield url
        finally:
            process.terminate()
            process.wait(20)
            server.shutdown()


def scrapes(url: str) -> float:
    try:
        found = query(url, 'count_over_time(up{job="celery-exporter"}[1h])')
    except (OSError, AssertionError):  # not up yet, not ready yet
        return 0
    return float(found[0]["value"][1]) if found else 0


def query(url: str, expression: str) -> list[dict[str, Any]]:
    """Return the result of an instant query.

    Raises:
        AssertionError: Prometheus does not accept the expression.
    """
    asked = urllib.parse.urlencode({"query": expression})
    try:
        with urllib.request.urlopen(f"{url}/api/v1/query?{asked}", timeout=20) as answer:
            body = json.load(answer)
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{expression}: {error.read().decode()}") from error
    found: list[dict[str, Any]] = body["data"]["result"]
    return found


SELECTED = 'cluster="c", namespace="n", job=~"celery-exporter", queue_name=~".*", queue_name!~"None"'
"""How celery-exporter's dashboards select: `queue_name!~"None"` stands on every family."""

QUESTIONS = (
    *(f"sum(increase(celery_task_{what}_total{{{SELECTED}}}[1h])) > 0" for what in (
        "sent", "received", "succeeded", "failed", "retried",
    )),
    *(f"sum(increase(celery_task_{what}_total{{{SELECTED}}}[1h]))" for what in ("rejected", "revoked")),
    f"count(celery_worker_up{{{SELECTED}}} == 1)",
    f"sum(celery_worker_tasks_active{{{SELECTED}}})",
    f"count(group by (queue_name) (celery_queue_length{{{SELECTED}}}))",
    f"sum(rate(celery_task_runtime_sum{{{SELECTED}}}[1h])) / sum(rate(celery_task_runtime_count{{{SELECTED}}}[1h]))",
    f"histogram_quantile(0.95, sum(rate(celery_task_runtime_bucket{{{SELECTED}}}[1h])) by (job, le)) > 0",
    f'sum(celery_queue_length{{job=~".*celery.*", {SELECTED}}}) by (job, namespace, queue_name) > 100',
    f"topk(10, sum(celery_task_received_total{{{SELECTED}}}) by (name))",
    f"round(sum(increase(celery_task_failed_total{{{SELECTED}}}[1h])) by (job, exception)) > 0",
)  # fmt: skip


@pytest.mark.prometheus
def test_a_real_prometheus_answers_what_celery_exporters_dashboards_ask(prometheus_url: str) -> None:
    assert [question for question in QUESTIONS if not query(prometheus_url, question)] == []
    assert query(prometheus_url, 'celery_worker_up{job=~".*celery.*"} == 0') == []
    assert query(prometheus_url, 'celery_monitor_label_task_failed_total{label="tenant",value="acme"} == 1') != []


def test_the_redis_servers_of_broker_and_store_are_told_apart(store: Store) -> None:
    told = {"used_bytes": 10.0, "clients": 3.0, "evicted": 7.0, "errors": ["the last snapshot failed"]}
    broker.write(store, {"at_us": 1, "health": {"broker": told, "store": {"note": "not readable: NOPERM"}}})

    found = scraped(Reader(store))

    assert values(found["celery_monitor_redis_used_bytes"], server="broker") == [10.0]
    assert values(found["celery_monitor_redis_used_bytes"], server="store") == [], "unknown is absent"
    assert values(found["celery_monitor_redis_evicted_keys"], server="broker") == [7.0]
    assert values(found["celery_monitor_redis_errors"], server="broker") == [1.0]
    assert values(found["celery_monitor_redis_errors"], server="store") == [1.0]
