"""What a tick judges, and what it leaves to the next one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from celery import Celery

from celery_monitor.alerts import ledger
from celery_monitor.alerts.judge import Reading, judge
from celery_monitor.alerts.rules import load_rules
from celery_monitor.live_state import AgentState, Pace
from celery_monitor.query.reader import Reader
from celery_monitor.settings import Settings
from celery_monitor.store import inbox, lease, live, meta
from celery_monitor.store.connection import Store
from celery_monitor.tick import Tick
from tests import fleet

S = 1_000_000
INTERVAL_S = 5.0
RUNNING = {"uid": "01" * 12, "id": "x", "run": "11" * 16, "task": "shop.report", "queue": "payments", "pid": 1}


@pytest.fixture
def store(redis_url: str) -> Iterator[Store]:
    found = Store.open(redis_url, "ticks", timeout_s=5.0)
    meta.check(found)
    yield found
    found.close()


@pytest.fixture
def tick(store: Store, redis_url: str) -> Iterator[Tick]:
    settings = Settings(url=redis_url, namespace="ticks", tick_interval=INTERVAL_S)
    with closing(Tick(Celery("ticks", broker=redis_url), settings, store, "task", "b0")) as found:
        yield found


def ticked(store: Store, ago_s: float, *, deaf: bool = False) -> None:
    """Let the last tick have been so long ago."""
    pace: Pace = {
        "agents": 1, "folded_us": lease.now_us(store) - round(ago_s * S), "by": "b0", "role": "task",
        "interval_s": INTERVAL_S, "queues": [], "one_in": 1, "one_in_us": 0, "task_us": 0, "deaf": deaf,
    }  # fmt: skip
    live.set_pace(store, pace)


def speak(store: Store, name: str, ago_s: float, **more: Any) -> None:
    """Let a worker have spoken so long ago; it began an hour ago."""
    now_us = lease.now_us(store)
    fields: dict[str, Any] = {
        "hostname": name, "host": name, "boot": name.encode().hex().ljust(32, "0"), "at_us": now_us - round(ago_s * S),
        "started_us": now_us - 3600 * S, "interval_s": 10.0, "running": [],
    }  # fmt: skip
    state: AgentState = {**fleet.worker(now_us), **fields, **more}  # type: ignore[typeddict-item]
    inbox.send(store, None, state)


def firing(store: Store) -> set[tuple[str, str]]:
    return {(row["rule"], row["subject"]) for row in ledger.read(store) if row["state"] == "firing"}


def test_a_store_that_was_away_for_minutes_makes_nobody_lost(store: Store, tick: Tick) -> None:
    """Who ticks first has spoken again, the others have had no chance to."""
    running = [{**RUNNING, "started_us": lease.now_us(store) - 700 * S}]
    speak(store, "first", 0.2)
    speak(store, "second", 610, running=running)
    speak(store, "dead", 608)
    ticked(store, 605)

    assert tick.once()

    assert firing(store) == set()
    assert Reader(store).executions(state="LOST")["executions"] == []

    speak(store, "second", 0, running=running)
    assert tick.once()
    assert firing(store) == {("worker_lost", "dead")}


def test_what_fired_before_the_store_was_away_is_not_resolved_by_that(store: Store, tick: Tick) -> None:
    then_us = lease.now_us(store) - 300 * S
    ledger.write(store, *judge([Reading("backlog", "mail", 212, "messages")], load_rules(None), {}, then_us))
    speak(store, "only", 300)
    ticked(store, 300)

    assert tick.once()

    assert firing(store) == {("backlog", "mail")}

    ticked(store, 20, deaf=True)
    assert tick.once()
    assert firing(store) == {("worker_lost", "only")}, "ticks that are always late must not put it off for ever"


def test_where_the_ticker_died_and_others_went_on_speaking_a_silent_worker_is_lost_at_once(
    store: Store, tick: Tick
) -> None:
    speak(store, "lives", 6)
    speak(store, "dead", 20)
    ticked(store, 20)

    assert tick.once()

    assert firing(store) == {("worker_lost", "dead")}


def test_when_an_entry_could_not_be_decoded_is_kept_from_tick_to_tick(store: Store, tick: Tick) -> None:
    speak(store, "lives", 0)
    store.client.xadd(store.keys.inbox_metrics, {"h": b"no head of ours", "d": b""})
    times = []
    for _ in range(2):
        assert tick.once()
        found = live.pace(store)
        assert found
        times.append((found["undecodable_us"], found["folded_us"]))
    assert times[1][0] == times[0][0] == times[0][1] < times[1][1]
    assert Reader(store).summary()["state"] == "warning"
