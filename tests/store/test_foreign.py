"""Keys of ours that hold what somebody else has put there: they are named, kept, and stop only what needs them."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from celery_monitor.errors import BadRequest, StoreError
from celery_monitor.query.reader import Reader
from celery_monitor.store import foreign, inbox, lease
from celery_monitor.store.connection import Store
from celery_monitor.store.fold import fold
from celery_monitor.store.keys import Keys
from celery_monitor.web import answers
from tests.store import everything
from tests.store.batches import NOW_US, attempt, batch

NAMES = ("alerts", "blocks", "cursor:t", "inbox_tasks", "live", "pace", "retried", "runs", "skipped", "waits")
"""Of these and of their like; without the cursor or the inbox of counters nothing is counted at all."""


def put(store: Store, name: str) -> str:
    """Put something else under one of our keys; return the key."""
    key, kind = foreign.types(store.keys)[name]
    store.client.delete(key)
    _ = store.client.rpush(key, "theirs") if kind == "string" else store.client.set(key, "theirs")
    return key


@pytest.mark.parametrize("name", NAMES)
def test_a_key_that_is_somebody_elses_is_named_and_the_rest_of_the_tick_is_done(
    store: Store, redis_url: str, name: str
) -> None:
    now_us = lease.now_us(store)
    ticker = everything.ticker(store, redis_url)
    inbox.send(store, batch(1, [attempt(1, at_us=now_us)], at_us=now_us), None)
    key = put(store, name)
    before = store.client.dump(key)

    assert ticker.tick()
    assert ticker.tick()

    assert Reader(store).lifetime()["task", "shop.charge", "payments"].ended == 1
    assert store.client.dump(key) == before
    reader = Reader(store)
    for question, params in everything.questions().values():
        try:
            with suppress(answers.NotFound, BadRequest):
                question(reader, params)
        except StoreError as error:
            assert f"{key} holds a" in str(error)


@pytest.mark.parametrize("command", [("set", "theirs"), ("set", "theirs", 3600), ("rpush", "theirs")])
def test_a_lease_that_is_somebody_elses_is_named_in_health_and_told_once(
    store: Store, redis_url: str, caplog: pytest.LogCaptureFixture, command: tuple[Any, ...]
) -> None:
    ticker = everything.ticker(store, redis_url)
    name, *args = command
    getattr(store.client, name)(store.keys.lease, *args)

    assert not ticker.tick()
    assert not ticker.tick()

    assert len([message for message in caplog.messages if store.keys.lease in message]) == 1
    assert any(store.keys.lease in note for note in Reader(store).health()["notes"])


def test_a_lease_that_another_ticker_holds_is_no_trouble(store: Store) -> None:
    held = lease.take(store, "another", 10.0)

    assert held is not None
    assert lease.trouble(store) is None
    assert Reader(store).health()["notes"] == []
    held.release()
    assert lease.trouble(store) is None


def test_a_version_that_is_somebody_elses_is_named_in_health_and_told_once(
    store: Store, redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    ticker = everything.ticker(store, redis_url)
    inbox.send(store, batch(1, [attempt(1)]), None)
    key = put(store, "meta")

    ticker.tick()
    ticker.tick()

    assert len([message for message in caplog.messages if key in message]) == 1
    assert store.client.xlen(store.keys.inbox_tasks) == 1
    assert any(f"{key} holds a string, not our hash" in note for note in Reader(store).health()["notes"])


@pytest.mark.parametrize("name", ["inbox_tasks", "inbox_metrics", "inbox_bytes", "live"])
def test_an_agent_is_told_which_key_is_in_its_way(store: Store, name: str) -> None:
    key = put(store, name)

    with pytest.raises(StoreError, match="not our") as told:
        inbox.send(store, batch(1, [attempt(1)]), everything.silent(NOW_US))

    assert key in str(told.value)
    assert "monitor_namespace" in str(told.value)


def test_what_could_not_be_folded_waits_and_is_counted_once_when_the_key_is_free(store: Store) -> None:
    inbox.send(store, batch(1, [attempt(1)]), None)
    key = put(store, "waits")

    report = fold(store, NOW_US)

    assert report.aside == f"{key} holds a string, not our hash"
    assert store.client.xlen(store.keys.inbox_tasks) == 1
    assert Reader(store).lifetime(NOW_US)["task", "shop.charge", "payments"].ended == 1
    store.client.delete(key)
    assert fold(store, NOW_US).aside is None
    assert store.client.xlen(store.keys.inbox_tasks) == 0
    assert Reader(store).lifetime(NOW_US)["task", "shop.charge", "payments"].ended == 1


def test_every_key_there_is_one_of_has_the_type_that_is_looked_for(store: Store) -> None:
    everything.fill(store, NOW_US)

    assert foreign.find(store.client, store.keys) == {}
    wanted = foreign.types(Keys("shop"))
    assert len({key for key, _ in wanted.values()}) == len(wanted)
