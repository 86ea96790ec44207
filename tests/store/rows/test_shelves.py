"""Executions and logs have bytes of their own: neither displaces the other."""

from __future__ import annotations

import random
from typing import Any

import pytest

from celery_monitor.details import Log
from celery_monitor.model import Batch
from celery_monitor.query.reader import Reader
from celery_monitor.signals.record import State, unpack_id
from celery_monitor.store import inbox, usage
from celery_monitor.store.connection import Store
from celery_monitor.store.encoding import columns, joining
from celery_monitor.store.encoding.columns import SCHEMAS
from celery_monitor.store.fold import fold
from celery_monitor.store.rows import blocks, shelves
from tests.store.batches import BOOT, NOW_US, attempt, batch, task_id

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


def log(n: int) -> Log:
    """Return a record whose text compresses badly."""
    chance = random.Random(n)
    message = "".join(chance.choices(LETTERS, k=1500))
    uid = b"ring-id-" + n.to_bytes(4, "little")
    return Log(task_id(n), b"", uid, 30, "shop", message, "", "", "shop.charge", "", "celery@a", NOW_US - 10**6 + n)


def test_a_flood_of_logs_displaces_no_execution(redis_url: str) -> None:
    store = Store.open(redis_url, "flood", executions_bytes=1_000_000, log_bytes=500_000)
    failed = attempt(5000, state=int(State.FAILURE), exception="KeyError")
    inbox.send(store, batch(1, [attempt(n) for n in range(3000)] + [failed]), None)
    fold(store, NOW_US)
    before = usage.read(store, NOW_US)
    for n in range(2, 12):
        made = Batch(BOOT, n, "host-a", NOW_US)
        made.details["logs"] = [log(k) for k in range(200 * n, 200 * n + 200)]
        inbox.send(store, made, None)
        fold(store, NOW_US)

    after = usage.read(store, NOW_US)
    assert after.executions == before.executions
    assert 150_000 < after.logs <= 1.1 * 500_000 + 200_000  # and the block that is being filled
    reader = Reader(store)
    assert reader.execution(unpack_id(task_id(0)), NOW_US) is not None
    assert len(reader.logs(limit=500, now_us=NOW_US)["logs"]) > 100
    assert after.total == sum((after.executions, after.logs, after.rollups, after.inbox, after.rest))
    store.close()


def test_what_failed_outlives_what_did_not(redis_url: str) -> None:
    store = Store.open(redis_url, "outlives", executions_bytes=200_000)
    failed = attempt(10**6, state=int(State.FAILURE), exception="KeyError", message="'sku'")
    inbox.send(store, batch(1, [attempt(n) for n in range(1999)] + [failed]), None)
    for n in range(2, 12):
        inbox.send(store, batch(n, [attempt(n * 2000 + k) for k in range(2000)]), None)
        fold(store, NOW_US)
    reader = Reader(store)
    assert reader.execution(unpack_id(task_id(0)), NOW_US) is None
    (found,) = reader.executions(state="FAILURE", now_us=NOW_US)["executions"]
    assert found["attempts"][0]["exception"]["message"] == "'sku'"
    assert reader.execution(found["id"], NOW_US) is not None
    store.close()


@pytest.mark.parametrize("state", [State.SUCCESS, State.RETRY, State.FAILURE, State.LOST])
def test_each_row_lies_on_one_shelf(state: State) -> None:
    rows: dict[str, list[Any]] = {"attempts": [attempt(1), attempt(2, state=int(state))], "logs": [log(1)]}
    found = shelves.sort_out(columns.encode({n: columns.from_rows(SCHEMAS[n], r) for n, r in rows.items()}), 0)
    tables = [blocks.read(joining.join([joining.of_columns(part)])) for part in (found.well, found.ill)]
    bad = state in {State.FAILURE, State.LOST}
    on = [table["attempts"]["id"] for table in tables]
    assert on == ([[task_id(1)], [task_id(2)]] if bad else [[task_id(1), task_id(2)], []])
    assert ["logs" in table for table in tables] == [False, True]
    assert found.rows == 3
