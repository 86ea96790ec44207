"""The answers about queues from records: their documented shape, and what is said of what looks wrong."""

from __future__ import annotations

from typing import Any

import pytest

from celery_monitor.query.reader import Reader
from celery_monitor.signals.record import unpack_id
from celery_monitor.store import broker, inbox
from celery_monitor.store.connection import Store
from celery_monitor.store.fold import fold
from tests.query.test_documented import examples, same
from tests.store.batches import NOW_US, agent, attempt, batch, gauge, publish, task_id

S = 1_000_000


@pytest.fixture
def reader(store: Store) -> Reader:
    """Thirty published, ten ended in the last minute; a worker with a full slot that holds two of the rest."""
    ends = [attempt(n, at_us=NOW_US - (n + 1) * S) for n in range(10)]
    made = batch(1, ends, [publish(n, at_us=NOW_US - (40 - n) * S) for n in range(30)])
    gauge(made, NOW_US - 2 * S, ("queue", "payments"), backlog=18.0, oldest_s=28.0, unacked=2.0, running=1.0)
    gauge(made, NOW_US - 2 * S, ("queue", "paymnets"), backlog=4.0)
    running = {
        "uid": "00" * 12, "id": "x", "run": "11" * 16, "task": "shop.report", "queue": "payments", "pid": 901,
        "started_us": NOW_US - 250 * S, "flags": 0,
    }  # fmt: skip
    held = [
        [unpack_id(task_id(n)), "shop.charge", "payments", NOW_US - 5 * S, S, 0] for n in (10, 11)
    ]  # fmt: skip
    state = agent(slots=1, running=[running], prefetched={"payments": 2}, held=held, queues=["payments", "unfed"])
    inbox.send(store, made, state)
    look: Any = {
        "at_us": NOW_US - 2 * S, "kind": "redis", "notes": {"payments": "unacked: over 1000"}, "visibility_s": 3600.0,
        "oldest": {}, "health": {"store": {"used_bytes": 10.0, "max_bytes": 40.0, "run_id": "r", "errors": []}},
    }  # fmt: skip
    broker.write(store, look)
    fold(store, NOW_US)
    return Reader(store)


def test_the_answers_have_the_documented_shape(reader: Reader) -> None:
    (page,) = examples("/queues?window=1h")
    same(reader.queues("1h", NOW_US), page)
    (documented,) = examples("/queues/{name}?window=1h")
    found = reader.queue("payments", "1h", NOW_US) or {}
    assert found.keys() == documented.keys() - {"…"} | page["queues"][0].keys() - {"spark"}
    same(found["workers"], documented["workers"])
    same(found["tasks"], documented["tasks"])
    assert all(len(points) == len(found["series"]["t"]) for points in found["series"].values())
    (why,) = examples("/queues/{name}/waiting?limit=50")
    same(reader.waiting("payments", 50, NOW_US), why)


def test_health_tells_of_the_servers(reader: Reader) -> None:
    _, documented = None, examples("/health")[0]["redis"]
    found = reader.health(NOW_US)["redis"]
    assert found.keys() == documented.keys()
    assert found["broker"] is None
    assert found["store"].keys() == documented["broker"].keys()
    assert (found["store"]["memory_ratio"], found["store"]["clients"], found["same_server"]) == (0.25, None, None)


def test_rates_are_of_the_last_minutes_and_tell_when_a_queue_is_empty(reader: Reader) -> None:
    rows = {row["queue"]: row for row in reader.queues("1h", NOW_US)["queues"]}
    row = rows["payments"]
    assert (row["backlog"], row["held"], row["running"], row["consumers"]) == (18, 2, 1, 1)
    assert row["in_per_second"] > row["out_per_second"] > 0
    assert row["empties_in_seconds"] is None, "more comes than ends"


def test_what_looks_wrong_is_said(reader: Reader) -> None:
    rows = {row["queue"]: row["notes"] for row in reader.queues("1h", NOW_US)["queues"]}
    assert rows["paymnets"] == ["no worker consumes this queue; did you mean 'payments', which is consumed?"]
    assert rows["unfed"] == ["nobody has ever published to this queue"]
    assert rows["payments"] == ["unacked: over 1000"]


def test_the_oldest_and_the_newest_that_wait_are_listed_with_their_reason(reader: Reader) -> None:
    found = reader.waiting("payments", 5, NOW_US) or {}
    assert len(found["oldest"]) == len(found["newest"]) == 5
    assert [row["id"] for row in found["oldest"][:2]] == [unpack_id(task_id(n)) for n in (10, 11)]
    assert [row["because"] for row in found["oldest"]] == ["slot", "slot", "broker", "broker", "broker"]
    assert found["newest"][0]["id"] == unpack_id(task_id(29))
    assert found["oldest"][0]["slots"][0]["seconds"] == 250.0


def test_what_was_published_before_the_oldest_message_is_not_waiting_any_more(store: Store, reader: Reader) -> None:
    """Its queue was purged: it will never start, and it is not in the broker."""
    inbox.send(store, batch(2, [], [publish(99, at_us=NOW_US - 3000 * S)]), None)
    found = reader.waiting("payments", 100, NOW_US) or {}
    assert unpack_id(task_id(99)) not in {row["id"] for row in found["oldest"]}
    assert len(found["oldest"]) == 20


def test_where_the_broker_does_not_tell_its_oldest_message_the_oldest_publishes_are_looked_for(
    store: Store, reader: Reader
) -> None:
    made = batch(2, [], [publish(100 + n, at_us=NOW_US - (3000 - n) * S, queue="other") for n in range(60)])
    gauge(made, NOW_US - S, ("queue", "other"), backlog=60.0)
    inbox.send(store, made, None)
    found = reader.waiting("other", 5, NOW_US) or {}
    assert [row["id"] for row in found["oldest"]] == [unpack_id(task_id(100 + n)) for n in range(5)]
    assert [row["id"] for row in found["newest"]] == [unpack_id(task_id(159 - n)) for n in range(5)]
    assert {row["because"] for row in found["oldest"]} == {"no_consumer"}


def test_one_execution_says_why_it_waits_and_one_that_ended_does_not(reader: Reader) -> None:
    held = reader.execution(unpack_id(task_id(10)), NOW_US) or {}
    assert (held["state"], held["waiting"]["because"], held["waiting"]["held_by"]) == ("WAITING", "slot", "celery@a")
    assert held["waiting"]["hold_error_seconds"] == 1.0
    ended = reader.execution(unpack_id(task_id(3)), NOW_US) or {}
    assert (ended["state"], ended["waiting"]) == ("SUCCESS", None)
    assert reader.waiting("never-heard-of", None, NOW_US) is None


def test_the_age_of_the_oldest_message_is_forgotten_when_the_next_look_cannot_tell_it(
    reader: Reader, store: Store
) -> None:
    made = batch(2, [], [])
    gauge(made, NOW_US - S, ("queue", "payments"), backlog=20.0)
    inbox.send(store, made, None)
    fold(store, NOW_US)

    row = reader.queue("payments", "1h", NOW_US) or {}

    assert (row["backlog"], row["oldest_seconds"]) == (20, None)


def rows_of(store: Store, now_us: int = NOW_US) -> dict[str, dict[str, Any]]:
    return {row["queue"]: row for row in Reader(store).queues("1h", now_us)["queues"]}


def test_what_publishers_without_a_monitor_send_is_seen_in_what_waits(store: Store) -> None:
    for name, then, now in (("payments", 100.0, 400.0), ("mail", 200.0, 100.0), ("sms", 0.0, 100.0)):
        ends = [attempt(n, at_us=NOW_US - n * S, queue=name) for n in range(100)]
        made = batch(len(name), ends)
        if then:
            gauge(made, NOW_US - 280 * S, ("queue", name), backlog=then)
        gauge(made, NOW_US - 5 * S, ("queue", name), backlog=now)
        inbox.send(store, made, agent())
    inbox.send(store, batch(9, [attempt(900, at_us=NOW_US - 3000 * S)]), None)

    rows = rows_of(store)

    assert rows["payments"]["empties_in_seconds"] is None, "it grows, whatever ended"
    assert rows["mail"]["empties_in_seconds"] == pytest.approx(300, rel=0.02), "100 fewer in 5 minutes"
    assert rows["sms"]["empties_in_seconds"] == pytest.approx(300, rel=0.02), "one sample tells no trend"


def test_a_queue_that_workers_without_a_monitor_consume_is_served_on_every_page(store: Store) -> None:
    made = batch(1, [], [publish(1, queue="foreign"), publish(2, queue="typo")])
    gauge(made, NOW_US - 2 * S, ("queue", "foreign"), backlog=4.0, consumers=2.0)
    gauge(made, NOW_US - 2 * S, ("queue", "typo"), backlog=4.0, consumers=0.0)
    inbox.send(store, made, agent())
    rows, plain = rows_of(store), {row["queue"]: row for row in Reader(store).summary("1h", NOW_US)["queues"]}

    assert (rows["foreign"]["notes"], rows["typo"]["notes"]) == ([], ["no worker consumes this queue"])
    assert (plain["foreign"]["note"], plain["typo"]["note"]) == (None, "no worker consumes this queue")
    for n, name, because in ((1, "foreign", "broker"), (2, "typo", "no_consumer")):
        (waits,) = (Reader(store).waiting(name, 5, NOW_US) or {})["oldest"]
        one = Reader(store).execution(unpack_id(task_id(n)), NOW_US) or {}
        assert (waits["because"], one["waiting"]["because"]) == (because, because)


def test_a_queue_that_a_second_worker_of_the_same_name_consumes_is_consumed(store: Store) -> None:
    made = batch(1, [], [publish(1), publish(2, queue="mail")])
    gauge(made, NOW_US - 2 * S, ("queue", "payments"), backlog=4.0)
    gauge(made, NOW_US - 2 * S, ("queue", "mail"), backlog=4.0)
    inbox.send(store, made, agent())
    inbox.send(store, None, agent(b"boot-of-the-next", queues=["mail"], started_us=NOW_US - 30 * S))

    rows = rows_of(store)

    assert [(rows[name]["consumers"], rows[name]["notes"]) for name in ("payments", "mail")] == [(1, [])] * 2


def test_what_a_worker_holds_was_published_by_somebody(store: Store) -> None:
    made = batch(1, [attempt(1, at_us=NOW_US - 60 * S, queue="mail")])
    gauge(made, NOW_US - 2 * S, ("queue", "payments"), backlog=0.0)
    inbox.send(store, made, agent(prefetched={"payments": 1}))
    assert rows_of(store)["payments"]["notes"] == []
    inbox.send(store, None, agent(prefetched={}))
    assert rows_of(store)["payments"]["notes"] == ["nobody has ever published to this queue"]


def test_a_level_is_one_of_now_as_long_as_the_next_look_is_not_due(store: Store) -> None:
    made = batch(1, [], [publish(1)])
    gauge(made, NOW_US, ("queue", "payments"), backlog=212.0)
    inbox.send(store, made, agent())

    def depths(later_s: int) -> set[Any]:
        now_us, reader = NOW_US + later_s * S, Reader(store)
        plain = {row["queue"]: row for row in reader.summary("1h", now_us)["queues"]}
        levels = reader.queues_now(now_us).get("payments", {})
        return {rows_of(store, now_us)["payments"]["backlog"], plain["payments"]["backlog"], levels.get("backlog")}

    broker.write(store, {"at_us": NOW_US, "kind": "redis", "interval_s": 10.0})
    assert (depths(100), depths(200)) == ({212}, {None})
    broker.write(store, {"at_us": NOW_US, "kind": "redis", "interval_s": 300.0})
    assert (depths(600), depths(800)) == ({212}, {None})
