"""The figures over HTTP without Flower."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from celery_monitor.cli import serve
from celery_monitor.errors import ConfigurationError
from celery_monitor.query.reader import Reader
from celery_monitor.store import inbox, lease, live
from celery_monitor.store.connection import Store
from tests import fleet
from tests.parts import ROOT
from tests.waiting import until

RUN = """
import sys
from celery import Celery
from celery_monitor import Monitor
from celery_monitor.cli.serve import run
from celery_monitor.store.connection import connect

broker = sys.argv[1] + "?virtual_host=1"
app = Celery("shop", broker=broker)
app.conf.update(monitor_url=sys.argv[1], monitor_tick_interval=1)
run(Monitor(app), "127.0.0.1", 0, tick=sys.argv[2] == "tick", tell=lambda line: print(line, flush=True))
with connect(broker, 5.0) as client:
    print("left open:", sum(row["db"] == "1" for row in client.client_list()) - 1, flush=True)
"""


@pytest.fixture
def url(store: Store) -> Iterator[str]:
    with serve.listen(Reader(store), "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def get(url: str | urllib.request.Request) -> tuple[int, str, str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read().decode()


@pytest.mark.parametrize("prefix", ["", "/monitor"])
def test_metrics_and_api_answer_under_flowers_paths_too(url: str, prefix: str) -> None:
    status, kind, body = get(f"{url}{prefix}/metrics")
    assert (status, kind.split(";")[0]) == (200, "text/plain")
    assert 'celery_task_succeeded_total{hostname="generic",name="shop.charge",queue_name="payments"} 90.0' in body

    status, kind, body = get(f"{url}{prefix}/api/v1/summary?window=15m")
    assert (status, kind, json.loads(body)["totals"]["succeeded"]) == (200, "application/json", 130)
    assert json.loads(get(f"{url}{prefix}/api/v1/health")[2])["store"] == "ok"


def test_executions_are_listed_and_found_by_id(url: str) -> None:
    (row,) = json.loads(get(f"{url}/api/v1/executions?limit=1")[2])["executions"]

    assert json.loads(get(f"{url}/api/v1/executions/{row['id']}")[2])["task"] == row["task"]


def test_every_path_of_the_api_is_served(url: str) -> None:
    (row,) = json.loads(get(f"{url}/api/v1/executions?limit=1&state=SUCCESS")[2])["executions"]
    assert json.loads(get(f"{url}/api/v1/runs/{row['run_id']}?limit=5")[2])["known"] >= 1
    assert json.loads(get(f"{url}/api/v1/runs/{row['run_id']}/logs")[2]) == {"logs": [], "next": None}
    for path in ("runs", "workflows", "waits?state=open", "spans", "measures"):
        assert get(f"{url}/api/v1/{path}")[0] == 200
    for path in ("labels/user/nobody", "workflows/report%20%28chain%29/steps"):
        assert get(f"{url}/api/v1/{path}")[0] == 404


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/v1/summary?window=5x", 400, "bad_window"),
        ("/api/v1/summary?windw=1h", 400, "unknown_parameter"),
        ("/api/v1/executions/none-such", 404, "not_found"),
        ("/elsewhere", 404, "not_found"),
    ],
)
def test_bad_questions_have_a_status_and_a_code(url: str, path: str, status: int, code: str) -> None:
    found, kind, body = get(url + path)

    assert (found, kind, json.loads(body)["error"]["code"]) == (status, "application/json", code)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_other_methods_than_get_are_405_as_in_flower(url: str, method: str) -> None:
    status, kind, body = get(urllib.request.Request(f"{url}/metrics", method=method, data=b"x"))

    assert (status, kind, json.loads(body)["error"]["code"]) == (405, "application/json", "method_not_allowed")


def test_a_store_that_is_gone_is_503() -> None:
    with serve.listen(Reader(Store.open("redis://127.0.0.1:1/0", "shop")), "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        status, _, body = get(f"http://127.0.0.1:{server.server_address[1]}/metrics")
        server.shutdown()

    assert (status, json.loads(body)["error"]["code"]) == (503, "store_unreachable")


def test_a_port_that_is_taken_is_named(url: str) -> None:
    port = int(url.rsplit(":", 1)[1])

    with pytest.raises(ConfigurationError, match=f"--port {port}"), serve.listen(None, "127.0.0.1", port):
        pass


@contextlib.contextmanager
def served(redis_url: str, tmp_path: Path, mode: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    log = tmp_path / "serve.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-c", RUN, redis_url, mode], env={**os.environ, "PYTHONPATH": str(ROOT)},
            cwd=tmp_path, stdout=out, stderr=out,
        )  # fmt: skip
    try:
        found = until(lambda: re.search(r"(http://\S+)/metrics", log.read_text()), what="serve is up")
        yield found[1], process
    finally:
        process.kill()
        process.wait(20)


def test_it_ticks_when_nobody_else_does(store: Store, redis_url: str, tmp_path: Path) -> None:
    inbox.send(store, fleet.batch(lease.now_us(store), n=2), None)
    before = live.pace(store)
    assert before is not None

    with served(redis_url, tmp_path, "tick") as (_, process):
        after = until(lambda: (p := live.pace(store)) and p["folded_us"] > before["folded_us"] and p, seconds=30)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0

    assert after["role"] == "serve"
    assert "left open: 0" in (tmp_path / "serve.log").read_text()


def test_without_ticking_it_writes_nothing(store: Store, redis_url: str, tmp_path: Path) -> None:
    before = {key: store.client.dump(key) for key in store.client.scan_iter()}

    with served(redis_url, tmp_path, "no-tick") as (url, _):
        assert get(f"{url}/metrics")[0] == 200
        assert get(f"{url}/api/v1/summary")[0] == 200

    assert {key: store.client.dump(key) for key in store.client.scan_iter()} == before


def test_it_ends_in_order_when_asked_to(store: Store, redis_url: str, tmp_path: Path) -> None:
    with served(redis_url, tmp_path, "no-tick") as (_, process):
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_it_listens_on_an_address_of_ipv6(store: Store) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as error:
        pytest.skip(f"no IPv6 on this machine: {error}")
    with serve.listen(Reader(store), "::1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert get(f"http://[::1]:{server.server_address[1]}/metrics")[0] == 200
        server.shutdown()


def test_an_address_of_another_machine_is_no_question_of_the_port() -> None:
    with pytest.raises(ConfigurationError, match="give another --host"), serve.listen(None, "192.0.2.1", 0):
        pass
