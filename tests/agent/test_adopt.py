"""What the dead leave is adopted, what belongs to the living is not: also over the walls of a pid namespace."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from celery_monitor.agent import adopt
from celery_monitor.signals import process
from celery_monitor.store.connection import Store
from tests.agent import actors, stored
from tests.signals.apart import apart, start
from tests.signals.test_ring import unshared
from tests.waiting import until


def hold(folder: str, url: str, marker: str) -> None:
    """Be a worker that has run one attempt, is in another, and goes on living."""
    actors.worker_parent(Path(folder))
    agent = actors.agent(Path(folder), Store.open(url, "adopt"))
    actors.run("done")
    actors.round_(agent)
    actors.run("unshipped")
    actors.begin("open")
    Path(marker).write_text(str(os.getpid()))
    signal.pause()


def look(folder: str, url: str) -> dict[str, Any]:
    """Be another worker; return what it found to adopt and what is stored then."""
    actors.worker_parent(Path(folder))
    store = Store.open(url, "adopt")
    agent = actors.agent(Path(folder), store)
    actors.round_(agent)
    adopted = len(agent.orphans)
    for _ in range(4):
        actors.round_(agent)
    rows, _ = stored.folded(store)
    left = [name for name in os.listdir(folder) if not name.startswith(process.me.instance.hex())]
    return {"adopted": adopted, "ends": stored.ends(rows), "left": len(left)}


@pytest.mark.parametrize("prefix", ["same", "other"])
def test_the_living_is_left_alone_and_the_dead_adopted(shm: Path, redis_url: str, tmp_path: Path, prefix: str) -> None:
    """In a pid namespace of its own the owner is pid 1, which lives in every other namespace too: only locks tell."""
    words = unshared("-fp", "--kill-child") if prefix == "other" else ()
    marker = tmp_path / "ready"
    holder, answer = start(hold, str(shm), redis_url, str(marker), prefix=words)
    try:
        until(marker.exists, what="the holder runs")
        assert marker.read_text() == "1" or not words
        while_living = apart(look, str(shm), redis_url)
        assert while_living["adopted"] == 0
        assert while_living["ends"] == {"done": [("SUCCESS", "OK")]}
        assert while_living["left"] == 2
    finally:
        holder.kill()
        holder.wait()
        os.close(answer)
        if holder.stdout:
            holder.stdout.close()
    found: dict[str, Any] = {}

    def adopted() -> bool:
        found.update(apart(look, str(shm), redis_url))
        return found["left"] == 0

    until(adopted, what="the dead one's files are gone")
    assert found["ends"] == {
        "done": [("SUCCESS", "OK")],
        "unshipped": [("SUCCESS", "OK")],
        "open": [("LOST", "PARENT_GONE")],
    }


def leave_without_an_agent(folder: str) -> str:
    actors.worker_parent(Path(folder))
    process.me.role = "producer"
    actors.publish("p")
    return process.me.instance.hex()


def take(folder: str) -> list[str]:
    return [found.instance.hex() for found in adopt.orphans(Path(folder), b"", set(), 1 << 20)]


def test_a_process_that_never_had_an_agent_is_adopted_once_it_is_old_enough_to_have_one(shm: Path) -> None:
    instance = apart(leave_without_an_agent, str(shm))
    assert apart(take, str(shm)) == [], "it may be about to start its agent"
    for path in shm.iterdir():
        os.utime(path, (time.time() - 60, time.time() - 60))
    assert apart(take, str(shm)) == [instance]


def test_files_of_others_in_the_folder_are_left_alone(shm: Path) -> None:
    for name in ("notes.txt", "x.ring", "zz-yy.ring", ".hidden", f"{'0' * 31}.agent"):
        (shm / name).write_text("mine")
    assert apart(take, str(shm)) == []
    assert len(list(shm.iterdir())) == 5


def test_in_a_folder_that_was_removed_nobody_is_adopted(tmp_path: Path) -> None:
    assert adopt.orphans(tmp_path / "gone", bytes(16), set(), 1 << 20) == []
