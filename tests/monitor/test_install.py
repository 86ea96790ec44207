"""The install line: one, whatever the app looks like, and nothing is lost with whoever is killed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from celery_monitor.agent import folder
from celery_monitor.agent.drain import RingReader
from celery_monitor.query.reader import Reader
from celery_monitor.signals.record import Kind
from celery_monitor.signals.ring import open_ring
from celery_monitor.store.connection import Store
from tests.conftest import WorkerFactory
from tests.monitor.shop import AFTER, BEFORE, DJANGO, ENV, PROXY, comes_to, counts, module, publish
from tests.waiting import until


def ended_in(place: Path) -> int:
    """Return how many ends lie in the rings of a folder."""
    found = 0
    for path in place.glob("*.ring"):
        ring = open_ring(path)
        found += sum(kind == Kind.ATTEMPT for kind, _ in RingReader(ring).take(10**6))
        ring.close()
    return found


@pytest.mark.parametrize("text", [BEFORE, AFTER, DJANGO, PROXY], ids=["configured before", "after", "Django", "proxy"])
def test_one_line_is_all_there_is_to_do(
    worker: WorkerFactory, redis_url: str, store: Store, tmp_path: Path, text: str
) -> None:
    """Also the publisher's side: a script that ends at once has shipped what it published."""
    module(tmp_path, text)
    process = worker("shop:app", pool="solo", concurrency=1, cwd=tmp_path, env=ENV)
    assert publish(tmp_path, redis_url, 5) == ""
    comes_to(store, {"PUBLISHED": 5, "SUCCESS": 5})
    assert "celery-monitor" not in process.log, "nothing to say"


def test_a_prefork_worker_records_everything_also_of_children_that_are_killed(
    worker: WorkerFactory, redis_url: str, store: Store, tmp_path: Path
) -> None:
    module(tmp_path, AFTER)
    process = worker("shop:app", concurrency=2, cwd=tmp_path, env=ENV)
    publish(tmp_path, redis_url, 200)
    publish(tmp_path, redis_url, 1, task="die")
    publish(tmp_path, redis_url, 100)

    def complete() -> bool:
        found = counts(store)
        return found.get("PUBLISHED") == 301 and found.get("SUCCESS") == 300 and found.get("FAILURE") == 1

    until(complete, seconds=40, what=f"301 ends, not {counts(store)}\n{process.log[-2000:]}")
    # A child killed at once may be given its task a second time, and the first attempt has no other end than LOST.
    assert set(counts(store)) <= {"PUBLISHED", "SUCCESS", "FAILURE", "LOST"}


def test_a_killed_worker_loses_nothing_that_had_ended(
    worker: WorkerFactory, redis_url: str, store: Store, tmp_path: Path
) -> None:
    """The whole group dies before its agent has ever flushed; the next worker on the host ships what it left."""
    module(tmp_path, AFTER)
    slow = {**ENV, "CELERY_MONITOR_FLUSH_INTERVAL": "60"}
    process = worker("shop:app", concurrency=2, cwd=tmp_path, env=slow)
    publish(tmp_path, redis_url, 50)
    place, _ = folder.find(os.environ.get("CELERY_MONITOR_RUNTIME_DIR"), "shop", redis_url)
    assert place is not None
    found = [0, 0]

    def ended() -> bool:
        found[:] = ended_in(place), counts(store).get("SUCCESS", 0)
        return sum(found) >= 50

    try:
        until(ended)
    except AssertionError as error:
        raise AssertionError(f"in rings and counted: {found}") from error
    process.kill()
    worker("shop:app", pool="solo", concurrency=1, cwd=tmp_path, env=ENV)
    comes_to(store, {"PUBLISHED": 50, "SUCCESS": 50})


@pytest.mark.parametrize("where", ["/nonexistent"])
def test_without_a_tmpfs_a_prefork_worker_records_everything_and_says_so(
    worker: WorkerFactory, redis_url: str, store: Store, tmp_path: Path, where: str
) -> None:
    module(tmp_path, AFTER)
    env = {**ENV, "CELERY_MONITOR_RUNTIME_DIR": where}
    process = worker("shop:app", concurrency=2, cwd=tmp_path, env=env)
    publish(tmp_path, redis_url, 100, env=env)
    publish(tmp_path, redis_url, 1, task="die", env=env)
    until(
        lambda: counts(store).get("SUCCESS") == 100 and counts(store).get("FAILURE") == 1,
        what=f"101 ends, not {counts(store)}",
    )
    notes = Reader(store).health()["notes"]
    assert any(where in note for note in notes), notes
    said = [
        line for line in process.log_file.read_text().splitlines() if "celery-monitor: records lie in memory" in line
    ]
    assert len(said) == 1, "whoever starts a worker reads its log"
    assert where in said[0]
