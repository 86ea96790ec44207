"""What a task's own sockets move is told of it on every pool, and never what Celery moves for it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from celery_monitor.query.reader import Reader
from celery_monitor.store.connection import Store
from tests.conftest import WorkerFactory
from tests.parts import ROOT
from tests.peer import ORDER, Peer
from tests.store import servers
from tests.truth import network
from tests.waiting import until

CODE = """
from tests.truth.network import app
for up in (1000, 70_000):
    app.send_task("fetch", (up, 50_000))
    app.send_task("fetch_tls", (up, 50_000))
for _ in range(2):
    app.send_task("quiet")
    app.send_task("own")
"""
TOGETHER = """
from tests.truth.network import app
for up in (3000, 9000):
    app.send_task("together", (up, 2 * up))
"""


@pytest.fixture(scope="module")
def server() -> Iterator[servers.Server]:
    with servers.running(servers.program("redis-server")) as found:
        yield found


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return servers.certificate(tmp_path_factory.mktemp("tls"))


def moved(row: dict[str, Any]) -> tuple[int | None, int | None, int | None]:
    (attempt,) = row["attempts"]
    return attempt["connections"], attempt["network_sent_bytes"], attempt["network_received_bytes"]


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo", "gevent"])
def test_a_tasks_own_bytes_are_told_of_it_and_celerys_of_nobody(
    worker: WorkerFactory, server: servers.Server, pool: str, certificate: tuple[Path, Path]
) -> None:
    if pool == "gevent":
        pytest.importorskip("gevent")
    server.ask("FLUSHALL")
    url = f"redis://127.0.0.1:{server.port}/0"
    shared = pool in {"threads", "gevent"}
    with Peer() as peer, Peer(*certificate) as secured, closing(Store.open(url, "network")) as store:
        env = {
            "CELERY_BROKER_URL": url, "CELERY_RESULT_BACKEND": url, network.PORT: str(peer.port),
            network.TLS_PORT: str(secured.port), network.CERTIFICATE: str(certificate[1]),
        }  # fmt: skip
        worker("tests.truth.network:app", pool=pool, concurrency=2, env=env)
        command = [sys.executable, "-c", CODE + (TOGETHER if shared else "")]
        subprocess.run(command, cwd=ROOT, env={**os.environ, **env}, check=True)
        reader = Reader(store)

        def rows(task: str) -> list[Any]:
            return [row for row in reader.executions(task=task)["executions"] if row["state"] == "SUCCESS"]

        def of(task: str) -> list[Any]:
            return [moved(row) for row in rows(task)]

        wanted = {"fetch": 2, "fetch_tls": 2, "quiet": 2, "innocent": 2, "own": 2, "together": 2 if shared else 0}
        until(lambda: {task: len(rows(task)) for task in wanted} == wanted, seconds=60, what="all ended")

        assert sorted(of("fetch")) == [(1, up + ORDER.size, 50_000) for up in (1000, 70_000)]
        for row in rows("fetch_tls"):
            told, real = moved(row), row["attempts"][0]["result"]
            assert told[0] == 1
            assert told[1:] == pytest.approx(tuple(real), rel=0.001)  # what came in may not all be read when it looks
        assert of("quiet") == of("innocent") == [(None, None, None)] * 2
        assert sorted(of("together")) == [(1, 10 * (up + ORDER.size), 20 * up) for up in (3000, 9000) if shared]
        for opened, sent, received in of("own"):
            assert (opened, len(network.LARGE) < sent < len(network.LARGE) + 1000, received < 1000) == (1, True, True)
