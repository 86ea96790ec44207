"""The tick goes on in every fleet: sent by beat where a live worker takes it, done by an agent where none does."""

from __future__ import annotations

import json
import shelve
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Protocol

import pytest
import redis

from celery_monitor.schedule import TickSchedule
from celery_monitor.store import live
from celery_monitor.store.connection import Store
from tests.conftest import WorkerFactory
from tests.processes import CeleryProcess
from tests.waiting import until

APP = """
import time
from celery import Celery
from celery_monitor import Monitor

app = Celery("fleet")
app.conf.monitor_tick_interval = 1
app.conf.monitor_flush_interval = 0.2
app.conf.monitor_queue_interval = 1
app.conf.worker_prefetch_multiplier = 1
{settings}
Monitor(app)

@app.task
def hold(path):
    open(path, "w").close()
    while True:
        time.sleep(0.1)
"""

BEFORE = datetime(2026, 1, 1, tzinfo=timezone.utc)


class Fleet(Protocol):
    """The fixture `fleet`: starts beat and a worker of an app with some settings."""

    def __call__(
        self, settings: str = "", *, beat: bool = True, worker: bool = True, queues: Sequence[str] | None = None
    ) -> dict[str, CeleryProcess]: ...


@pytest.fixture
def fleet(worker: WorkerFactory, redis_url: str, tmp_path: Path) -> Iterator[Fleet]:
    started: list[CeleryProcess] = []

    def start(
        settings: str = "", *, beat: bool = True, worker_: bool = True, queues: Sequence[str] | None = None
    ) -> dict[str, CeleryProcess]:
        (tmp_path / "fleet.py").write_text(APP.format(settings=settings))
        found = {}
        if worker_:
            found["worker"] = worker("fleet:app", pool="threads", concurrency=1, queues=queues, cwd=tmp_path)
        if beat:
            command = ["beat", "--schedule", str(tmp_path / "schedule"), "--loglevel", "INFO"]
            urls = {"CELERY_BROKER_URL": redis_url, "CELERY_RESULT_BACKEND": redis_url}
            made = CeleryProcess(
                "fleet:app", command, tmp_path / "beat.log", ready="beat: Starting", env=urls, cwd=tmp_path
            )
            started.append(made)
            found["beat"] = made.start()
        return found

    yield lambda settings="", *, beat=True, worker=True, queues=None: start(
        settings, beat=beat, worker_=worker, queues=queues
    )
    for process in started:
        process.stop()


@pytest.fixture
def pace(redis_url: str) -> Iterator[Callable[[], dict[str, Any]]]:
    """Return what the last tick has left behind."""
    store = Store.open(redis_url, "fleet", timeout_s=5.0)
    yield lambda: dict(live.pace(store) or {})
    store.close()


@pytest.fixture
def broker(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url.replace("redis+socket", "unix")) as client:
        yield client


def ticks_by(pace: Callable[[], dict[str, Any]], role: str, times: int = 2) -> None:
    """Wait until a role has ticked so many times."""
    seen = set()

    def ticked() -> bool:
        now = pace()
        if now.get("role") == role:
            seen.add(now["folded_us"])
        return len(seen) >= times

    until(ticked, seconds=30, what=f"{times} ticks by {role}; the last was {pace()}")


def waiting(broker: redis.Redis, queue: str = "celery") -> list[str]:
    """Return the names of the tasks that wait in a queue."""
    messages: Any = broker.lrange(queue, 0, -1)
    return [json.loads(message)["headers"]["task"] for message in messages]


def test_a_tick_that_has_run_is_followed_by_the_next_also_when_somebody_else_has_ticked_since() -> None:
    told: Any = {"role": "task", "folded_us": 1, "task_us": 1}
    timing = TickSchedule(60.0, lambda: told, lambda _: "celery", {})
    due = [timing.is_due(BEFORE).is_due]
    timing._sent -= 61
    due.append(timing.is_due(BEFORE).is_due)
    told |= {"role": "beat", "folded_us": 3, "task_us": 2}
    due.append(timing.is_due(BEFORE).is_due)
    assert due == [True, False, True]


def test_beat_sends_the_tick_and_a_worker_does_it(
    fleet: Fleet, pace: Callable[[], dict[str, Any]], broker: redis.Redis
) -> None:
    processes = fleet()
    ticks_by(pace, "task", 3)
    assert pace()["queues"] == ["celery"]
    processes["beat"].stop()
    assert "ERROR" not in processes["worker"].log
    assert "ERROR" not in processes["beat"].log


LATE = """
from celery.signals import task_prerun

@task_prerun.connect
def busy(task, **_):
    time.sleep(0.5)
"""


def test_a_tick_that_always_comes_late_is_still_sent_and_left_to_the_task(
    fleet: Fleet, pace: Callable[[], dict[str, Any]]
) -> None:
    """It runs after beat's agent has looked whether it did."""
    fleet(LATE)
    ticks_by(pace, "task", 6)


def test_the_schedule_file_of_beat_never_names_us(
    fleet: Fleet, pace: Callable[[], dict[str, Any]], tmp_path: Path
) -> None:
    """It outlives this package: beat would go on sending an unknown task for ever."""
    processes = fleet(
        "app.conf.beat_schedule = {'mine': {'task': 'x', 'schedule': 3600}}\napp.conf.beat_sync_every = 1"
    )
    ticks_by(pace, "task", 2)
    assert processes["beat"].stop() == 0
    with shelve.open(str(tmp_path / "schedule"), flag="r") as stored:
        assert set(stored["entries"]) == {"mine"}


def test_the_tick_is_not_sent_again_while_the_last_one_waits(
    fleet: Fleet, pace: Callable[[], dict[str, Any]], broker: redis.Redis, tmp_path: Path, redis_url: str
) -> None:
    """Every slot is taken for good: beat's own agent folds, and no heap of ticks grows in front of the user's tasks."""
    processes = fleet()
    ticks_by(pace, "task", 1)
    from celery import Celery

    with Celery("sender", broker=redis_url) as sender:
        sender.send_task("fleet.hold", (str(tmp_path / "held"),))
        until((tmp_path / "held").exists, what="the only slot is taken")
        ticks_by(pace, "beat", 8)
        assert waiting(broker).count("celery_monitor.tick") <= 2
    processes["worker"].kill()


def test_without_beat_a_worker_ticks(fleet: Fleet, pace: Callable[[], dict[str, Any]]) -> None:
    fleet(beat=False)
    ticks_by(pace, "worker", 2)


def test_when_beat_dies_a_worker_takes_over(fleet: Fleet, pace: Callable[[], dict[str, Any]]) -> None:
    processes = fleet()
    ticks_by(pace, "task", 1)
    processes["beat"].kill()
    ticks_by(pace, "worker", 2)


def test_a_beat_inside_a_worker_says_goodbye_with_it(worker: WorkerFactory, redis_url: str, tmp_path: Path) -> None:
    (tmp_path / "fleet.py").write_text(APP.format(settings=""))
    schedule = str(tmp_path / "schedule")
    with_beat = worker("fleet:app", concurrency=1, options=["--beat", "--schedule", schedule], cwd=tmp_path)
    store = Store.open(redis_url, "fleet", timeout_s=5.0)

    def goodbyes() -> dict[str, bool]:
        return {agent["role"]: agent["goodbye"] for agent in live.agents(store)}

    until(lambda: goodbyes().keys() >= {"beat", "worker"}, seconds=30, what="both are heard of")
    with_beat.stop()
    until(lambda: goodbyes().get("beat"), seconds=10, what="beat's goodbye")
    store.close()


def test_beat_alone_ticks_itself_and_sends_nothing(
    fleet: Fleet, pace: Callable[[], dict[str, Any]], broker: redis.Redis
) -> None:
    fleet(worker=False)
    ticks_by(pace, "beat", 3)
    assert waiting(broker) == []


@pytest.mark.parametrize(
    ("settings", "queues"),
    [
        ("", ["emails"]),
        ("app.conf.task_create_missing_queues = False\napp.conf.task_queues = {'emails': {}}", ["emails"]),
        (
            "app.conf.task_create_missing_queues = False\napp.conf.task_queues = {'emails': {}, 'celery': {}}",
            ["emails"],
        ),
        ("app.conf.task_routes = {'*': {'queue': 'nowhere'}}", None),
    ],
    ids=[
        "named queue",
        "named queue, none created",
        "default queue without worker",
        "a route for all",
    ],
)
def test_the_tick_goes_where_a_live_worker_takes_it(
    fleet: Fleet, pace: Callable[[], dict[str, Any]], broker: redis.Redis, settings: str, queues: list[str] | None
) -> None:
    processes = fleet(settings, queues=queues)
    ticks_by(pace, "task", 2)
    assert broker.llen("nowhere") == broker.llen("celery") == 0
    assert "Traceback" not in processes["beat"].log
    assert "ERROR" not in processes["worker"].log


def test_a_worker_that_takes_no_json_is_sent_no_json(fleet: Fleet, pace: Callable[[], dict[str, Any]]) -> None:
    processes = fleet("app.conf.accept_content = ['msgpack']\napp.conf.task_serializer = 'msgpack'")
    ticks_by(pace, "task", 2)
    assert "ContentDisallowed" not in processes["worker"].log
