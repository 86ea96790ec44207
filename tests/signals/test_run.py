"""One run per canvas, decided at publish: every shape is published to a real broker and run by a real worker."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.conftest import WorkerFactory
from tests.signals.apart import apart
from tests.waiting import until

APP = "tests.signals.canvas_app:app"


def publish_each(which: str) -> dict[str, tuple[set[str], set[str]]]:
    """Publish each shape and wait for its messages; return the runs of its messages and of its attempts."""
    canvas = importlib.import_module("tests.signals.canvas_app")
    return {name: one(canvas, name) for name in getattr(canvas, which)}


def one(canvas: Any, name: str) -> tuple[set[str], set[str]]:
    log: redis.Redis = canvas.log
    log.delete("published", "ran")
    canvas.publish(name)
    expected = canvas.SHAPES[name][1]

    def runs(of: str) -> tuple[int, set[str]]:
        """Return how many messages (attempts) there are, without the polling of a chord, and their runs."""
        lines: Any = log.lrange(of, 0, -1)
        pairs = [line.decode().split(" ") for line in lines]
        return sum(task != "celery.chord_unlock" for task, _ in pairs), {run for _, run in pairs}

    def complete() -> bool:
        return runs("published")[0] >= expected and runs("ran")[0] >= expected

    until(complete, seconds=30, step=0.01, what=f"{expected} messages of {name}")
    return runs("published")[1], runs("ran")[1]


@pytest.fixture
def on_files(tmp_path: Path) -> Iterator[str]:
    """A result backend that cannot count a chord's header, so that it is polled by celery.chord_unlock."""
    folder = tmp_path / "results"
    folder.mkdir()
    yield f"file://{folder}"


def test_every_canvas_is_one_run(worker: WorkerFactory, redis_url: str) -> None:
    env = {"CELERY_BROKER_URL": redis_url, "CELERY_RESULT_BACKEND": redis_url}
    worker(APP, pool="threads", concurrency=4)
    found = apart(publish_each, "SHAPES", env=env)
    assert len(found) >= 23
    assert {name: len(published) for name, (published, _) in found.items()} == dict.fromkeys(found, 1)
    for name, (published, ran) in found.items():
        assert ran == published, name
    assert len({next(iter(published)) for published, _ in found.values()}) == len(found), "no two share a run"


def test_every_canvas_of_a_publisher_without_monitor_is_one_run(worker: WorkerFactory, redis_url: str) -> None:
    env = {"CELERY_BROKER_URL": redis_url, "CELERY_RESULT_BACKEND": redis_url, "INSTRUMENTED": "no"}
    worker(APP, pool="threads", concurrency=4)
    found = apart(publish_each, "SHAPES", env=env)
    assert {name: len(ran) for name, (_, ran) in found.items()} == dict.fromkeys(found, 1)


def test_every_chord_that_is_polled_is_one_run(worker: WorkerFactory, redis_url: str, on_files: str) -> None:
    env = {"CELERY_BROKER_URL": redis_url, "CELERY_RESULT_BACKEND": on_files}
    worker(APP, pool="threads", concurrency=4, env=env)
    found = apart(publish_each, "UNLOCKED", env=env, seconds=100)
    assert {name: len(published | ran) for name, (published, ran) in found.items()} == dict.fromkeys(found, 1)
