"""The agent beside forks: whatever it has open at that moment, the child writes on and the parent reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from celery_monitor.signals import process
from celery_monitor.store import live
from celery_monitor.store.connection import Store
from tests.agent import actors, stored
from tests.signals.apart import apart


def fork_beside_an_agent(folder: str | None, url: str) -> dict[str, list[tuple[str, str]]]:
    """The agent does a round between the making of a child's ring and the fork."""
    place = Path(folder) if folder else None
    actors.worker_parent(place)
    store = Store.open(url, "thread")
    agent = actors.agent(place, store)
    process.after_fork.append(agent.abandon)
    make = process.before_fork_of_child

    def made_and_seen() -> None:
        make()
        actors.round_(agent)

    process.before_fork_of_child = made_and_seen
    for number in range(2):
        actors.kill(actors.pool_child(lambda number=number: actors.run(f"child-{number}")))  # type: ignore[misc]
    actors.run("parent")
    actors.round_(agent)
    actors.round_(agent)
    return stored.ends(stored.folded(store)[0])


@pytest.mark.parametrize("on_tmpfs", [True, False])
def test_a_child_forked_in_the_middle_of_a_round_is_recorded(shm: Path, redis_url: str, on_tmpfs: bool) -> None:
    found = apart(fork_beside_an_agent, str(shm) if on_tmpfs else None, redis_url)
    assert found == {name: [("SUCCESS", "OK")] for name in ("child-0", "child-1", "parent")}


def run_at_a_rate(folder: str, url: str) -> tuple[int, int]:
    """Run 200 tasks when of 64 runs one is kept; return ends counted and rows stored."""
    place = Path(folder)
    actors.worker_parent(place)
    store = Store.open(url, "thread")
    agent = actors.agent(place, store)
    live.set_pace(store, {
        "agents": 1, "folded_us": 1, "by": "", "role": "beat", "interval_s": 5.0, "queues": [], "task_us": 0,
        "one_in": 64, "one_in_us": 1,
    })  # fmt: skip
    actors.round_(agent)
    for number in range(200):
        actors.run(f"task-{number}")
    actors.round_(agent)
    attempts, _ = stored.folded(store)
    return stored.counted(store)["SUCCESS"], len(attempts)


def test_an_agent_keeps_runs_at_the_rate_it_is_told_and_counts_them_all(shm: Path, redis_url: str) -> None:
    ended, rows = apart(run_at_a_rate, str(shm), redis_url)
    assert ended == 200
    assert rows < 20
