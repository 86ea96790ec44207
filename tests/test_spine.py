"""The whole way of the data: 2,000 tasks through a real worker, and the same totals on every face."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import redis
from prometheus_client.parser import text_string_to_metric_families

from celery_monitor.cli.embedded import EmbeddedServer
from celery_monitor.query.reader import Reader
from celery_monitor.store.connection import Store
from tests import parts
from tests.processes import CeleryProcess, worker_command
from tests.waiting import until
from tests.web.site import APP, Site, require_page

TASKS = 2000
FAILING = 20

PUBLISH = f"""
from tests.web.shop import charge, deliver
for n in range({TASKS}):
    charge.delay(n)
for _ in range({FAILING}):
    deliver.delay()
"""


class Fleet(NamedTuple):
    """A worker, a Flower, and a producer that has come and gone."""

    site: Site
    reader: Reader
    env: dict[str, str]


@pytest.fixture(scope="module")
def fleet(redis_server: EmbeddedServer, rings_root: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with redis.Redis.from_url(redis_server.client_url) as client:
        client.flushall()
    folder: Path = tmp_path_factory.mktemp("spine")
    env = {
        "CELERY_BROKER_URL": redis_server.url,
        "CELERY_RESULT_BACKEND": redis_server.url,
        "CELERY_MONITOR_RUNTIME_DIR": rings_root,
    }
    command = worker_command(pool="prefork", concurrency=2, queues=None, hostname="spine@%h", options=())
    with ExitStack() as started:
        worker = CeleryProcess(APP, command, folder / "worker.log", ready=" ready.", env=env)
        started.callback(worker.stop)
        worker.start()
        site = Site(redis_server.url, folder / "flower.log", env=env)
        started.callback(site.stop)
        publish = [sys.executable, "-c", PUBLISH]
        subprocess.run(publish, env={**os.environ, **env}, cwd=parts.ROOT, check=True, timeout=90)
        reader = Reader(Store.open(redis_server.url, "shop"))
        total = TASKS + FAILING
        until(lambda: sum(c.ended for c in reader.lifetime().values()) >= total, seconds=90, what=f"{total} ends")
        yield Fleet(site, reader, env)
        site.process.ask_to_stop()
        worker.ask_to_stop()


def everything(reader: Reader) -> list[dict[str, Any]]:
    """Follow the pages to the end."""
    rows: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = reader.executions(limit=500, cursor=cursor)
        rows += page["executions"]
        cursor = page["next"]
        if cursor is None:
            return rows


def test_every_task_is_one_execution_with_one_attempt(fleet: Fleet) -> None:
    rows = everything(fleet.reader)
    assert len(rows) == len({row["id"] for row in rows}) == TASKS + FAILING
    assert {len(row["attempts"]) for row in rows} == {1}
    states = [row["state"] for row in rows]
    assert (states.count("SUCCESS"), states.count("FAILURE")) == (TASKS, FAILING)


def test_the_api_the_metrics_and_the_command_line_show_the_same_totals(fleet: Fleet) -> None:
    totals = fleet.site.get("/monitor/api/v1/summary?window=1h").json["totals"]
    assert (totals["published"], totals["ended"]) == (TASKS + FAILING, TASKS + FAILING)
    assert (totals["succeeded"], totals["failed"], totals["lost"]) == (TASKS, FAILING, 0)

    families = {f.name: f for f in text_string_to_metric_families(fleet.site.get("/monitor/metrics").text)}
    for name, expected in (("sent", TASKS + FAILING), ("succeeded", TASKS), ("failed", FAILING)):
        samples = [s for s in families[f"celery_task_{name}"].samples if s.name.endswith("_total")]
        assert sum(s.value for s in samples) == expected, name

    command = [sys.executable, "-m", "celery", "-A", APP, "monitor", "status", "--json"]
    shown = subprocess.run(
        command, env={**os.environ, **fleet.env}, cwd=parts.ROOT, check=True, capture_output=True, text=True, timeout=60
    )
    assert json.loads(shown.stdout)["totals"]["ended"] == TASKS + FAILING


@pytest.mark.browser
def test_the_page_shows_the_same_totals(fleet: Fleet) -> None:
    program = parts.require("chromium")
    require_page()
    sync_api = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.goto(f"{fleet.site.url}/monitor?window=1h")
        row = page.locator("tbody tr", has=page.get_by_text("shop.charge", exact=True)).first
        row.wait_for()
        assert f"{TASKS}" in row.inner_text().replace(" ", "").replace("\u202f", "").replace("\u2009", "")
        browser.close()
