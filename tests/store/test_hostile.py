"""Whatever bytes lie under our keys: folds and ticks go on, what is new is counted once, every question is answered."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
import redis
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from celery_monitor.cli.embedded import EmbeddedServer
from celery_monitor.errors import StoreRefused
from celery_monitor.live_state import AgentState
from celery_monitor.model import Attempt, Batch, Metrics
from celery_monitor.query.reader import Reader
from celery_monitor.signals.record import State
from celery_monitor.store import inbox, lease
from celery_monitor.store.connection import Store
from celery_monitor.store.cursor import MetricsCursor, TasksCursor
from celery_monitor.store.encoding import packing
from celery_monitor.store.encoding.blob import Blob
from celery_monitor.store.fold import fold
from celery_monitor.store.report import BROKEN_BLOB, UNDECODABLE
from celery_monitor.store.rows import lost, waits
from tests.store import everything, hostile
from tests.store.batches import BOOT, NOW_US, agent, attempt, batch
from tests.store.counting import rows

SECOND = 1_000_000
TASK = ("task", "shop.charge", "payments")
KINDS = (
    "alerts", "b", "beats", "blockinfo", "blocks", "broker", "cursor:m", "cursor:t", "fires", "inboxbytes", "l:b",
    "l:blockinfo", "l:blocks", "l:x", "lifetime", "live", "lost", "m", "pace", "r", "retried", "rollupbytes", "runs",
    "seen:m", "seen:t", "skipped", "t", "waits", "workers", "x",
)  # fmt: skip
"""What a key is for. `meta` is missing: a store whose version cannot be read is left alone, and says so."""


class Filled:
    """A store with something under every key, as it was again whenever it is wished."""

    def __init__(self, url: str) -> None:
        self.store = Store.open(url, "shop", identity_labels=("customer",))
        everything.fill(self.store, lease.now_us(self.store))
        client = self.store.client
        self._saved = {key: (max(client.pttl(key), 0), client.dump(key)) for key in client.keys("*")}
        self.keys: dict[str, list[str]] = {}
        for key in sorted(map(bytes.decode, self._saved)):
            self.keys.setdefault(_kind(key), []).append(key)
        self.ticker = everything.ticker(self.store, url)

    def restore(self) -> None:
        pipe = self.store.client.pipeline(transaction=False)
        pipe.flushall()
        for key, (ttl, value) in self._saved.items():
            pipe.restore(key, ttl, value)
        pipe.execute()
        self.store.room = None


def _kind(key: str) -> str:
    """``cm:{shop:0}:r:10:1763636400:tq`` is of kind r."""
    found = re.match(r"((?:l:)?[a-z]+(?::[mt]$)?)", re.sub(r":\d{5}$", "", key.split("}:")[1]))
    assert found, key
    return found[1]


@pytest.fixture(scope="module")
def filled(redis_server: EmbeddedServer) -> Iterator[Filled]:
    with redis.Redis.from_url(redis_server.client_url) as client:
        client.flushall()
    found = Filled(redis_server.url)
    yield found
    found.store.close()


def test_there_is_something_under_every_kind_of_key_and_every_question_is_answered(filled: Filled) -> None:
    filled.restore()

    assert sorted(filled.keys) == sorted((*KINDS, "meta"))
    assert everything.ask(filled.store).keys() == everything.questions().keys()


@settings(max_examples=12, phases=(Phase.explicit, Phase.generate))  # a seed does not shrink
@given(st.lists(st.sampled_from(KINDS), min_size=1, max_size=6, unique=True), st.integers(0, 2**32))
@example(list(KINDS), 1)
@example(list(KINDS), 2)
def test_nothing_that_lies_under_a_key_stops_a_tick_or_an_answer(filled: Filled, kinds: list[str], seed: int) -> None:
    filled.restore()
    store, rng = filled.store, random.Random(seed)
    for kind in kinds:
        hostile.spoil(store, rng.choice(filled.keys[kind]), rng)
    everything.ask(store)
    now_us = lease.now_us(store)
    one = attempt(10**6, at_us=now_us, task="good")
    new = batch(1, [one], boot=b"a boot like none", at_us=now_us)
    if not _takes(store, new, agent(at_us=now_us)):  # a count of bytes that is too large lasts until all is folded
        dropped = bool(store.dropped)
        assert filled.ticker.tick()
        assert filled.ticker.tick()
        left = Metrics() if dropped else new.metrics  # where only rows found no room
        assert _takes(store, replace(new, n=2, metrics=left), agent(at_us=now_us))

    assert filled.ticker.tick()
    assert filled.ticker.tick()  # where nobody was heard for a minute the first one judges nobody
    assert filled.ticker.tick()  # what it has handed in is folded as well

    everything.ask(store)
    assert (store.client.xlen(store.keys.inbox_metrics), store.client.xlen(store.keys.inbox_tasks)) <= (1, 0)
    assert Reader(store).tasks(600)["good"].ended == 1
    assert Reader(store).lifetime()["task", "good", "payments"].ended == 1
    assert times_stored(store, one) == 1


def _takes(store: Store, new: Batch, state: AgentState) -> bool:
    """Hand a batch in; return whether there was room for it and its rows."""
    store.dropped.clear()
    with suppress(StoreRefused):
        inbox.send(store, new, state)
        return not store.dropped
    return False


def times_stored(store: Store, row: Attempt) -> int:
    """Return how often an attempt is in the blocks that can be read."""
    times = 0
    for key in store.client.keys(store.keys.executions.block(0)[:-1] + "*"):
        with suppress(packing.Undecodable):
            times += Blob(store.client.get(key)).column("attempts", "uid").count(row.uid)
    return times


def test_what_was_left_out_is_counted_and_told(store: Store) -> None:
    inbox.send(store, batch(1, [attempt(1)]), None)
    fold(store, NOW_US)
    for key in (store.keys.cursor("m"), store.keys.cursor("t"), store.keys.lifetime):
        store.client.set(key, b"broken")
    store.client.xadd(store.keys.inbox_tasks, {"h": packing.pack([1, BOOT, 9, "x", 1]), "d": b"broken"})
    inbox.send(store, batch(2, [attempt(2)]), None)

    fold(store, NOW_US)

    health = Reader(store).health(NOW_US)
    assert health["skipped_entries"] == 1
    assert f"left out since ever: {BROKEN_BLOB}: 3" in health["notes"]
    assert f"left out since ever: {UNDECODABLE}: 1" in health["notes"]


def test_a_broken_cursor_of_rows_is_found_again_and_no_block_is_written_over(store: Store) -> None:
    inbox.send(store, batch(1, [attempt(1), attempt(2, state=int(State.FAILURE))]), None)
    fold(store, NOW_US)
    before = TasksCursor.load(store.client.get(store.keys.cursor("t")))
    store.client.set(store.keys.cursor("t"), packing.pack(["0-0", "no shelf", 7]))
    inbox.send(store, batch(2, [attempt(3)]), None)

    fold(store, NOW_US)

    assert rows(store) == {attempt(n).uid: 1 for n in (1, 2, 3)}
    after = TasksCursor.load(store.client.get(store.keys.cursor("t")))
    assert (after.executions.first, after.executions.number) == (1, 2)
    assert after.executions.stored_bytes > before.executions.stored_bytes
    assert after.logs.stored_bytes == before.logs.stored_bytes


@pytest.mark.parametrize(
    "far", [["9" * 18 + "-0", {}, 0, 0, {}], ["0-0", {60: 0}, 1 << 61, 0, {}], ["", {60: 1 << 61}]]
)
def test_a_cursor_far_away_from_now_neither_stops_the_fold_nor_keeps_it_for_ever(store: Store, far: Any) -> None:
    fold(store, NOW_US)
    store.client.set(store.keys.cursor("m"), packing.pack(far))
    store.client.set(store.keys.cursor("t"), packing.pack(["9" * 18 + "-0", [1, 1, 0, 0], [1, 1, 0, 0]]))
    inbox.send(store, batch(1, [attempt(1)]), None)

    fold(store, NOW_US)

    assert Reader(store).lifetime(NOW_US)[TASK].ended == 1
    assert rows(store) == {attempt(1).uid: 1}


def test_a_broken_cursor_of_counters_loses_and_doubles_nothing(store: Store) -> None:
    start = NOW_US - 3600 * SECOND
    fold(store, start)
    for n in range(1, 121):
        at = start + n * 30 * SECOND
        inbox.send(store, batch(n, [attempt(n, at_us=at)], at_us=at), None)
        if n % 20 == 0:
            fold(store, at)
    store.client.set(store.keys.cursor("m"), packing.pack(["0-0", {"60": None}, 0, 0, {}]))
    inbox.send(store, batch(121, [attempt(121)]), None)

    assert Reader(store).tasks(7200, NOW_US)["shop.charge"].ended == 121
    fold(store, NOW_US)

    assert Reader(store).tasks(7200, NOW_US)["shop.charge"].ended == 121
    assert Reader(store).lifetime(NOW_US)[TASK].ended == 121
    assert MetricsCursor.load(store.client.get(store.keys.cursor("m"))).rolled[60] > start // SECOND


def book_lost(store: Store) -> Attempt:
    """Book an attempt of a silent worker as LOST; return its end, which comes after all."""
    told = everything.silent(NOW_US)
    inbox.send(store, None, told)
    assert lost.book(store, told, store.client.hget(store.keys.live, told["boot"]), (), NOW_US) == 1
    fold(store, NOW_US)
    return attempt(8, workflow="report", step="shop.charge", run=everything.RUN)


@pytest.mark.parametrize("change", [lambda fields: fields[:27], lambda fields: [*fields, "new", 7], lambda f: f])
def test_a_note_on_a_lost_attempt_is_understood_from_older_and_newer_releases(store: Store, change: Any) -> None:
    ended = book_lost(store)
    bucket, fields = packing.unpack(store.client.hget(store.keys.lost, ended.uid))
    store.client.hset(store.keys.lost, ended.uid, packing.pack([bucket, change(fields)]))
    inbox.send(store, batch(1, [ended]), None)

    fold(store, NOW_US)

    counts = Reader(store).lifetime(NOW_US)[TASK].counts
    assert {state: n for state, n in counts.items() if n} == {int(State.SUCCESS): 1}
    assert not store.client.exists(store.keys.lost)


@pytest.mark.parametrize("note", [b"", b"\xc1", packing.pack([10]), packing.pack(["x", [1, 2]]), packing.pack(7)])
def test_a_broken_note_on_a_lost_attempt_goes_and_its_end_counts(store: Store, note: bytes) -> None:
    ended = book_lost(store)
    store.client.hset(store.keys.lost, ended.uid, note)
    inbox.send(store, batch(1, [ended]), None)

    fold(store, NOW_US)

    assert Reader(store).lifetime(NOW_US)[TASK].counts[int(State.SUCCESS)] == 1
    assert not store.client.exists(store.keys.lost)


def test_a_wait_with_columns_of_a_newer_release_is_read(store: Store) -> None:
    (begun, *_) = everything.details(NOW_US)["waits"]
    store.client.hset(store.keys.waits, begun.key, packing.pack([*begun, "new"]))

    assert waits.open_waits(store) == [begun]


@pytest.mark.parametrize("field", ["inbox_bytes", "skipped"])
def test_a_count_that_is_none_is_begun_anew(store: Store, field: str) -> None:
    store.client.hset(getattr(store.keys, field), mapping={"m": "many", "t": "nan", UNDECODABLE: "1e9"})
    inbox.send(store, batch(1, [attempt(1)]), None)
    store.client.xadd(store.keys.inbox_tasks, {"something": "else"})

    fold(store, NOW_US)

    assert Reader(store).health(NOW_US)["skipped_entries"] == 1
    assert Reader(store).lifetime(NOW_US)[TASK].ended == 1


def test_sums_beyond_64_bits_are_kept_roughly(store: Store) -> None:
    for n in range(1, 12):
        made = batch(n, [attempt(n)])
        made.metrics.cells[NOW_US // SECOND // 10 * 10][TASK].runtime.total = 1 << 61
        inbox.send(store, made, None)
        fold(store, NOW_US)

    assert Reader(store).lifetime(NOW_US)[TASK].ended == 11
    assert Reader(store).tasks(60, NOW_US)["shop.charge"].runtime.total > 1 << 64


def test_states_waits_and_beats_that_are_none_are_counted_and_told(store: Store) -> None:
    for key in (store.keys.live, store.keys.waits, store.keys.beats):
        store.client.hset(key, mapping={"a": b"broken", "b": b"\xc1"})

    health = Reader(store).health(NOW_US)

    assert health["skipped_entries"] == 6
    for what in ("states of agents", "open waits", "schedules of beats"):
        assert f"left out, for they cannot be decoded: 2 {what}" in health["notes"]
