"""Every row that a pool knows, on one worker of that pool."""

from __future__ import annotations

import pytest

from tests.truth import verdicts
from tests.truth.conftest import Scene

CONCURRENCY = {"prefork": 4, "threads": 4, "gevent": 10, "solo": 1}


def test_a_producer_without_a_monitor_changes_no_attempt_and_no_end(scene: Scene) -> None:
    scene.work()
    scene.publish("prefork", bare=True)
    scene.settle()
    assert all(row["published_at"] is None or row["attempts"] for row in verdicts.executions(scene.reader))


@pytest.mark.parametrize("pool", sorted(CONCURRENCY))
def test_every_attempt_is_recorded_once_with_its_one_end(scene: Scene, pool: str) -> None:
    if pool == "gevent":
        pytest.importorskip("gevent")
    scene.work(pool, CONCURRENCY[pool])
    scene.publish(pool)
    scene.settle()
