"""What a dead child left open is booked, however long its names are and however full its ring is."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Any

from celery.app.task import Context

from celery_monitor.agent.ends import GRACE_S
from celery_monitor.agent.instance import Instance
from celery_monitor.agent.journal import Journal
from celery_monitor.signals import attempts, process
from celery_monitor.signals.record import Reason, State, pack_id
from celery_monitor.signals.ring import AT_FULL
from celery_monitor.store.connection import Store
from tests.agent import actors
from tests.signals.apart import apart
from tests.signals.test_ring import unshared

WIDE = "\U0001f600" * 200
LATER = GRACE_S + 1


def one(folder: Path) -> Instance:
    """Return the instance of this process."""
    return Instance(process.me.instance, Journal.create(folder, process.me.instance, {}), folder, "celery@a", 1 << 20)


def one_more() -> None:
    """Do nothing, as a task."""


def begin_wide() -> None:
    """Begin an attempt whose ids and names are as long as any can be."""
    task = actors.app.task(name=WIDE, shared=False)(one_more)
    attempts.queue_of = lambda exchange, key: WIDE
    about = {"id": WIDE, "root_id": "r" + WIDE, "parent_id": "p" + WIDE, "group": "g" + WIDE}
    delivery = {"exchange": "x", "routing_key": "k" + WIDE, "redelivered": True, "priority": 9}
    task.request_stack.push(Context({**about, "delivery_info": delivery, "retries": 3, "is_eager": False}))
    attempts.begin(task)


def killed_while_wide(folder: str) -> Any:
    actors.worker_parent(Path(folder))
    instance = one(Path(folder))
    actors.kill(actors.pool_child(begin_wide))
    now, now_us = time.monotonic(), time.time_ns() // 1000
    for after in (0.0, LATER, LATER + 1):
        instance.drain([], now + after, now_us)
    return instance.ends.attempts, instance.losses()


def test_a_killed_attempt_with_the_longest_names_and_ids_is_lost_and_no_more(shm: Path) -> None:
    (row,), losses = apart(killed_while_wide, str(shm))
    assert (row.state, row.reason) == (State.LOST, Reason.KILLED)
    ids = WIDE, "r" + WIDE, "p" + WIDE, "g" + WIDE
    assert (row.id, row.root, row.parent, row.group) == tuple(map(pack_id, ids))
    assert (row.task, row.queue, row.routing_key) == (WIDE, WIDE, "k" + WIDE[:199])
    assert (row.retries, row.priority) == (3, 9)
    assert losses == {}


def fill_and_begin() -> None:
    writer = process.open_writer()
    assert writer is not None
    while not writer.ring.number(AT_FULL):
        actors.run("ran")
    actors.begin("killed")


def killed_with_a_full_ring(folder: str) -> Any:
    process.place.size = 64 * 1024
    actors.worker_parent(Path(folder))
    instance = one(Path(folder))
    actors.kill(actors.pool_child(fill_and_begin))
    now, now_us = time.monotonic(), time.time_ns() // 1000

    def lost() -> list[Any]:
        return [row for row in instance.ends.attempts if row.state == State.LOST]

    instance.drain([], now, now_us)
    assert instance.next_flush() is not None
    instance.drain([], now + LATER, now_us)
    instance.drain([], now + LATER + 1, now_us)
    before, dropped = len(lost()), instance.losses()
    instance.acknowledged()
    for after in (2.0, 3.0):
        instance.drain([], now + LATER + after, now_us)
    found = lost()
    instance.next_flush()
    instance.acknowledged()
    for after in (4.0, 5.0):
        instance.drain([], now + LATER + after, now_us)
    return before, found, dropped, instance.losses(), len(instance.readers)


def test_an_attempt_left_open_in_a_full_ring_is_booked_when_there_is_room_again(shm: Path) -> None:
    before, found, dropped, losses, readers = apart(killed_with_a_full_ring, str(shm))
    assert before == 0
    assert [(row.id, row.reason) for row in found] == [(pack_id("killed"), Reason.KILLED)]
    assert losses == dropped == {"ring_full": 1}, "the one that filled it"
    assert readers == 0, "the ring of the dead is gone"


def alone_without_a_tmpfs() -> list[bytes]:
    """Record into a ring in memory that was made more than a minute ago and is empty, as a solo worker's is."""
    actors.worker_parent(None)
    instance = Instance(process.me.instance, Journal.create(None, process.me.instance, {}), None, "celery@a", 1 << 20)

    def drain() -> None:
        instance.drain(process.me.kept, time.monotonic(), time.time_ns() // 1000)

    actors.run("first")
    process.me.kept[0].started_us -= 61_000_000
    drain()
    instance.next_flush(None)
    instance.acknowledged()
    drain()
    actors.run("second")
    drain()
    return [row.id for row in instance.ends.attempts]


def test_a_ring_in_memory_is_its_writers_for_as_long_as_that_lives() -> None:
    assert apart(alone_without_a_tmpfs) == [pack_id("second")]


def crowded(folder: str, url: str) -> list[str]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], check=True)
    actors.worker_parent(Path(folder))
    child = actors.pool_child(lambda: actors.run("ran"))
    store = Store.open(url, "celery")
    agent = actors.agent(Path(folder), store)
    actors.round_(agent)
    actors.kill(child)
    store.close()
    return list(agent._state()["notes"])


def test_a_pool_that_found_no_room_on_the_tmpfs_says_so(redis_url: str, tmp_path: Path) -> None:
    (note,) = apart(crowded, str(tmp_path), redis_url, prefix=unshared("-m"))
    assert str(tmp_path) in note
    assert "dies with the worker" in note
