"""Tasks that cost memory, CPU, disk, network, calls of I/O or a leak are told from 20 innocent names, to 10 %."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from celery_monitor.query.reader import Reader
from celery_monitor.store.connection import Store
from tests.conftest import WorkerFactory
from tests.parts import ROOT
from tests.peer import Peer
from tests.store.servers import certificate
from tests.truth import costs
from tests.waiting import until

RUNS = {
    "allocate": 3, "burn": 4, "connect": 20, "leak": 60, "write": 20, "save": 1, "fail": 20, "transfer": 21,
    "transfer_tls": 20,  # so many that what OpenSSL loads at first is no leak in each
}  # fmt: skip
FIRST = {"cpu": "burn", "memory": "allocate", "network": "transfer", "growth": "leak", "io": "save"}
INNOCENT_RUNS = 4
CODE = "import sys; from tests.truth.costs import app\nfor name in sys.argv[1:]: app.send_task(name)"


@pytest.fixture
def peers(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Two servers that take and give bytes, one of them over TLS; how tasks find them."""
    key, cert = certificate(tmp_path)
    with Peer() as plain, Peer(key, cert) as tls:
        yield {costs.PORT: str(plain.port), costs.TLS_PORT: str(tls.port), costs.CERTIFICATE: str(cert)}


def publish(names: list[str], env: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE, *names], cwd=ROOT, env={**os.environ, **env}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def kernel(truth: Path) -> dict[str, list[dict[str, Any]]]:
    """Return what bodies noted, by task name."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in truth.read_text().splitlines() if truth.exists() else ():
        found[json.loads(line)["task"]].append(json.loads(line))
    return found


def total(rows: list[dict[str, Any]], what: str) -> float:
    return float(sum(row[what] for row in rows))


def test_each_cost_is_told_of_the_task_that_has_it(
    worker: WorkerFactory, redis_url: str, tmp_path: Path, disk: Path, peers: dict[str, str]
) -> None:
    truth = tmp_path / "truth"
    env = {"CELERY_BROKER_URL": redis_url, costs.FILE: str(truth), costs.DISK: str(disk), **peers}
    order = [name for name, n in RUNS.items() for _ in range(n)]
    order += [f"innocent{n}" for n in range(costs.INNOCENT) for _ in range(INNOCENT_RUNS)]
    random.Random(1).shuffle(order)
    worker("tests.truth.costs:app", concurrency=2, env=env)
    publish(order, env)
    reader = Reader(Store.open(redis_url, "costs"))

    def rows(by: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = reader.resources(by, "15m")["tasks"]
        return found

    until(lambda: sum(row["runs"] for row in rows("time")) == len(order), seconds=60, step=0.5)
    real, told = kernel(truth), {row["task"]: row for row in rows("cpu")}
    assert told["burn"]["cpu_seconds"]["total"] == pytest.approx(total(real["burn"], "cpu_s"), rel=0.1)
    assert told["allocate"]["memory_bytes"]["peak"] == pytest.approx(
        max(row["peak_kib"] for row in real["allocate"]) * 1024, rel=0.1
    )
    assert told["connect"]["connections"] == pytest.approx(total(real["connect"], "connections"), rel=0.1)
    for name, exact in (("transfer", 0.0), ("transfer_tls", 0.01)):
        row, runs = told[name], real[name]
        assert row["network_sent_bytes"] == pytest.approx(total(runs, "sent"), rel=exact)
        assert row["network_received_bytes"] == pytest.approx(total(runs, "received"), rel=exact)
        assert row["network_sent_bytes"] == pytest.approx(RUNS[name] * 3 * costs.MIB, rel=0.1)
        assert row["network_received_bytes"] == pytest.approx(RUNS[name] * 5 * costs.MIB, rel=0.1)
        assert row["connections"] == RUNS[name]
    assert told["write"]["writes"] == pytest.approx(total(real["write"], "writes"), rel=0.1)
    assert told["save"]["written_bytes"] == pytest.approx(total(real["save"], "written_bytes"), rel=0.1)
    assert told["save"]["written_bytes"] == pytest.approx(50 * costs.MIB, rel=0.1)
    leaked = total(real["leak"], "growth_kib") / RUNS["leak"] * 1024 * 1000
    assert told["leak"]["growth"]["bytes_per_1000_runs"] == pytest.approx(leaked, rel=0.1)
    assert leaked == pytest.approx(1000 * costs.MIB, rel=0.1)
    assert told["leak"]["growth"]["confidence"] in {"likely", "high"}
    assert told["leak"]["growth"]["max_tasks_per_child"]
    assert {by: rows(by)[0]["task"] for by in FIRST} == FIRST
    for n in range(costs.INNOCENT):
        row = told[f"innocent{n}"]
        network = row["connections"], row["network_sent_bytes"], row["network_received_bytes"]
        assert (network, row["growth"]["confidence"] in {"none", "low"}) == ((None, None, None), True), row
        assert row["memory_bytes"]["peak"] < told["allocate"]["memory_bytes"]["peak"] - 100 * costs.MIB
        assert (row["written_bytes"] or 0) < costs.MIB
        assert row["cpu_seconds"]["total"] < 0.1 * told["burn"]["cpu_seconds"]["total"]
    fails = told["fail"]["growth"]
    assert fails["confidence"] in {"none", "low"}, "what a traceback holds is no leak"
    assert fails["note"].startswith("20 runs that did not succeed took")
    (one,) = reader.executions(task="connect", limit=1)["executions"]
    assert one["attempts"][0]["connections"] == 7
    (one,) = reader.executions(task="transfer", limit=1)["executions"]
    assert one["attempts"][0]["network_received_bytes"] == 5 * costs.MIB
