"""Processes that only publish: without threads, and without a store."""

from __future__ import annotations

from pathlib import Path

from celery_monitor.store.connection import Store
from tests.monitor.shop import AFTER, counts, module, publish

NO_THREADS = """
import threading
start = threading.Thread.start
def refuse(self):
    if self.name.startswith("celery-monitor"):
        raise RuntimeError("can't start new thread")
    start(self)
threading.Thread.start = refuse
"""


def test_a_process_that_can_start_no_thread_ships_at_its_exit(redis_url: str, store: Store, tmp_path: Path) -> None:
    module(tmp_path, NO_THREADS + AFTER)
    said = publish(tmp_path, redis_url, 5)
    assert counts(store) == {"PUBLISHED": 5}
    assert "can't start new thread" in said
    assert "atexit" not in said


def test_a_publisher_whose_store_is_away_ends_in_time(redis_url: str, tmp_path: Path) -> None:
    module(tmp_path, AFTER)
    publish(tmp_path, redis_url, 2, env={"CELERY_MONITOR_URL": "redis://127.0.0.1:1/0"})
