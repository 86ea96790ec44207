"""Ends of attempts whose worker was killed, and children that come and go."""

from __future__ import annotations

import os
import signal

from tests.truth.conftest import Scene
from tests.truth.script import SUCCESS, ends

OK = "SUCCESS ok"
GONE = "LOST parent_gone"


def test_a_killed_worker_loses_what_it_ran_and_no_more(scene: Scene) -> None:
    scene.redeliver_after(4)
    first = scene.work(concurrency=2)
    early = scene.send("nap", 60, right=ends(GONE))
    late = scene.send("late_once", 60, right=ends(GONE, OK))
    scene.begun(early[0])
    scene.begun(late[0])
    scene.send("nap", 0, right=SUCCESS, times=3)  # prefetched, not started
    first.kill()
    scene.timed_out()
    scene.work()
    scene.settle()


def test_a_killed_parent_takes_its_children_along(scene: Scene) -> None:
    first = scene.work(concurrency=2)
    ids = scene.send("nap", 60, right=ends(GONE))
    scene.begun(ids[0])
    os.kill(first.pid, signal.SIGKILL)
    scene.work()
    scene.settle()


def test_recycled_children_lose_nothing(scene: Scene) -> None:
    scene.work(concurrency=2, options=["--max-tasks-per-child", "2"])
    scene.send("nap", 0, right=SUCCESS, times=15)
    scene.settle()


def test_a_pool_that_grows_and_shrinks_loses_nothing(scene: Scene) -> None:
    scene.work(concurrency=4, options=["--autoscale", "4,1"])
    scene.send("nap", 0.3, right=SUCCESS, times=15)
    scene.settle()
