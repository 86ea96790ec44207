"""One run per canvas, decided at publish: every shape is published to a real broker and run by a real worker."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import redis

from tests.conftest import WorkerFactory
from tests.signals.apart import apart
from tests.waiting import until

APP = "tests.signals.canvas_app:app"
DYNAMIC = ("link", "retry", "replace", "children")
"""Words in the names of shapes whose bodies or callbacks publish what no plan holds."""


class Seen(NamedTuple):
    """What became of one shape: runs of its messages and attempts, ids, and its plan."""

    published: set[str]
    ran: set[str]
    mine: set[str]  # ids of messages published by the client
    ids: set[str]
    planned: list[str]
    plan_runs: set[str]


def publish_each(which: str, how: str = "publish") -> dict[str, Seen]:
    """Publish each shape, wait for its messages, and return what became of it."""
    canvas = importlib.import_module("tests.signals.canvas_app")
    return {name: one(canvas, name, getattr(canvas, which)[name][1], how) for name in getattr(canvas, which)}


def one(canvas: Any, name: str, expected: int, how: str) -> Seen:
    log: redis.Redis = canvas.log
    log.delete("published", "ran", "ids", "planned")
    getattr(canvas, how)(name)
    expected += how == "publish_from_task"

    def lines(of: str) -> list[list[str]]:
        raw: Any = log.lrange(of, 0, -1)
        return [line.decode().split(" ") for line in raw]

    def seen(of: str) -> int:
        """Return how many messages (attempts) there are, without the polling of a chord."""
        return sum(task != "celery.chord_unlock" for task, _ in lines(of))

    def complete() -> bool:
        return seen("published") >= expected and seen("ran") >= expected

    until(complete, seconds=30, step=0.01, what=f"{expected} messages of {name}")
    ids = lines("ids")
    return Seen(
        {run for _, run in lines("published")},
        {run for _, run in lines("ran")},
        {own for pid, own in ids if int(pid) == os.getpid()},
        {own for _, own in ids},
        [own for own, _, _ in lines("planned")],
        {run for _, run, _ in lines("planned")},
    )


@pytest.fixture
def on_files(tmp_path: Path) -> Iterator[str]:
    """A result backend that cannot count a chord's header, so that it is polled by celery.chord_unlock."""
    folder = tmp_path / "results"
    folder.mkdir()
    yield f"file://{folder}"


def one_run_each(found: dict[str, Seen]) -> None:
    """See that every shape is one run, in all its messages and attempts, and that no two share one."""
    assert {name: len(seen.published | seen.ran) for name, seen in found.items()} == dict.fromkeys(found, 1)
    assert len({next(iter(seen.published)) for seen in found.values()}) == len(found), "no two share a run"


def test_every_canvas_is_one_run(worker: WorkerFactory, redis_url: str) -> None:
    env = {"CELERY_BROKER_URL": redis_url, "CELERY_RESULT_BACKEND": redis_url}
    worker(APP, pool="threads", concurrency=4)
    found = apart(publish_each, "SHAPES", env=env, seconds=100)
    assert len(found) >= 35
    one_run_each(found)
    planned_is_published(found)
    one_run_each(apart(publish_each, "SHAPES", "publish_from_task", env=env, seconds=100))


def planned_is_published(found: dict[str, Seen]) -> None:
    """See that every step which a worker published was planned, and nothing else was, where nothing is dynamic."""
    for name, seen in found.items():
        assert seen.plan_runs <= seen.published, name
        if not any(word in name for word in DYNAMIC):
            assert set(seen.planned) == seen.ids - seen.mine, name
        assert set(seen.planned) <= seen.ids, name
        doubles = len(seen.planned) - len(set(seen.planned))
        assert doubles <= len(set(seen.planned)), f"{name}: plans are recorded again and again"


def test_what_a_failure_leaves_unpublished_was_planned(worker: WorkerFactory, redis_url: str) -> None:
    env = {"CELERY_BROKER_URL": redis_url, "CELERY_RESULT_BACKEND": redis_url}
    worker(APP, pool="threads", concurrency=4)
    found = apart(publish_each, "FAILING", env=env)
    one_run_each(found)
    left = {name: len(set(seen.planned) - seen.ids) for name, seen in found.items()}
    assert left == {"chain that fails": 4, "chord that fails": 2, "chord in a chain that fails": 2}


def test_every_canvas_of_a_publisher_without_monitor_is_one_run(worker: WorkerFactory, redis_url: str) -> None:
    env = {"CELERY_BROKER_URL": redis_url, "CELERY_RESULT_BACKEND": redis_url, "INSTRUMENTED": "no"}
    worker(APP, pool="threads", concurrency=4)
    found = apart(publish_each, "SHAPES", env=env, seconds=100)
    assert {name: len(seen.ran) for name, seen in found.items()} == dict.fromkeys(found, 1)
    for name, seen in found.items():
        if not any(word in name for word in DYNAMIC):
            assert set(seen.planned) == seen.ids - seen.mine, f"{name}: the first worker to see a plan records it"
    found = apart(publish_each, "SHAPES", "publish_from_task", env=env, seconds=100)
    assert {name: len(seen.ran) for name, seen in found.items()} == dict.fromkeys(found, 1)


@pytest.mark.parametrize("instrumented", ["yes", "no"])
def test_every_chord_that_is_polled_is_one_run(
    worker: WorkerFactory, redis_url: str, on_files: str, instrumented: str
) -> None:
    env = {"CELERY_BROKER_URL": redis_url, "CELERY_RESULT_BACKEND": on_files}
    worker(APP, pool="threads", concurrency=4, env=env)
    for how in ("publish", "publish_from_task"):
        found = apart(publish_each, "SHAPES", how, env=env | {"INSTRUMENTED": instrumented}, seconds=200)
        runs = {name: len(seen.ran | (seen.published - {""})) for name, seen in found.items()}
        assert runs == dict.fromkeys(found, 1)


def test_a_workflow_holds_every_canvas_and_what_its_tasks_publish_in_other_processes(
    worker: WorkerFactory, redis_url: str
) -> None:
    env = {"CELERY_BROKER_URL": redis_url, "CELERY_RESULT_BACKEND": redis_url}
    worker(APP, pool="threads", concurrency=4)
    found = apart(publish_named, env=env)
    assert len(found) >= 10
    for name, (seen, run) in found.items():
        assert seen.published == seen.ran == {run.replace("-", "")}, name


def publish_named() -> dict[str, tuple[Seen, str]]:
    """Publish the nested shapes within a workflow each; return what became of them, and the workflows' runs."""
    canvas = importlib.import_module("tests.signals.canvas_app")
    found = {}
    for name, (_, expected) in canvas.NESTED.items():
        seen = one(canvas, name, expected, "publish_named")
        found[name] = seen, canvas.log.get("run").decode()
    return found
