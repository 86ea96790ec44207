from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from celery_monitor.errors import BadRequest
from celery_monitor.live_state import Running
from celery_monitor.query.reader import Reader
from celery_monitor.query.times import iso
from celery_monitor.signals.record import Flag, Reason, ResultSize, State, pack_id, unpack_id
from celery_monitor.store import inbox, live
from celery_monitor.store.connection import Store
from celery_monitor.store.fold import fold
from celery_monitor.store.rows import lost
from tests.store.batches import NOW_US, agent, attempt, batch, publish, task_id

SECOND = 1_000_000


def text(n: int) -> str:
    return unpack_id(task_id(n))


def pages(reader: Reader, **filters: Any) -> Iterator[list[str]]:
    cursor = None
    while True:
        found = reader.executions(now_us=NOW_US, cursor=cursor, **filters)
        yield [e["id"] for e in found["executions"]]
        cursor = found["next"]
        if cursor is None:
            return


def running(n: int, started_us: int) -> Running:
    return {
        "uid": f"{n:024x}", "id": text(n), "run": task_id(n).hex(), "task": "shop.charge", "queue": "payments",
        "pid": 901, "started_us": started_us,
    }  # fmt: skip


@pytest.fixture(params=["tail", "blocks", "both"])
def hand_in(store: Store, request: pytest.FixtureRequest) -> Any:
    """Hand rows in one by one: none, all or half of them folded."""
    numbers = iter(range(1, 1000))

    def send(*rows: Any) -> None:
        for row in rows:
            n = next(numbers)
            kind = "publishes" if hasattr(row, "due_us") else "attempts"
            made = batch(n)
            getattr(made, kind).append(row)
            inbox.send(store, made, None)
            if request.param == "blocks" or (request.param == "both" and n % 2):
                fold(store, NOW_US)

    return send


def test_an_execution_has_all_its_attempts_and_when_it_was_published(store: Store, hand_in: Any) -> None:
    fields = {"id": task_id(1), "root": task_id(5), "parent": task_id(6), "run": task_id(7), "workflow": "daily"}
    hand_in(
        publish(1, root=task_id(5), parent=task_id(6), run=task_id(7), at_us=NOW_US - 9 * SECOND),
        attempt(
            1, **fields, state=int(State.RETRY), reason=int(Reason.RETRY), at_us=NOW_US - 5 * SECOND,
            exception="PaymentTimeout", message="gateway said 504", traceback="Traceback ...",
        ),
        attempt(2, **fields, retries=1, flags=int(Flag.REDELIVERED | Flag.SKEWED)),
    )  # fmt: skip

    found = Reader(store).execution(text(1), NOW_US)

    assert found is not None
    attempts = found.pop("attempts")
    assert found == {
        "id": text(1), "task": "shop.charge", "state": "SUCCESS", "reason": "ok", "queue": "payments",
        "root_id": text(5), "parent_id": text(6), "group_id": None, "run_id": text(7), "workflow": "daily",
        "published_at": iso(NOW_US - 9 * SECOND), "ended_at": iso(NOW_US), "flags": ["redelivered", "skewed"],
        "running": None, "waiting": None,
    }  # fmt: skip
    assert [(a["state"], a["reason"], a["retries"]) for a in attempts] == [("RETRY", "retry", 0), ("SUCCESS", "ok", 1)]
    assert attempts[0]["exception"] == {
        "type": "PaymentTimeout", "message": "gateway said 504", "traceback": "Traceback ...",
    }  # fmt: skip
    assert attempts[1] == {
        "uid": attempt(2).uid.hex(), "state": "SUCCESS", "reason": "ok", "worker": "celery@a", "pid": 901,
        "started_at": iso(NOW_US - 100_000), "ended_at": iso(NOW_US), "retries": 1, "routing_key": "payments",
        "wait_seconds": 0.02, "hold_seconds": None, "hold_error_seconds": None,
        "runtime_seconds": 0.1, "cpu_seconds": 0.01, "rss_bytes": 51_200 * 1024, "rss_growth_bytes": 4096,
        "read_bytes": None, "written_bytes": None, "switches": None, "involuntary_switches": None,
        "result_size_class": None, "exception": None, "fingerprint": None, "arguments": None, "result": None,
        "connections": None, "network_sent_bytes": None, "network_received_bytes": None, "reads": None, "writes": None,
    }  # fmt: skip


def test_what_is_known_of_routing_result_and_hold_is_shown(store: Store, hand_in: Any) -> None:
    known = {"routing_key": "payments.eu", "result_size": int(ResultSize.UP_TO_10_KIB)}
    hand_in(
        attempt(1, **known, wait_us=4_000_000, hold_us=3_000_000, hold_error_us=2_000_000),
        attempt(2, wait_us=4_000_000, hold_us=3_000_000),
        attempt(3, wait_us=1_000_000, hold_us=2_500_000, hold_error_us=2_500_000),
        attempt(4, wait_us=1_000_000, hold_us=2_500_000, hold_error_us=2_500_000, flags=int(Flag.SKEWED)),
        attempt(5, hold_us=2_500_000, hold_error_us=2_500_000, flags=int(Flag.EAGER)),
    )

    rows = [(Reader(store).execution(text(n), NOW_US) or {})["attempts"][0] for n in range(1, 6)]

    assert [(row["hold_seconds"], row["hold_error_seconds"]) for row in rows] == [
        (2.5, 1.5), (3.0, 0.0), (0.5, 0.5), (2.5, 2.5), (None, None)
    ]  # fmt: skip
    assert (rows[0]["routing_key"], rows[0]["result_size_class"]) == ("payments.eu", "up_to_10_kib")


def test_a_step_given_up_as_never_published_that_was_published_after_all_is_not_shown_as_such(
    store: Store, hand_in: Any
) -> None:
    given_up = {"state": int(State.NEVER_PUBLISHED), "reason": int(Reason.PREDECESSOR), "flags": int(Flag.UNSTARTED)}
    hand_in(
        attempt(1, **given_up), attempt(2, **given_up), publish(2), attempt(3, **given_up), attempt(13, id=task_id(3))
    )
    reader = Reader(store)

    states = [(reader.execution(text(n), NOW_US) or {})["state"] for n in (1, 2, 3)]

    assert states == ["NEVER_PUBLISHED", "WAITING", "SUCCESS"]


def test_a_message_waits_then_starts_then_ends(store: Store) -> None:
    reader = Reader(store)
    assert reader.execution(text(1), NOW_US) is None

    inbox.send(store, batch(1, publishes=[publish(1)]), None)
    assert (reader.execution(text(1), NOW_US) or {})["state"] == "WAITING"

    inbox.send(store, None, agent(running=[running(1, NOW_US - SECOND)]))
    started = reader.execution(text(1), NOW_US) or {}
    assert (started["state"], started["reason"], started["ended_at"]) == ("STARTED", None, None)
    assert (started["attempts"], started["running"]["worker"], started["running"]["seconds"]) == ([], "celery@a", 1.0)

    inbox.send(store, batch(2, [attempt(1, uid=bytes.fromhex(f"{1:024x}"))]), None)
    assert (reader.execution(text(1), NOW_US) or {})["state"] == "SUCCESS"


def test_a_lost_attempt_that_comes_back_is_no_longer_lost(store: Store, hand_in: Any) -> None:
    hand_in(
        attempt(
            1, state=int(State.LOST), reason=int(Reason.WORKER_GONE), runtime_us=90_000_000, at_us=NOW_US + 90 * SECOND
        ),
        attempt(1),
    )

    found = Reader(store).execution(text(1), NOW_US)

    assert found is not None
    assert (found["state"], len(found["attempts"])) == ("SUCCESS", 1)


def test_ids_that_are_no_uuid_are_found(store: Store, hand_in: Any) -> None:
    hand_in(attempt(1, id=pack_id("order-17")))

    found = Reader(store).execution("order-17", NOW_US)

    assert found is not None
    assert found["id"] == "order-17"


def test_executions_come_newest_end_first(store: Store, hand_in: Any) -> None:
    hand_in(*(attempt(n, at_us=NOW_US - (n * 7 % 10) * SECOND) for n in range(10)))

    (found,) = pages(Reader(store))

    assert found == [text(n) for n in sorted(range(10), key=lambda n: n * 7 % 10)]


def test_an_execution_is_listed_once_at_its_newest_row(store: Store, hand_in: Any) -> None:
    first = attempt(1, state=int(State.RETRY), at_us=NOW_US - 60 * SECOND)
    hand_in(
        publish(1, at_us=NOW_US - 70 * SECOND),
        first,
        attempt(2, at_us=NOW_US - 30 * SECOND),
        attempt(3, id=first.id),
        publish(4, at_us=NOW_US - 40 * SECOND),
    )

    assert list(pages(Reader(store), limit=1)) == [[text(1)], [text(2)], [text(4)]]


def test_pages_neither_skip_nor_double_while_data_arrives(store: Store) -> None:
    numbers = iter(range(1, 1000))
    expected = [text(n) for n in range(60)]
    for n in reversed(range(60)):
        end = NOW_US - n * SECOND
        made = batch(next(numbers), [attempt(n, at_us=end)], [publish(n, at_us=end - 120_000)])
        inbox.send(store, made, None)
        if n % 7 == 0:
            fold(store, NOW_US)
    reader = Reader(store)

    found: list[str] = []
    for page in pages(reader, limit=7):
        found += page
        late = next(numbers)
        inbox.send(store, batch(late, [attempt(1000 + late, at_us=NOW_US + late * SECOND)]), None)
        if late % 2:
            fold(store, NOW_US)

    assert found == expected


def test_many_rows_of_one_moment_are_paged(store: Store, hand_in: Any) -> None:
    hand_in(*(attempt(n) for n in range(25)))

    found = [one for page in pages(Reader(store), limit=4) for one in page]

    assert sorted(found) == sorted(text(n) for n in range(25))


def test_filters_let_through_what_they_name(store: Store, hand_in: Any) -> None:
    hand_in(
        attempt(1),
        attempt(2, task="shop.mail", queue="mail", worker="celery@b"),
        attempt(3, state=int(State.FAILURE), reason=int(Reason.HARD_TIMEOUT)),
        attempt(4, run=task_id(99), at_us=NOW_US - 3600 * SECOND),
        publish(5, run=task_id(99)),
        attempt(6, state=int(State.FAILURE), fingerprint="00c0ffee00c0ffee", at_us=NOW_US - 30 * SECOND),
    )
    reader = Reader(store)

    def ids(**filters: Any) -> set[str]:
        return {one for page in pages(reader, **filters) for one in page}

    assert ids(task="shop.mail") == ids(queue="mail") == ids(worker="celery@b") == {text(2)}
    assert ids(state="failure") == {text(3), text(6)}
    assert ids(reason="hard_timeout") == {text(3)}
    assert ids(fingerprint="00C0FFEE00C0FFEE") == {text(6)}
    assert ids(state="WAITING") == {text(5)}
    assert ids(run=text(99)) == {text(4), text(5)}
    assert ids(run=text(1)) == {text(1)}
    assert ids(until=iso(NOW_US - 60 * SECOND)) == {text(4)}
    assert ids(since=iso(NOW_US - 60 * SECOND), state="SUCCESS") == {text(1), text(2)}
    assert ids(task="nobody") == set()


def test_an_older_attempt_finds_an_execution_by_its_worker_and_by_its_failure(store: Store, hand_in: Any) -> None:
    first = {"state": int(State.RETRY), "fingerprint": "a" * 16, "worker": "celery@b", "uid": b"an-older-one"}
    hand_in(
        *(attempt(n, at_us=NOW_US - (60 + n) * SECOND, **first) for n in range(3)),
        *(attempt(n, state=int(State.FAILURE), retries=1, fingerprint="b" * 16) for n in range(3)),
        attempt(7),
    )
    reader = Reader(store)
    all_ = [text(0), text(1), text(2)]

    for asked in ({"fingerprint": "a" * 16}, {"fingerprint": "a" * 16, "state": "FAILURE"}, {"worker": "celery@b"}):
        assert [one for page in pages(reader, limit=1, **asked) for one in page] == all_, asked
    assert list(pages(reader, fingerprint="a" * 16, state="SUCCESS")) == [[]]


def test_what_runs_is_listed_at_its_start(store: Store) -> None:
    inbox.send(store, batch(1, [attempt(1), attempt(2, at_us=NOW_US - 60 * SECOND)]), None)
    inbox.send(store, None, agent(running=[running(3, NOW_US - 30 * SECOND)]))
    reader = Reader(store)

    assert list(pages(reader, limit=1)) == [[text(1)], [text(3)], [text(2)]]
    assert list(pages(reader, state="STARTED")) == [[text(3)]]


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ({"state": "GREAT"}, "state: 'GREAT' is none; give one of WAITING, STARTED"),
        ({"reason": "because"}, "reason: 'because' is none"),
        ({"since": "noon"}, "since: 'noon' is not a time"),
        ({"cursor": "!"}, "cursor: '!' is none"),
        ({"fingerprint": "abc"}, "fingerprint: 'abc' is none; give an attempt's, 16 hex digits"),
        ({"limit": "many"}, "limit: 'many' is no number"),
    ],
)
def test_bad_filters_are_named(store: Store, filters: dict[str, str], message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        Reader(store).executions(**filters)


def test_limits_are_clamped(store: Store) -> None:
    inbox.send(store, batch(1, [attempt(n) for n in range(3)]), None)

    assert len(Reader(store).executions(limit=0)["executions"]) == 1
    assert len(Reader(store).executions(limit=10**9)["executions"]) == 3


def test_a_broken_block_hides_only_itself(store: Store) -> None:
    inbox.send(store, batch(1, [attempt(n) for n in range(2000)]), None)
    inbox.send(store, batch(2, [attempt(3000)]), None)
    fold(store, NOW_US)
    store.client.set(store.keys.executions.block(1), b"broken")

    assert list(pages(Reader(store))) == [[text(3000)]]
    assert Reader(store).execution(text(1), NOW_US) is None


def test_an_attempt_of_a_silent_worker_is_lost_to_redelivery_only_when_another_one_was_given_its_message(
    store: Store, hand_in: Any
) -> None:
    given, ended, alone, itself = (running(n, NOW_US - 90 * SECOND) for n in (1, 2, 3, 4))
    again, own = int(Flag.REDELIVERED), bytes.fromhex(itself["uid"])
    hand_in(
        attempt(1, id=task_id(1), flags=again),
        attempt(2, id=task_id(2), uid=bytes.fromhex(ended["uid"])),
        attempt(5, id=task_id(3)),  # an eager retry, a duplicate publish: nobody gave its message out again
    )
    elsewhere = {**running(4, NOW_US - SECOND), "uid": own.hex(), "flags": again}
    inbox.send(store, None, agent(at_us=NOW_US, running=[elsewhere]))

    fates = Reader(store).fates([given, ended, alone, itself], NOW_US)

    assert (fates.ended, fates.redelivered) == ({ended["uid"]}, {given["uid"]})
    state = agent(b"s" * 16, at_us=NOW_US - 90 * SECOND, running=[given, ended, alone])
    inbox.send(store, None, state)
    [(silent, raw)] = live.silent(store, NOW_US)
    assert lost.book(store, silent, raw, fates.ended, NOW_US, redelivered=fates.redelivered) == 2
    shown = [Reader(store).execution(text(n), NOW_US) or {} for n in (1, 3)]
    reasons = [{a["uid"]: a["reason"] for a in each["attempts"]} for each in shown]
    assert (reasons[0][given["uid"]], reasons[1][alone["uid"]]) == ("redelivered", "worker_gone")
