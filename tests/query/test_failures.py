"""Failures by kind: exact counts of a window, where they happened, and what one of them looked like."""

from __future__ import annotations

import pytest

from celery_monitor.errors import BadRequest
from celery_monitor.query.reader import Reader
from celery_monitor.query.times import iso
from celery_monitor.signals.record import State, unpack_id
from celery_monitor.store import inbox
from celery_monitor.store.connection import Store
from tests.query.counted import FINGERPRINT, SECOND, counted, failed, hand_in
from tests.store.batches import NOW_US, agent, attempt, batch, task_id

OTHER_KIND = "0123456789abcdef"


@pytest.fixture(params=["tail", "folded"])
def reader(store: Store, request: pytest.FixtureRequest) -> Reader:
    """Sixty successes on each of two workers; eleven failures of one kind on w2, one on w1, one of another kind."""
    rows = [attempt(n, at_us=NOW_US - n * SECOND, worker=f"w{1 + n % 2}") for n in range(120)]
    rows += [failed(200 + n, 10 + n, worker="w2", run=task_id(900), workflow="daily") for n in range(11)]
    rows += [failed(220, 50, worker="w1", task="shop.refund", message="card 17 declined")]
    rows += [failed(221, 3, state=int(State.RETRY), worker="w2")]
    rows += [failed(230, 5, worker="w1", exception="KeyError", message="'sku'", fingerprint=OTHER_KIND)]
    hand_in(store, counted(1, rows), folded=request.param == "folded")
    return Reader(store)


def test_kinds_are_counted_and_say_where_they_happen(reader: Reader) -> None:
    found = reader.failures("1h", now_us=NOW_US)

    assert (found["failed"], found["lost"], found["grouped"], found["kinds"]) == (13, 0, 13, 2)
    first, second = found["failures"]
    assert (first["fingerprint"], first["exception"], first["message"]) == (
        FINGERPRINT, "PaymentDeclined", "card * declined",
    )  # fmt: skip
    assert (first["count"], first["retried"], sum(first["spark"])) == (12, 1, 13)
    assert first["tasks"] == [
        {"task": "shop.charge", "queue": "payments", "count": 11},
        {"task": "shop.refund", "queue": "payments", "count": 1},
    ]
    assert first["workers"] == [{"worker": "w2", "count": 11, "ended": 72}, {"worker": "w1", "count": 1, "ended": 62}]
    assert first["stands_out"]["worker"] == "w2"
    assert first["note"] == "9.5 times more often on w2"
    assert first["first_at"] <= str(iso(NOW_US - 50 * SECOND)) < str(iso(NOW_US - 3 * SECOND)) <= first["last_at"]
    assert (second["fingerprint"], second["count"], second["note"]) == (OTHER_KIND, 1, None)


def test_failures_of_one_task_are_those_of_that_task(reader: Reader) -> None:
    found = reader.failures("1h", task="shop.refund", now_us=NOW_US)
    (only,) = found["failures"]
    assert (only["count"], only["tasks"]) == (1, [{"task": "shop.refund", "queue": "payments", "count": 1}])
    assert sum(only["spark"]) == 1


def test_a_kind_shows_a_traceback_its_executions_and_its_runs(reader: Reader) -> None:
    found = reader.failure(FINGERPRINT.upper(), "1h", NOW_US)
    assert found is not None
    assert found["count"] == 12
    assert found["queues"] == [{"queue": "payments", "count": 12}]
    assert (sum(found["series"]["failed"]), sum(found["series"]["retried"])) == (12, 1)
    assert found["sample"]["type"] == "PaymentDeclined"
    assert "Traceback" in found["sample"]["traceback"]
    assert len(found["executions"]) == 13
    assert found["runs"] == [{"run_id": unpack_id(task_id(900)), "workflow": "daily"}]


def test_counts_stay_when_the_executions_are_gone(store: Store) -> None:
    made = counted(1, [failed(n, n) for n in range(5)])
    made.attempts = []
    hand_in(store, made)
    found = Reader(store).failure(FINGERPRINT, "1h", NOW_US)
    assert found is not None
    assert (found["count"], found["sample"], found["executions"]) == (5, None, [])
    assert found["exception"] == "PaymentDeclined"


def test_what_never_failed_is_not_found_and_no_fingerprint_is_refused(reader: Reader) -> None:
    assert reader.failure("0" * 16, "1h", NOW_US) is None
    with pytest.raises(BadRequest, match="16 hex digits"):
        reader.failure("KeyError", "1h", NOW_US)


def test_kinds_beyond_the_bound_count_together_and_none_is_lost(store: Store) -> None:
    for n in range(4):
        rows = [
            failed(1000 * n + k, 20, message="no", exception=f"E{n}x{k}", fingerprint=f"{n:04x}{k:012x}")
            for k in range(180)
        ]
        hand_in(store, counted(n + 1, rows))
    found = Reader(store).failures("1h", now_us=NOW_US, limit=500)
    assert found["grouped"] == found["failed"] == 4 * 180
    assert found["kinds"] <= 501
    others = [row for row in found["failures"] if row["fingerprint"] is None]
    assert [row["count"] for row in others] == [4 * 180 - 500]


def test_workers_that_take_from_other_queues_are_no_measure(store: Store) -> None:
    rows = [attempt(n, worker="w1", queue="mail") for n in range(100)]
    rows += [attempt(200 + n, worker="w2") for n in range(20)] + [failed(300 + n, n, worker="w2") for n in range(9)]
    hand_in(store, counted(1, rows))
    reader = Reader(store)
    (kind,) = reader.failures("1h", now_us=NOW_US)["failures"]
    assert kind["note"] == "only on w2"
    for n, queue in ((1, "mail"), (2, "payments")):
        boot = bytes([n]) * 16
        inbox.send(store, batch(1, boot=boot), agent(boot, hostname=f"w{n}", queues=[queue]))
    (kind,) = reader.failures("1h", now_us=NOW_US)["failures"]
    assert (kind["note"], kind["stands_out"]) == (None, None)


def test_what_was_only_retried_says_where(store: Store) -> None:
    rows = [failed(n, n, state=int(State.RETRY), worker="w2") for n in range(3)]
    hand_in(store, counted(1, rows))
    (kind,) = Reader(store).failures("1h", now_us=NOW_US)["failures"]
    assert (kind["count"], kind["retried"]) == (0, 3)
    assert kind["tasks"] == [{"task": "shop.charge", "queue": "payments", "count": 3}]
    assert kind["workers"] == [{"worker": "w2", "count": 3, "ended": 3}]
