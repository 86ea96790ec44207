"""Who ticks, when: callers wait in order of preference, one at a time, and who ticked last goes on."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing

import pytest
import redis
from celery import Celery

from celery_monitor import periodic
from celery_monitor.live_state import Pace
from celery_monitor.monitor import Monitor
from celery_monitor.periodic import Ticker
from celery_monitor.settings import Settings
from celery_monitor.store import lease, live, meta
from celery_monitor.store.connection import Store, connect
from tests.signals.apart import apart
from tests.waiting import until

INTERVAL_S = 2.0


@pytest.fixture
def store(redis_url: str) -> Iterator[Store]:
    found = Store.open(redis_url, "periodic", timeout_s=5.0)
    meta.check(found)
    yield found
    found.close()


def ticker(store: Store, redis_url: str, role: str, boot: str = "b0") -> Ticker:
    app = Celery("periodic", broker=redis_url)
    settings = Settings(url=redis_url, namespace="periodic", tick_interval=INTERVAL_S)
    return Ticker(app, settings, store, role, boot)


def pace(intervals_ago: float, by: str = "somebody", role: str = "task") -> Pace:
    folded_us = int((time.time() - intervals_ago * INTERVAL_S) * 1e6)
    return {
        "agents": 1,
        "folded_us": folded_us,
        "by": by,
        "role": role,
        "interval_s": INTERVAL_S,
        "queues": [],
        "task_us": 0,
    }


def ticks(store: Store, redis_url: str, role: str, last: Pace | None, boot: str = "b0") -> bool:
    """Tell whether a fresh ticker steps in when this is what it last read."""
    with closing(ticker(store, redis_url, role, boot)) as one:
        one.due(last)
    found = live.pace(store)
    store.client.delete(store.keys.pace)
    return found is not None and (found["by"], found["role"]) == (boot, role)


@pytest.mark.parametrize(("role", "patience"), [("beat", 2), ("serve", 3), ("worker", 4)])
def test_each_caller_waits_longer_than_the_one_before_it(
    store: Store, redis_url: str, role: str, patience: int
) -> None:
    assert not ticks(store, redis_url, role, pace(patience - 0.5))
    assert ticks(store, redis_url, role, pace(patience + 0.7)), "with its jitter of half an interval"


def test_who_ticked_last_goes_on_at_the_normal_pace(store: Store, redis_url: str) -> None:
    assert ticks(store, redis_url, "worker", pace(1.1, by="b0", role="worker"))
    assert not ticks(store, redis_url, "worker", pace(0.5, by="b0", role="worker"))


@pytest.mark.parametrize("ahead_s", [-600.0, 600.0])
def test_whose_turn_it_is_does_not_hang_on_a_clock_that_is_off(
    store: Store, redis_url: str, monkeypatch: pytest.MonkeyPatch, ahead_s: float
) -> None:
    """By a clock behind the store's nobody would tick for minutes; by one ahead everybody would, all the time."""
    early, late, ours = pace(0.5), pace(5), time.time
    monkeypatch.setattr(periodic.time, "time", lambda: ours() + ahead_s)
    assert not ticks(store, redis_url, "worker", early)
    assert ticks(store, redis_url, "worker", late)


def test_the_task_in_a_pool_child_does_not_make_its_workers_agent_the_ticker(store: Store, redis_url: str) -> None:
    """They are one instance: else agent and task would both tick for ever."""
    assert not ticks(store, redis_url, "worker", pace(1.1, by="b0", role="task"))


def test_what_an_agent_read_a_heartbeat_ago_does_not_make_it_step_in(store: Store, redis_url: str) -> None:
    live.set_pace(store, pace(0.1))
    assert not ticks(store, redis_url, "beat", pace(5))


def test_when_the_task_last_ran_is_known_though_others_have_ticked_since(store: Store, redis_url: str) -> None:
    with closing(ticker(store, redis_url, "task")) as task:
        task.tick()
    ran = live.pace(store)
    assert ran is not None
    assert ran["task_us"] == ran["folded_us"]
    with closing(ticker(store, redis_url, "beat")) as beat:
        beat.tick()
    now = live.pace(store)
    assert now is not None
    assert (now["role"], now["task_us"]) == ("beat", ran["task_us"])


def test_where_nobody_ever_ticked_anybody_does(store: Store, redis_url: str) -> None:
    assert ticks(store, redis_url, "worker", None)


def test_only_one_ticks_at_a_time(store: Store, redis_url: str) -> None:
    held = lease.take(store, "other", 10)
    assert held is not None
    with closing(ticker(store, redis_url, "task")) as one:
        assert one.tick() is False
        held.release()
        assert one.tick() is True
    assert store.client.get(store.keys.lease) is None, "it is given back"


def test_the_task_holds_no_connection_between_ticks(redis_url: str) -> None:
    """Any child of a pool may be the next to tick, and all of them live on."""
    app = Celery("periodic", broker=redis_url)
    settings = Settings(url=redis_url, namespace="periodic")
    with redis.Redis.from_url(redis_url.replace("redis+socket", "unix")) as watcher:
        before = {client["id"] for client in watcher.client_list()}
        one = Ticker(app, settings, Store.open(redis_url, "periodic", timeout_s=5.0), "task", "b0")

        def opened() -> set[str]:
            return {client["cmd"] for client in watcher.client_list() if client["id"] not in before}

        assert one.tick()
        assert "info" in opened(), "what the broker was asked last"
        one.close()
        until(lambda: not opened(), what="those to the store and those to the broker are closed")
        assert one.tick(), "it opens others when it is its turn again"
        one.close()


def test_a_store_that_is_away_costs_a_caller_nothing(redis_url: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "celery_monitor")
    away = Store.open("redis+socket:///nonexistent/r.sock", "periodic", timeout_s=0.1)
    one = ticker(away, redis_url, "worker")
    one.due(None)
    one.due(None)
    tried = [message for message in caplog.messages if "no tick" in message]
    assert len(tried) == 1, "not again before the next interval"


WAITS_ITS_TURN = """
import sys
from tests.test_periodic import Store, pace, ticker

url = sys.argv[1]
ticker(Store.open(url, "periodic", timeout_s=5.0), url, "worker").due(pace(0.1))
print("celery_monitor.query" in sys.modules, "celery_monitor.store.fold" in sys.modules)
"""

FORKS_WHILE_IT_LOADS = """
import os, signal, sys, threading
from celery_monitor import periodic

sys.setswitchinterval(1e-6)
loader = threading.Thread(target=periodic._load)
loader.start()
children = 0
while loader.is_alive():
    child = os.fork()
    if not child:
        signal.alarm(20)  # SIGALRM ends a child that waits for ever
        periodic._load()
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    if status:
        sys.exit(f"a child ended with {status}")
    children += 1
print(children > 0)
"""


def run(script: str, *args: str) -> str:
    done = subprocess.run([sys.executable, "-c", script, *args], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.strip()


def test_a_process_that_does_not_tick_never_loads_what_a_tick_needs(redis_url: str) -> None:
    assert run(WAITS_ITS_TURN, redis_url) == "False False"


def test_a_child_that_is_forked_while_a_thread_loads_the_tick_can_load_it_too() -> None:
    assert run(FORKS_WHILE_IT_LOADS) == "True"


def ticked_and_stopped(url: str) -> tuple[bool, int]:
    """Return whether a tick of a worker's agent connected to the broker, and how often it still is after its end."""
    broker = url + "?virtual_host=1"
    app = Celery("periodic", broker=broker)
    app.conf.monitor_url = url
    agent = Monitor(app)._new_agent("worker", "celery@a")
    with closing(connect(broker, 5.0)) as client:
        opened = []
        for stage in (agent.round, agent.round, lambda: agent.stop(5.0)):  # the first round does not tick
            stage()
            opened.append(sum(row["db"] == "1" for row in client.client_list()) - 1)
    return opened[1] > 0, opened[2]


def test_an_agent_that_ends_closes_what_its_ticks_have_opened(redis_url: str) -> None:
    assert apart(ticked_and_stopped, redis_url) == (True, 0)
