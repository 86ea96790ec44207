"""The runs that are not over: touched by every commit of the fold that has rows of them, settled by the tick.

Only runs of a workflow are followed: a task on its own is its execution. A score is the time (us) of a run's last news,
or of one that was judged since, and is not over, when it is judged again: then it ends in a half.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from celery_monitor.details import Run, RunState, Wait
from celery_monitor.model import BUCKET_S, WEIGHTED, Batch, Cell, Metrics, is_kept
from celery_monitor.signals.record import Flag, State, fixed_id
from celery_monitor.store import inbox
from celery_monitor.store.commit import Commit
from celery_monitor.store.connection import Store
from celery_monitor.store.encoding import columns
from celery_monitor.store.keys import RUNS_S
from celery_monitor.store.report import Step
from celery_monitor.store.rows import shelves, waits
from celery_monitor.store.rows.blocks import View
from celery_monitor.store.rows.filler import Filler

MOST_ACTIVE: Final = 100_000
"""Runs followed at once; beyond them the ones that were quiet the longest are left as they are."""
SAMPLE: Final = 1000
"""Runs looked at to tell how many are open."""
_PARTIAL: Final = int(Flag.PARTIAL_RUN)
_NO_NEWS: Final = frozenset({"runs", "logs"})
"""Tables from which a run is not judged."""


@dataclass(slots=True)
class Verdicts:
    """What the tick found out about runs, to be stored at once.

    Attributes:
        over: rows of runs that are over, each with the row stored before it (None: the first time).
        later: run to when it is looked at again (us).
        dropped: runs of which nothing is known any more.
        waits: open waits that ended with their attempt.
    """

    over: list[tuple[Run, Run | None]] = field(default_factory=list)
    later: dict[bytes, int] = field(default_factory=dict)
    dropped: list[bytes] = field(default_factory=list)
    waits: list[Wait] = field(default_factory=list)


def of(tables: View, one_in: int = 1) -> set[bytes]:
    """Return the runs (16 bytes) that rows with a workflow belong to and that are kept, when one in so many is."""
    found: set[bytes] = set()
    for name, table in tables.items():
        if name in _NO_NEWS or "workflow" not in table:
            continue
        if not any(table["workflow"]):
            continue
        rows = zip(table["workflow"], table["run"], table["id"], strict=True)
        mine = [run or fixed_id(own) if workflow else b"" for workflow, run, own in rows]
        if name == "attempts":
            mine = [b"" if flags & _PARTIAL else run for run, flags in zip(mine, table["flags"], strict=True)]
        found.update(mine)
    found.discard(b"")
    return {run for run in found if is_kept(run, one_in)}


def touch(store: Store, runs: Iterable[bytes], commit: Commit, now_us: int) -> None:
    """Add to the commit that these runs have news."""
    scored = [part for run in runs for part in (now_us, run)]
    if scored:
        key = store.keys.runs
        commit.add("ZADD", key, *scored)
        commit.add("ZREMRANGEBYRANK", key, 0, -MOST_ACTIVE - 1)
        commit.add("EXPIRE", key, RUNS_S)


def active(store: Store) -> list[tuple[bytes, int]]:
    """Return the runs that are not over with the time (us) of their last news, the newest first.

    One that was judged since, and is not over, has the time at which it is judged again.

    Raises:
        StoreError: the store does not answer.
    """
    with store.translated():
        found = [
            (run, int(score))
            for shard in store.shards
            for run, score in store.client.zrevrange(shard.keys.runs, 0, -1, withscores=True)
        ]
    return sorted(found, key=lambda each: -each[1])


def open_of(sample: Sequence[Any], size: int, running: Collection[bytes]) -> int:
    """Return how many runs are open: they were judged so, or an attempt of theirs runs.

    Parameters:
        sample: what ZRANDMEMBER answers with scores: runs that are followed, all of them unless there are many.
        size: how many are followed.
        running: runs of attempts that run now.

    >>> open_of([b"a", b"7.5", b"b", b"9", b"c", b"8"], 3, {b"b"}), open_of([[b"a", 7.5], [b"b", 9.0]], 100, ())
    (2, 50)
    """
    # The protocol's version 2 has no pairs, and the client leaves this command's answer as it is.
    pairs = (
        [sample[at : at + 2] for at in range(0, len(sample), 2)] if isinstance(next(iter(sample), 0), bytes) else sample
    )
    found = sum(float(score) % 1 > 0 or run in running for run, score in pairs)
    return round(found * size / len(pairs)) if pairs else 0


def quiet(store: Store, before_us: int, most: int) -> tuple[bytes, list[bytes]]:
    """Return the fold's cursor, and the runs without news since a time, the quietest first.

    The cursor is read first: what is found out about these runs may be stored as long as it has not moved.

    Raises:
        StoreError: the store does not answer.
    """
    with store.translated():
        cursor = store.client.get(store.keys.cursor(inbox.TASKS)) or b""
        return cursor, store.client.zrangebyscore(store.keys.runs, "-inf", before_us, 0, most)


def settle(store: Store, cursor: bytes, verdicts: Verdicts, now_us: int) -> bool:
    """Store what was found out; False when the fold has moved meanwhile: look again at the next tick.

    Parameters:
        cursor: as `quiet` returned it.

    Raises:
        StoreError: the store does not answer; look again at the next tick.
    """
    key, step = store.keys.cursor(inbox.TASKS), Step()
    commit, at = Commit(key, cursor), shelves.cursor_of(store, cursor or None, step)
    rows: dict[str, Sequence[Any]] = {"runs": [row for row, _ in verdicts.over], "waits": verdicts.waits}
    tables = {name: columns.from_rows(columns.SCHEMAS[name], found) for name, found in rows.items() if found}
    if tables:
        filler = Filler(store, store.keys.executions, at.executions, commit, step)
        filler.add(tables)
        filler.close()
    _count(store, verdicts.over, commit, now_us)
    waits.count(verdicts.waits, store, commit, now_us)
    if verdicts.waits:
        commit.add("HDEL", store.keys.waits, *(wait.key for wait in verdicts.waits))
    done = [row.run for row, _ in verdicts.over] + verdicts.dropped
    if done:
        commit.add("ZREM", store.keys.runs, *done)
    if verdicts.later:
        again = (part for run, at_us in verdicts.later.items() for part in (f"{at_us - 1}.5", run))
        commit.add("ZADD", store.keys.runs, *again)
    step.write(commit, store.keys)
    return commit.run(store, at.dump())


def _count(store: Store, over: Sequence[tuple[Run, Run | None]], commit: Commit, now_us: int) -> None:
    """Add the cells of runs to the commit; a run that was over before is taken back in its own bucket first."""
    if not over:
        return
    metrics = Metrics()
    for row, before in over:
        if before is not None:
            _add(metrics, before, -1)
        _add(metrics, row, 1)
    names = b"".join(row.run + row.revision.to_bytes(4, "big") for row, _ in over)
    batch = Batch(hashlib.blake2b(names, digest_size=16, person=b"runs").digest(), 1, "fold", now_us, metrics)
    inbox.add(commit, store.keys, batch)


def _add(metrics: Metrics, row: Run, times: int) -> None:
    """Add (1) or take back (-1) a run and those it stands for: its end, its duration as run time.

    Wait and CPU are sums over its attempts.
    """
    cells = metrics.cells.setdefault(row.at_us // 1_000_000 // BUCKET_S * BUCKET_S, {})
    cell = cells.setdefault(("workflow", row.workflow), Cell())
    good = row.state in {RunState.SUCCEEDED, RunState.PARTIAL}
    state = int(State.SUCCESS if good else State.FAILURE)
    times *= max(abs(row.one_in), 1)
    if abs(row.one_in) > 1:
        cell.reasons[WEIGHTED] = cell.reasons.get(WEIGHTED, 0) + times
    cell.counts[state] = cell.counts.get(state, 0) + times
    if row.retries:
        cell.counts[int(State.RETRY)] = cell.counts.get(int(State.RETRY), 0) + times * row.retries
    cell.runtime.add(row.duration_us, times=times)
    cell.wait.add(row.wait_us, times=times)
    known = (cell.turnaround, row.turnaround_us), (cell.cpu, row.cpu_us), (cell.memory, row.rss_kib or -1)
    for sketch, value in known:
        if value >= 0:
            sketch.add(value, times=times)
