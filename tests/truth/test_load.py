"""Under load, with children and workers killed at random: nothing lost, nothing doubled, nothing left open."""

from __future__ import annotations

import random

import pytest

from tests.truth import verdicts
from tests.truth.conftest import Scene
from tests.truth.script import NOTHING
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
    # A worker killed between taking a message from its list and noting it as unacknowledged takes it along: that is
    # the broker's loss, at most one for each kill, and it has to show as what it is.
    begun = {life.id for life in scene.lives}
    gone = set(ids) - begun
    assert len(gone) <= workers
    scene.expected.update(dict.fromkeys(gone, NOTHING))
    scene.settle()
    assert {scene.reader.execution(one)["state"] for one in gone} <= {"WAITING"}
    assert sum(life.outcome is None for life in scene.lives) >= children, "not as many were killed as should be"

    rows = list(verdicts.executions(scene.reader))
    listed = [row["id"] for row in rows]
    assert sum(row["state"] != "SUCCESS" for row in rows) <= workers, "more than kills can cost the broker"
    assert len(listed) == len(set(listed)) == len(ids)
