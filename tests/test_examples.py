"""Every example runs, and what it published is recorded."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from celery_monitor.cli.tally import recorded
from celery_monitor.query.reader import Reader
from celery_monitor.store.connection import Store
from tests.conftest import WorkerFactory
from tests.parts import ROOT
from tests.waiting import until

EXAMPLES = ROOT / "examples"


def run(code: str, folder: Path, url: str, extra: Mapping[str, str] | None = None) -> None:
    """Run a line as its README does, in the example's folder."""
    environment = {
        **os.environ,
        "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}",
        "CELERY_BROKER_URL": url,
        **(extra or {}),
    }
    subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=folder, env=environment, check=True)


def wait_for(url: str, namespace: str, expected: Mapping[str, int]) -> None:
    store = Store.open(url, namespace)
    reader = Reader(store)
    try:
        until(lambda: recorded(reader.lifetime()) == Counter(expected), seconds=30, what=f"{expected} recorded")
    finally:
        store.close()


def test_the_smallest_app_records_its_task(worker: WorkerFactory, redis_url: str) -> None:
    folder = EXAMPLES / "minimal"
    worker("tasks", cwd=folder, concurrency=1)
    run("from tasks import add; add.delay(2, 3)", folder, redis_url)
    wait_for(redis_url, "minimal", {"tasks.add": 1})


def test_a_django_project_records_its_task(worker: WorkerFactory, redis_url: str) -> None:
    folder = EXAMPLES / "django"
    environment = {"SITE_REDIS_URL": redis_url}
    worker("mysite", cwd=folder, concurrency=1, env=environment)
    code = "import django; django.setup(); from mysite.tasks import greet; greet.delay('you')"
    run(code, folder, redis_url, {"DJANGO_SETTINGS_MODULE": "mysite.settings", **environment})
    wait_for(redis_url, "mysite", {"mysite.tasks.greet": 1})


def test_the_ledger_counts_what_is_published_and_nothing_of_the_machinery(tmp_path: Path, redis_url: str) -> None:
    ledger = tmp_path / "ledger"
    code = (
        "from shop.app import app; from shop import orders, media;"
        "orders.place(1); media.upload(list(range(17)));"
        "app.send_task('celery_monitor.tick', queue='orders');"
        "app.send_task('celery.chord_unlock', queue='orders')"
    )
    run(code, EXAMPLES, redis_url, {"SHOP_LEDGER": str(ledger), "SHOP_REDIS_URL": redis_url})
    sys.path.insert(0, str(EXAMPLES))
    try:
        from shop.ledger import published
    finally:
        sys.path.remove(str(EXAMPLES))
    expected = {"shop.orders.validate": 1, "shop.media.thumbnail": 1, "celery.starmap": 2}
    assert published(ledger) == Counter(expected)
