"""Why a message waits: its delay in parts, and the one reason of now."""

from __future__ import annotations

import doctest
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_monitor.analytics import plain, queueing, waiting
from celery_monitor.analytics.waiting import Hold, Message, Worker, explain

S = 1_000_000
NOW = 1000 * S
BUSY = Worker("busy@a", 1, [{"task": "shop.report", "id": "x", "pid": 7, "started_us": 900 * S}])
FREE = Worker("free@a", 2, [])


@pytest.mark.parametrize("module", [waiting, queueing, plain])
def test_the_examples_in_the_docstrings_hold(module: Any) -> None:
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize(
    ("message", "hold", "consumers", "because", "text"),
    [
        (Message(990 * S), None, [], "no_consumer", "no worker consumes its queue"),
        (Message(990 * S), None, [BUSY], "broker", "in the broker: the one slot of its queue's worker is busy"),
        (Message(990 * S), None, [BUSY] * 2, "broker", "in the broker: all 2 slots of its queue's workers are busy"),
        (Message(990 * S), None, [BUSY, FREE], "broker", "in the broker: workers of its queue have free slots"),
        (Message(990 * S), Hold(BUSY, 995 * S, S), [BUSY], "slot", "held by busy@a, whose slot is busy"),
        (Message(990 * S), Hold(FREE, 995 * S, S), [FREE], "held", "held by free@a, which has free slots"),
        (Message(990 * S, 1060 * S), Hold(FREE, 995 * S, S), [FREE], "eta", "due in 60 s, held by free@a"),
        (Message(990 * S, 1060 * S, retried=True), None, [FREE], "retry", "tried again in 60 s"),
    ],
)
def test_there_is_one_reason_in_words(
    message: Message, hold: Hold | None, consumers: list[Worker], because: str, text: str
) -> None:
    found = explain(message, hold, consumers, 0.0, NOW)
    assert (found["because"], found["text"]) == (because, text)


def test_consumers_that_only_the_broker_knows_are_consumers() -> None:
    found = explain(Message(990 * S), None, [], 0.0, NOW, others=2)
    assert (found["because"], found["text"]) == (
        "broker",
        "in the broker, which counts 2 consumers that nothing is heard of",
    )
    assert explain(Message(990 * S), None, [FREE], 0.0, NOW, others=2)["text"].endswith("have free slots")


def test_whose_slot_is_waited_for_is_named() -> None:
    (slot,) = explain(Message(990 * S), Hold(BUSY, 995 * S, S), [BUSY, FREE], 0.0, NOW)["slots"]
    assert slot == {"worker": "busy@a", "pid": 7, "id": "x", "task": "shop.report", "seconds": 100.0}


def test_a_message_held_beyond_the_visibility_timeout_is_delivered_twice() -> None:
    message = Message(990 * S, 5000 * S)
    assert explain(message, Hold(FREE, 995 * S, S), [FREE], 3600.0, NOW)["delivered_twice"]
    assert not explain(message, Hold(FREE, 995 * S, S), [FREE], 7200.0, NOW)["delivered_twice"]
    assert not explain(message, Hold(FREE, 995 * S, S), [FREE], 0.0, NOW)["delivered_twice"], "RabbitMQ has none"


TIMES = st.integers(0, 2000).map(lambda s: s * S)


@given(TIMES, TIMES, TIMES, st.booleans(), st.booleans())
def test_the_parts_add_up_to_the_whole(published: int, due: int, since: int, held: bool, retried: bool) -> None:
    hold = Hold(FREE, since, S) if held else None
    message = Message(published or 1, due, retried=retried)
    found = explain(message, hold, [FREE], 3600.0, NOW)
    parts = ("eta_seconds", "retry_backoff_seconds", "broker_seconds", "hold_seconds")
    assert sum(found[part] for part in parts) == pytest.approx(found["seconds"], abs=0.01)
    assert all(found[part] >= 0 for part in parts)
