"""The book of workers knows who was there, how often each was started again, and forgets the dead after their days."""

from __future__ import annotations

from typing import Any

import pytest

from celery_monitor.live_state import AgentState
from celery_monitor.store import workers
from celery_monitor.store.connection import Store

SECOND = 1_000_000
NOW_US = 1_800_000_000 * SECOND
DAY_S = 86_400.0


def agent(boot: str, started_s: int, seen_s: int, **more: Any) -> AgentState:
    state: dict[str, Any] = {
        "boot": boot, "role": "worker", "hostname": "celery@a", "host": "a", "pid": 7, "pool": "prefork", "build": "v1",
        "started_us": NOW_US + started_s * SECOND, "at_us": NOW_US + seen_s * SECOND,
    }  # fmt: skip
    return state | more  # type: ignore[return-value]


def test_a_worker_that_is_started_again_has_another_life_under_its_name(store: Store) -> None:
    workers.write(store, [agent("one", 0, 10)], NOW_US, DAY_S)
    workers.write(store, [agent("one", 0, 20, goodbye=True), agent("two", 30, 40, build="v2")], NOW_US, DAY_S)
    workers.write(store, [agent("two", 30, 50, build="v2")], NOW_US, DAY_S)
    book = workers.read(store)["celery@a"]
    assert book.times == 2
    assert [(life.boot, life.goodbye, life.build) for life in book.lives] == [("one", True, "v1"), ("two", False, "v2")]
    assert book.lives[1].seen_us == NOW_US + 50 * SECOND


def test_who_crashes_in_a_loop_is_counted_without_end_and_kept_in_little_room(store: Store) -> None:
    for n in range(3 * workers.MOST_LIVES):
        workers.write(store, [agent(f"boot{n}", n, n)], NOW_US, DAY_S)
    book = workers.read(store)["celery@a"]
    assert (book.times, len(book.lives)) == (3 * workers.MOST_LIVES, workers.MOST_LIVES)


def test_the_dead_are_forgotten_after_their_days_and_beats_are_not_entered(store: Store) -> None:
    workers.write(store, [agent("one", 0, 10), agent("b", 0, 10, role="beat", hostname="beat@a")], NOW_US, DAY_S)
    assert workers.read(store).keys() == {"celery@a"}
    workers.write(store, [], NOW_US + int(2 * DAY_S) * SECOND, DAY_S)
    assert workers.read(store) == {}


def test_too_many_names_push_out_the_oldest(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "MOST_WORKERS", 3)
    pods = [agent(f"boot{n}", n, n, hostname=f"celery@pod{n}") for n in range(6)]
    workers.write(store, pods, NOW_US, DAY_S)
    assert sorted(workers.read(store)) == ["celery@pod3", "celery@pod4", "celery@pod5"]


@pytest.mark.parametrize("raw", [b"", b"\xc1", b"\x92\x90\x01", b"\x92\x91\x91\x01\x01", b"\x92\x05\x01"])
def test_a_broken_entry_is_left_out(store: Store, raw: bytes) -> None:
    workers.write(store, [agent("one", 0, 10)], NOW_US, DAY_S)
    store.client.hset(store.keys.workers, "celery@broken", raw)
    assert workers.read(store).keys() == {"celery@a"}
