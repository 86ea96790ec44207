"""Runs of every shape of canvas, judged from the rows that real workers recorded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.truth.conftest import Scene
from tests.waiting import until

OVER = {"SUCCEEDED", "FAILED", "PARTIAL"}
SHAPES: dict[str, list[tuple[str, int, int]]] = {
    "chain_of_three": [("SUCCEEDED", 3, 3)],
    "group_from_a_client": [("SUCCEEDED", 4, 4)],
    "group_from_a_task": [("SUCCEEDED", 4, 4)],
    "chord_from_a_client": [("SUCCEEDED", 5, 5)],
    "group_of_chains": [("SUCCEEDED", 4, 4)],
    "chord_of_chains": [("SUCCEEDED", 5, 5)],
    "group_after_group": [("SUCCEEDED", 4, 4)],
    "group_within_a_chain": [("SUCCEEDED", 5, 5)],
    "nested_chord": [("SUCCEEDED", 5, 5)],
    "child_of_a_body": [("SUCCEEDED", 2, 2), ("SUCCEEDED", 4, 4)],
    "mapped": [("SUCCEEDED", 1, 1), ("SUCCEEDED", 1, 1)],
    "chunks": [("SUCCEEDED", 3, 3)],
    "links": [("FAILED", 2, 2), ("SUCCEEDED", 3, 3)],
    "chain_that_fails_in_its_middle": [("FAILED", 3, 2)],
    "chord_whose_header_fails": [("FAILED", 3, 2)],
    "plan_of_many_shapes_behind_a_failure": [("FAILED", 6, 1)],
    "chord_with_a_member_added_later": [("SUCCEEDED", 4, 4)],
    "replaced_by_another": [
        ("SUCCEEDED", 1, 1), ("SUCCEEDED", 2, 2), ("SUCCEEDED", 3, 3), ("SUCCEEDED", 3, 3),
    ],
    "replaced_within_a_chain": [("SUCCEEDED", 3, 3)],
}  # fmt: skip
"""Row of `shapes` to its runs: state, executions known, executions completed."""


def published(scene: Scene, names: list[str], *, bare: bool) -> dict[str, list[str]]:
    """Publish each shape by a producer of its own; return its ids."""

    def one(name: str) -> list[str]:
        told = json.loads(scene._produce("produce", name, bare=bare))
        scene.expected.update({task_id: tuple(tuple(end) for end in right) for task_id, right in told.items()})
        return [task_id for task_id, right in told.items() if any(right)]

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(names, pool.map(one, names), strict=True))


def runs_of(scene: Scene, ids: list[str]) -> dict[str, Any]:
    """Return the runs these executions belong to."""
    rows = [scene.reader.execution(task_id) for task_id in ids]
    return {run: scene.reader.run(run) for run in {row["run_id"] for row in rows if row}}


def said(runs: Mapping[str, Any]) -> list[tuple[str, int, int]]:
    """Return the state of runs, the executions known and those completed."""
    return sorted((r["state"], r["totals"]["known"], r["totals"]["completed"]) for r in runs.values() if r)


@pytest.mark.parametrize("bare", [False, True], ids=["producer with Monitor", "producer without"])
def test_each_shape_is_one_run_with_the_state_and_totals_its_bodies_made(scene: Scene, bare: bool) -> None:
    scene.work()
    ids = published(scene, list(SHAPES), bare=bare)
    wrong: list[str] = []

    def right() -> bool:
        wrong[:] = [
            f"{name}: {said(found)}, expected {SHAPES[name]}"
            for name, mine in ids.items()
            if said(found := runs_of(scene, mine)) != SHAPES[name]
        ]
        return not wrong

    try:
        until(right, seconds=60, step=1)
    except AssertionError:
        raise AssertionError("\n".join(wrong)) from None
    scene.end()
    (chain,) = runs_of(scene, ids["chain_of_three"]).values()
    # The caller waits for planned steps; when it began to is known where the producer has a Monitor.
    assert (chain["turnaround_seconds"] or 0) >= chain["duration_seconds"] or bare
    assert (chain["turnaround_seconds"] is None) == bare
    for name, mine in ids.items():
        for run in runs_of(scene, mine).values():
            holds_together(run, name)


def holds_together(run: dict[str, Any], name: str) -> None:
    """Check what is true of any run that is over."""
    uids = {a["uid"]: a["parent_uid"] for e in run["executions"] for a in e["attempts"]}
    assert {parent for parent in uids.values() if parent} <= uids.keys(), name
    for start in uids:
        at, seen = start, set()
        while at is not None:
            assert at not in seen, f"{name}: a loop"
            seen.add(at)
            at = uids[at]
    assert run["path"], name
    assert set(run["path"]) <= uids.keys(), name
    assert all(p["state"] == "UNREACHED" for p in run["planned"]), (name, run["planned"])
    assert run["bottleneck"]["duration_seconds"] <= run["duration_seconds"] + 0.1, name
