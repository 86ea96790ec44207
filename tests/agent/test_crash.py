"""SIGKILL at each step between drain and tail loses and doubles nothing, neither by uid nor by sum."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from celery_monitor.agent.drain import RingReader
from celery_monitor.agent.instance import Instance
from celery_monitor.agent.journal import Journal
from celery_monitor.signals import process
from celery_monitor.signals.record import unpack_id
from celery_monitor.store import inbox
from celery_monitor.store.connection import Store
from tests.agent import actors, stored
from tests.signals.apart import apart

STEPS: dict[str, tuple[Any, str, bool]] = {
    "after the drain": (Instance, "drain", True),
    "before the intent": (Journal, "intend", False),
    "after the intent": (Journal, "intend", True),
    "after the batch was sent": (inbox, "send", True),
    "after the first tail has moved": (RingReader, "commit", True),
    "before the number is settled": (Journal, "settle", False),
    "after the number was settled": (Journal, "settle", True),
}


def die(where: Any, name: str, after: bool, times: int) -> None:
    """Kill this process when it has called a function so many times."""
    original, left = getattr(where, name), [times]

    def deadly(*args: Any, **kwargs: Any) -> Any:
        left[0] -= 1
        result = original(*args, **kwargs) if after or left[0] else None
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(where, name, deadly)


def forked(does: Callable[[], None]) -> int:
    """Do something in a fork that is expected to be killed; return how it ended."""
    child = os.fork()
    if not child:
        try:
            does()
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def crash(folder: str, url: str, namespace: str, step: str, times: int) -> dict[str, Any]:
    """A worker with a killed child dies at a step, its successor at the same one; a third one finds everything."""
    store = Store.open(url, namespace)
    where, name, after = STEPS[step]

    def child() -> None:
        for number in range(20):
            actors.run(f"ran-{number}")
        actors.begin("killed")
        actors.begin("lost")

    def worker() -> None:
        actors.worker_parent(Path(folder))
        pid = actors.pool_child(child)
        for number in range(10):
            actors.publish(f"ran-{number}")
        actors.kill(pid)
        actors.tell_killed("killed")
        agent = actors.agent(Path(folder), store)
        die(where, name, after, times)
        for number in range(4):
            actors.round_(agent)
            actors.publish(f"late-{number}")
        os.kill(os.getpid(), signal.SIGKILL)

    def successor() -> None:
        actors.worker_parent(Path(folder))
        agent = actors.agent(Path(folder), store)
        die(where, name, after, times)
        for _ in range(4):
            actors.round_(agent)
        os.kill(os.getpid(), signal.SIGKILL)

    died = [forked(worker), forked(successor)]
    actors.worker_parent(Path(folder))
    agent = actors.agent(Path(folder), store)
    for _ in range(8):
        actors.round_(agent)
    left = [f for f in os.listdir(folder) if not f.startswith(process.me.instance.hex())]
    rows, publishes = stored.folded(store)
    ids = Counter(unpack_id(row.id) for row in publishes)
    return {"died": died, "left": left, "ends": stored.ends(rows), "rows": len(rows), "published": dict(ids),
            "counted": stored.counted(store)}  # fmt: skip


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("step", STEPS)
def test_death_at_any_step_loses_and_doubles_nothing(shm: Path, redis_url: str, step: str, times: int) -> None:
    found = apart(crash, str(shm), redis_url, "crash", step, times)
    assert found["died"] == [-signal.SIGKILL] * 2
    assert found["left"] == [], "the files of the dead are gone"
    expected = {f"ran-{n}": [("SUCCESS", "OK")] for n in range(20)}
    expected |= {"killed": [("FAILURE", "KILLED")], "lost": [("LOST", "PARENT_GONE")]}
    assert found["ends"] == expected
    assert found["rows"] == 22, "each end is stored once"
    late = {name: n for name, n in found["published"].items() if name.startswith("late")}
    assert set(late.values()) <= {1}
    assert {name: n for name, n in found["published"].items() if name not in late} == {f"ran-{n}": 1 for n in range(10)}
    assert found["counted"] == {"SUCCESS": 20, "FAILURE": 1, "LOST": 1, "PUBLISHED": 10 + len(late)}
