from __future__ import annotations

from celery_monitor.live_state import Pace
from celery_monitor.store import inbox, live
from celery_monitor.store.connection import Store
from tests.store.batches import NOW_US, agent

OTHER = b"other-boot-bytes"
PACE: Pace = {
    "agents": 2,
    "folded_us": NOW_US,
    "by": "ab",
    "role": "beat",
    "interval_s": 5.0,
    "queues": ["q"],
    "task_us": 1,
    "undecodable_us": 3,
    "deaf": True,
    "one_in": 4,
    "one_in_us": NOW_US,
}


def test_each_agent_has_one_last_word(store: Store) -> None:
    inbox.send(store, None, agent())
    inbox.send(store, None, agent(cpu_percent=3.0))
    inbox.send(store, None, agent(OTHER, started_us=NOW_US))

    assert live.agents(store) == [agent(cpu_percent=3.0), agent(OTHER, started_us=NOW_US)]


def test_forgotten_agents_are_gone(store: Store) -> None:
    inbox.send(store, None, agent())
    inbox.send(store, None, agent(OTHER))

    live.forget(store, [OTHER.hex()])
    live.forget(store, [])

    assert [a["boot"] for a in live.agents(store)] == [agent()["boot"]]


def test_the_pace_comes_back_with_every_flush(store: Store) -> None:
    assert inbox.send(store, None, agent()) is None

    live.set_pace(store, PACE)

    assert inbox.send(store, None, agent()) == PACE == live.pace(store)
    assert 0 < store.client.ttl(store.keys.live) <= 2 * 86_400


def test_broken_states_are_left_out(store: Store) -> None:
    for field, value in ((b"a", b"\xc1"), (b"b", b"\x80"), (b"c", b"\x01")):
        store.client.hset(store.keys.live, field, value)
    store.client.set(store.keys.pace, b"\xc1")
    inbox.send(store, None, agent())

    assert live.agents(store) == [agent()]
    assert live.pace(store) is None
