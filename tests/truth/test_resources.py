"""What an attempt moved from and to a disk is told of it and of nobody else, by what the kernel counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.truth.conftest import Scene
from tests.truth.script import SUCCESS

MIB = 1 << 20
LITTLE = 64 * 1024
"""The witness writes down each life: a page or two of its file."""
COUNTERS = ("read_bytes", "written_bytes", "switches", "involuntary_switches")
INNOCENT = (("nap", 0.05), ("succeed",), ("give", 500))


def counters(scene: Scene, task_id: str) -> dict[str, Any]:
    """Return the counters of an execution's one attempt."""
    (found,) = (scene.reader.execution(task_id) or {})["attempts"]
    return {name: found[name] for name in COUNTERS}


@pytest.mark.parametrize(("pool", "in_thread"), [("prefork", False), ("prefork", True), ("solo", False)])
def test_a_task_that_writes_50_mib_is_told_from_innocent_ones(
    scene: Scene, disk: Path, pool: str, in_thread: bool
) -> None:
    scene.work(pool, 1)
    quiet = [scene.send(name, *args, right=SUCCESS, times=5) for name, *args in INNOCENT]
    (writer,) = scene.send("write", str(disk / f"written-by-{pool}"), 50, in_thread, right=SUCCESS)
    quiet += [scene.send(name, *args, right=SUCCESS, times=5) for name, *args in INNOCENT]
    scene.settle()

    found = counters(scene, writer)
    assert found["written_bytes"] == pytest.approx(50 * MIB, rel=0.1)
    assert found["read_bytes"] == pytest.approx(50 * MIB, rel=0.1)
    for ids in quiet:
        known = [each for each in (counters(scene, task_id) for task_id in ids) if each["switches"] is not None]
        assert all(each["written_bytes"] < LITTLE and each["read_bytes"] < MIB for each in known)
    naps = [counters(scene, task_id)["switches"] for task_id in quiet[0] + quiet[3]]
    assert all(n >= 1 for n in naps)  # each was looked at: it took longer than a millisecond


@pytest.mark.parametrize("pool", ["threads", "gevent"])
def test_where_attempts_share_a_process_nothing_is_guessed(scene: Scene, disk: Path, pool: str) -> None:
    if pool == "gevent":
        pytest.importorskip("gevent")
    scene.work(pool, 2)
    ids = scene.send("nap", 0.05, right=SUCCESS, times=3)
    ids += scene.send("write", str(disk / f"written-by-{pool}"), 1, False, right=SUCCESS)
    scene.settle()
    assert [counters(scene, task_id) for task_id in ids] == [dict.fromkeys(COUNTERS)] * 4
