"""What is said of single attempts beside their end: against the worker's own log, and by what was asked for."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from celery_monitor.query.times import parse_iso
from tests.truth.conftest import Scene
from tests.truth.script import SUCCESS, ends

RECEIVED = re.compile(r"^\[(\S+ \S+): INFO/MainProcess\] Task \S+\[(\S+)\] received", re.MULTILINE)
ROUNDING = timedelta(seconds=0.5)
"""The log line is written a moment before or after the request is taken in, and more on a busy machine."""


def attempt(scene: Scene, task_id: str) -> dict[str, Any]:
    """Return the one attempt of an execution."""
    (found,) = (scene.reader.execution(task_id) or {})["attempts"]
    return dict(found)


def test_routing_key_and_result_size_are_those_of_the_message_and_of_what_was_stored(scene: Scene) -> None:
    scene.settings.update(
        task_default_exchange="orders", task_default_exchange_type="topic", task_default_routing_key="orders.new"
    )
    scene.work()
    sizes = {500: "up_to_1_kib", 5_000: "up_to_10_kib", 50_000: "up_to_100_kib", 500_000: "up_to_1_mib"}
    ids = {size: scene.send("give", size, right=SUCCESS)[0] for size in [*sizes, 2_000_000]}
    (ignored,) = scene.send("give_to_nobody", 5_000, right=SUCCESS)
    (failed,) = scene.send("fail", right=ends("FAILURE error"))
    scene.settle()

    found = {size: attempt(scene, task_id)["result_size_class"] for size, task_id in ids.items()}
    assert found == {**sizes, 2_000_000: "over_1_mib"}
    assert attempt(scene, ignored)["result_size_class"] == attempt(scene, failed)["result_size_class"] == "none"
    row = scene.reader.execution(ids[500]) or {}
    assert (row["queue"], row["attempts"][0]["routing_key"]) == ("celery", "orders.new")


def test_failures_of_one_kind_have_one_fingerprint_and_are_found_by_it(scene: Scene) -> None:
    scene.work()
    error = ends("FAILURE error")
    same = [scene.send("lose", order, right=error)[0] for order in (1, 22, 333)]
    other = scene.send("miss", 1, right=error) + scene.send("fail", right=error)
    killed = scene.send("killed", right=ends("FAILURE killed"), times=2)
    scene.settle()

    prints = {task_id: attempt(scene, task_id)["fingerprint"] for task_id in same + other + killed}
    assert len({prints[task_id] for task_id in same}) == 1
    assert len({prints[task_id] for task_id in killed}) == 1
    assert len(set(prints.values())) == 4
    page = scene.reader.executions(fingerprint=prints[same[0]])
    assert {row["id"] for row in page["executions"]} == set(same)


@pytest.mark.parametrize("task", ["refused", "late"])
def test_a_failure_that_was_retried_first_is_of_the_same_kind_each_time(scene: Scene, task: str) -> None:
    scene.work()
    ids = scene.send(task, 17, right=ends("RETRY retry", "FAILURE error"))
    scene.settle()

    shown = (scene.reader.execution(ids[0]) or {})["attempts"]
    assert len({one["fingerprint"] for one in shown}) == 1
    assert all(f"in {task}" in one["exception"]["traceback"] for one in shown)


@pytest.mark.parametrize("exact", [False, True])
def test_a_hold_is_within_its_error_of_what_the_worker_logged(scene: Scene, exact: bool) -> None:
    scene.settings.update(monitor_resource_interval=1.0, monitor_capture_received=exact)
    worker = scene.work(concurrency=1)
    ids = scene.send("nap", 2.5, right=SUCCESS, times=3)
    scene.settle()

    # Python 3.10 reads no comma before the fraction.
    received = {one: datetime.fromisoformat(at.replace(",", ".")) for at, one in RECEIVED.findall(worker.log)}
    holds = [attempt(scene, task_id) for task_id in ids]
    for task_id, found in zip(ids, holds, strict=True):
        began = (
            datetime.fromtimestamp(parse_iso("started_at", found["started_at"]) / 1e6, timezone.utc)
            .astimezone()
            .replace(tzinfo=None)
        )
        held, error = timedelta(seconds=found["hold_seconds"]), timedelta(seconds=found["hold_error_seconds"])
        assert abs(began - received[task_id] - held) <= error + ROUNDING
        assert (not error) if exact else timedelta() < error
    assert max(found["hold_seconds"] for found in holds) > 2.5, "the last of them waited for two others"
