"""What a judgement leaves in a real store, and what a reader finds there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from celery_monitor.alerts import ledger
from celery_monitor.alerts.judge import Reading, States, judge
from celery_monitor.alerts.rules import load_rules
from celery_monitor.errors import StoreUnreachable
from celery_monitor.store.connection import Store

S = 1_000_000
RULES = load_rules({"backlog": {"threshold": 200}})


@pytest.fixture
def store(redis_url: str) -> Iterator[Store]:
    opened = Store.open(redis_url, "shop")
    yield opened
    opened.close()


def judged(store: Store, n: float, at_s: int, queue: str = "mail") -> States:
    before = ledger.load(store)
    states, changes = judge([Reading("backlog", queue, n, "messages")], RULES, before, at_s * S)
    ledger.write(store, states, changes, before)
    return states


def test_states_come_back_as_they_were_written(store: Store) -> None:
    states = judged(store, 212, 1_763_639_880)

    assert ledger.load(store) == states


def test_a_reader_gets_the_rows_of_the_json_api(store: Store) -> None:
    judged(store, 212, 1_763_639_880)

    assert ledger.read(store) == [
        {
            "rule": "backlog",
            "subject": "mail",
            "state": "firing",
            "severity": "warning",
            "value": 212.0,
            "threshold": 200,
            "unit": "messages",
            "text": "mail: 212 messages waiting (rule backlog: > 200)",
            "since": "2025-11-20T11:58:00.000000Z",
            "changed_at": "2025-11-20T11:58:00.000000Z",
        }
    ]


def test_an_empty_store_has_no_alerts(store: Store) -> None:
    assert (ledger.load(store), ledger.read(store), ledger.history(store)) == ({}, [], [])


def test_firing_alerts_come_before_resolved_ones(store: Store) -> None:
    judged(store, 300, 1, "pdf")
    before = ledger.load(store)
    states, changes = judge(
        [Reading("backlog", "pdf", 0, "messages"), Reading("backlog", "mail", 300, "messages")],
        RULES,
        before,
        2 * S,
    )
    ledger.write(store, states, changes, before)

    assert [(row["subject"], row["state"]) for row in ledger.read(store)] == [
        ("mail", "firing"),
        ("pdf", "resolved"),
    ]


def test_the_history_has_the_newest_first_and_a_bound(store: Store) -> None:
    for turn in range(ledger.KEPT // 2 + 5):
        judged(store, 300, 2 * turn)
        judged(store, 0, 2 * turn + 1)

    rows = ledger.history(store)

    assert len(rows) == ledger.KEPT
    assert [row["state"] for row in rows[:2]] == ["resolved", "firing"]


def test_a_judgement_that_changes_nothing_writes_nothing(store: Store) -> None:
    judged(store, 0, 1)

    assert store.client.exists(store.keys.alerts) == 0


def test_bytes_we_cannot_read_are_as_good_as_none(store: Store) -> None:
    store.client.hset(store.keys.alerts, mapping={"states": b"\xc1\xff", "history": b"\x93\x01"})

    assert (ledger.load(store), ledger.history(store)) == ({}, [])
    judged(store, 300, 1)
    assert len(ledger.read(store)) == 1


def test_a_store_that_is_gone_is_said_so() -> None:
    away = Store.open("redis://127.0.0.1:1/0", "shop")

    with pytest.raises(StoreUnreachable):
        ledger.read(away)
