"""What a real worker is said to be, do and lose: its children, their ends, its lives, its clock."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from celery_monitor.query import live, workers
from celery_monitor.query.reader import Reader
from celery_monitor.store import lease
from celery_monitor.store.connection import Store
from tests.agent import actors
from tests.agent.conftest import shm
from tests.conftest import WorkerFactory
from tests.monitor.shop import AFTER, ENV, publish
from tests.processes import CeleryProcess
from tests.signals.apart import apart
from tests.waiting import until

TASKS = """
import os, signal, time

@app.task(name="slow")
def slow():
    time.sleep(120)

@app.task(name="die")
def die():
    os.kill(os.getpid(), signal.SIGKILL)

@app.task(name="hard", time_limit=1)
def hard():
    time.sleep(120)

@app.task(name="leave")
def leave():
    os._exit(3)

@app.task(name="job")
def job(): ...

class Everything:
    # Published at once: starting a producer for each takes most of the time of the test.
    @staticmethod
    def delay():
        for task in (die, hard, leave, *[job] * 40):
            task.delay()

everything = Everything()
"""
__all__ = ["shm"]
NAME = "shop@here"
OPTIONS = ("--max-tasks-per-child", "5", "--max-memory-per-child", str(1 << 20))


def found(reader: Reader) -> dict[str, Any]:
    return reader.worker(NAME, "15m") or {"exits": {}, "children": [], "deaths": [], "state": None}


def test_a_workers_children_their_tasks_and_their_ends_are_told(
    worker: WorkerFactory, redis_url: str, store: Store, tmp_path: Path
) -> None:
    (tmp_path / "shop.py").write_text(AFTER + TASKS)
    env = {**ENV, "CELERY_MONITOR_RESOURCE_INTERVAL": "1", "CELERY_MONITOR_BUILD": "v1"}
    process = worker("shop:app", concurrency=3, cwd=tmp_path, env=env, hostname=NAME, options=OPTIONS)
    reader = Reader(store)
    publish(tmp_path, redis_url, 1, task="slow", env=env)

    def at_work() -> list[dict[str, Any]]:
        return [child for child in found(reader)["children"] if child["task"]]

    (child,) = until(at_work, seconds=30)
    assert child["task"]["task"] == "slow"
    assert child["pid"] in {each.pid for each in psutil.Process(process.pid).children()}
    assert (found(reader)["busy"], found(reader)["free"], found(reader)["slots"]) == (1, 2, 3)
    (most,) = re.findall(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{child['pid']}/status").read_text())
    assert child["peak_rss_bytes"] == pytest.approx(int(most) * 1024, rel=0.1)
    assert found(reader)["max_memory_per_child_bytes"] == 1 << 30

    publish(tmp_path, redis_url, 1, task="everything", env=env)

    def settled() -> bool:
        exits = found(reader)["exits"]
        return bool(sum(exits.values()) - exits.get("recycled", 0) >= 3 and exits.get("recycled", 0) >= 4)

    until(settled, seconds=40, what=f"ends: {found(reader)['exits']}\n{process.log[-2000:]}")
    told = found(reader)
    assert {death["exit"]: [run["task"] for run in death["running"]] for death in told["deaths"]} == {
        "SIGKILL": ["die"], "hard time limit": ["hard"], "exit 3": ["leave"],
    }  # fmt: skip
    assert {word: n for word, n in told["exits"].items() if word != "recycled"} == {
        "SIGKILL": 1, "hard time limit": 1, "exit 3": 1,
    }  # fmt: skip
    assert (told["state"], told["build"], told["pool"]) == ("ok", "v1", "prefork")

    process.kill()
    again = worker("shop:app", concurrency=1, cwd=tmp_path, env={**env, "CELERY_MONITOR_BUILD": "v2"}, hostname=NAME)
    until(lambda: found(reader).get("build") == "v2", seconds=30)
    assert found(reader)["max_memory_per_child_bytes"] is None
    assert (found(reader)["restarts"], [life["build"] for life in found(reader)["lives"]]) == (1, ["v2", "v1"])
    again.stop()
    until(lambda: found(reader)["state"] == "stopped", seconds=30)
    assert [life["stopped"] for life in found(reader)["lives"]] == [True, False]


def shifted(shm: str, url: str) -> tuple[int, str, str]:
    """Be a worker whose clock is a minute behind; return its offset, and its state by the live table and in full."""
    real = time.time_ns
    time.time_ns = lambda: real() - 60_000_000_000
    store = Store.open(url, "shop")
    actors.worker_parent(Path(shm))
    agent = actors.agent(Path(shm), store)
    actors.round_(agent)
    (state,) = Reader(store).latest()
    now_us = lease.now_us(store)
    return state["clock_us"], live.state(state, now_us), workers.condition(state, now_us, {})[0]


def test_a_worker_whose_clock_is_off_is_skewed_and_not_lost(shm: Path, redis_url: str) -> None:
    offset, plain, full = apart(shifted, str(shm), redis_url)
    assert abs(offset + 60_000_000) < 1_000_000
    assert (plain, full) == ("ok", "skewed")


def costly(shm: str, url: str) -> tuple[float, float]:
    """Return the pause after a sample that cost little, and after one that cost 60 ms of CPU."""
    actors.worker_parent(Path(shm))
    agent = actors.agent(Path(shm), Store.open(url, "shop"))
    actors.round_(agent)
    before, look = agent._pause_s, agent._look

    def dear(now_us: int) -> None:
        look(now_us)
        until_s = time.thread_time() + 0.06
        while time.thread_time() < until_s:
            pass

    agent._look = dear  # type: ignore[method-assign]
    actors.round_(agent)
    return before, agent._pause_s


def test_a_sample_that_costs_much_is_taken_less_often(shm: Path, redis_url: str) -> None:
    before, after = apart(costly, str(shm), redis_url)
    assert before == 5.0
    assert after >= 0.06 / 0.003


def test_flower_and_serve_are_among_the_processes_of_their_host(
    redis_url: str, store: Store, tmp_path: Path, runtime_dir: str
) -> None:
    (tmp_path / "shop.py").write_text(AFTER)
    env = {**ENV, "CELERY_BROKER_URL": redis_url, "CELERY_MONITOR_RUNTIME_DIR": runtime_dir}
    commands = {
        "flower": (["flower", "--port=0", "--address=127.0.0.1"], "Registered tasks"),
        "serve": (["monitor", "serve", "--port=0"], "/metrics"),
    }
    started = [
        CeleryProcess("shop:app", command, tmp_path / f"{role}.log", ready=ready, env=env, cwd=tmp_path)
        for role, (command, ready) in commands.items()
    ]
    try:
        for process in started:
            process.start()

        def counted() -> dict[str, int]:
            (row, *_) = Reader(store).hosts()["hosts"] or [{"processes": {}}]
            return {role: of["count"] for role, of in row["processes"].items() if of["count"] and of["rss_bytes"]}

        until(lambda: counted() == {"flower": 1, "serve": 1}, seconds=30, what=f"{[p.log[-500:] for p in started]}")
    finally:
        for process in started:
            process.ask_to_stop()
        for process in started:
            process.stop()
    until(lambda: Reader(store).hosts()["hosts"][0]["state"] == "gone", what="they said goodbye")
