"""Under load, with children and workers killed at random: nothing lost, nothing doubled, nothing left open."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from tests.truth import verdicts
from tests.truth.conftest import Scene
from tests.truth.script import NOTHING
from tests.truth.witness import Life
from tests.waiting import until

CROSS = [pytest.mark.cross, pytest.mark.timeout(900)]


@pytest.mark.timeout(400)
@pytest.mark.parametrize(("children", "workers"), [(20, 5), pytest.param(100, 20, marks=CROSS)])
def test_kills_under_load_lose_and_double_nothing(scene: Scene, children: int, workers: int) -> None:
    scene.redeliver_after(5)
    ids = scene.send("killed_once", 0.1, right=None, times=children)
    ids += scene.send("late_nap", 0.02, right=None, times=200 * workers)
    random.shuffle(ids)
    running = scene.work()
    for n in range(1, workers + 1):
        want = len(scene.lives) + random.randint(20, 150)
        until(lambda want=want: len(scene.lives) >= want, seconds=60, step=0.01, what=f"load before kill {n}")
        running.kill()
        running = scene.work()
    until(scene.drained, seconds=300, step=1, what="every message taken and acknowledged")
    _is_right(scene, ids, kills=workers)
    assert sum(life.outcome is None for life in scene.lives) >= children, "not as many were killed as should be"


def _is_right(scene: Scene, ids: list[str], kills: int) -> None:
    """Hold every execution against the last of its bodies; only what had none that ended may be open.

    A worker takes a message from its list and notes it as unacknowledged in two steps, and with its slots full it
    leaves the taken one unread: SIGKILL in between takes it along. That is the broker's loss, at most one a kill.
    """
    last = {life.id: life for life in scene.lives}
    ended = {life.id for life in scene.lives if life.state == "SUCCESS"}
    assert len(set(ids) - ended) <= kills, "more than kills can cost the broker"
    scene.expected.update(dict.fromkeys(set(ids) - set(last), NOTHING))
    scene.settle()

    rows = list(verdicts.executions(scene.reader))
    assert Counter(row["id"] for row in rows) == Counter(ids)
    states = {row["id"]: row["state"] for row in rows}
    assert {states[one] for one in ids if one not in last} <= {"WAITING"}
    assert {one: states[one] for one in ids if _succeeded(last.get(one)) and states[one] != "SUCCESS"} == {}


def _succeeded(life: Life | None) -> bool:
    return life is not None and life.state == "SUCCESS"
