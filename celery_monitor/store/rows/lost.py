"""Attempts whose end nobody could tell: booked as LOST by the sweep, taken back when their end arrives after all.

A worker that is stopped, partitioned or holds its interpreter for minutes looks dead and is not. The correction goes
into the bucket of the first booking, so every window and every total comes right.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from typing import Any, Final

from celery_monitor.live_state import AgentState, Running
from celery_monitor.model import BUCKET_S, Attempt, Batch, Cell, Metrics, Series
from celery_monitor.signals.record import Flag, Reason, State, fixed_id, pack_id
from celery_monitor.store import inbox, memory
from celery_monitor.store.commit import Commit, run_script
from celery_monitor.store.connection import Store
from celery_monitor.store.encoding import packing, shapes
from celery_monitor.store.keys import SEEN_S

SWEEPER: Final = b"sweeper-"
"""First bytes of the boot of a sweep's batches: their rows are no word of the attempt's own."""
_NOTE_BYTES: Final = 500
"""Most of the notes on lost attempts are smaller."""


def book(
    store: Store,
    agent: AgentState,
    raw: bytes,
    ended: Collection[str],
    now_us: int,
    *,
    redelivered: Collection[str] = (),
) -> int:
    """Book what a silent agent was running as LOST, at once or not at all; return how many.

    Of several shards each books the rows of its runs; the agent's own comes last and decides. Where the agent has
    spoken meanwhile, the ends of what the others have booked take it back.

    Parameters:
        agent, raw: its state, and the bytes it was read from.
        ended: uids (hex) whose end is in the store already.
        now_us: the server's clock.
        redelivered: uids (hex) whose message the broker has given to another worker.

    Raises:
        StoreError: the store does not answer; sweep again.
    """
    rows = [
        _row(run, agent, Reason.REDELIVERED if run["uid"] in redelivered else Reason.WORKER_GONE, now_us)
        for run in agent.get("running") or ()
        if run["uid"] not in ended
    ]
    home = store.home_of(str(agent.get("host", "")))
    parts: dict[Store, list[Attempt]] = {}
    for row in rows:
        parts.setdefault(store.shard_of(row.run or fixed_id(row.id)), []).append(row)
    mine = parts.pop(home, [])
    for shard, its in parts.items():
        _book(shard, agent, b"", _unbooked(shard, its), now_us)
    return len(rows) if _book(home, agent, raw, mine, now_us) else 0


def _unbooked(shard: Store, rows: list[Attempt]) -> list[Attempt]:
    """Return the rows without those that an earlier sweep has booked, before it was cut off."""
    with shard.translated():
        notes = shard.client.hmget(shard.keys.lost, [row.uid for row in rows])
    return [row for row, note in zip(rows, notes, strict=True) if note is None]


def _book(store: Store, agent: AgentState, raw: bytes, rows: list[Attempt], now_us: int) -> bool:
    """Book rows in one shard; without `raw` whatever the agent has said meanwhile."""
    if not rows and not raw:
        return True
    batch = Batch(SWEEPER + bytes.fromhex(agent["boot"])[:8], agent["at_us"], str(agent.get("host", "")), now_us)
    bucket = now_us // 1_000_000 // BUCKET_S * BUCKET_S
    notes: list[Any] = []
    room = _notes(store) if rows else 0
    for row in rows:
        add(batch.metrics, bucket, row, 1)
        if len(notes) < 2 * room:
            notes += (row.uid, packing.pack([bucket, list(row)]))
    batch.attempts = rows
    silenced = packing.pack({**agent, "running": []})
    counters, executions = inbox.encode_metrics(batch.metrics), inbox.encode_rows(batch)
    first, second = inbox.fields(batch, counters), inbox.fields(batch, executions)
    keys = store.keys
    done = run_script(
        store, "sweep", [keys.live, keys.lost, keys.inbox_metrics, keys.inbox_tasks, keys.inbox_bytes],
        [agent["boot"] if raw else "", raw, silenced, SEEN_S, inbox.cost(counters), inbox.cost(executions),
         len(notes) // 2, *notes, len(first), *first, *second],
    )  # fmt: skip
    return bool(done)


class Booked:
    """The attempts that are booked as LOST, as one run of the fold sees them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        with store.translated():
            self._notes: dict[bytes, bytes] = store.client.hgetall(store.keys.lost)

    def __len__(self) -> int:
        return len(self._notes)

    def take_back(self, boot: bytes, uids: Iterable[bytes], commit: Commit, now_us: int) -> None:
        """Add the corrections for attempts whose own end is in a batch to the commit that folds it."""
        if not self._notes or boot.startswith(SWEEPER):
            return
        for uid in uids:
            note = self._notes.pop(uid, None)
            if note is None:
                continue
            commit.add("HDEL", self._store.keys.lost, uid)
            booked = _note(note)
            if booked is None:
                continue
            metrics = Metrics()
            add(metrics, *booked, -1)
            who = hashlib.blake2b(uid, digest_size=16, person=b"came back").digest()
            batch = Batch(who, 1, "fold", now_us, metrics)
            inbox.add(commit, self._store.keys, batch)


def add(metrics: Metrics, bucket: int, row: Attempt, times: int) -> None:
    """Add (1) or take back (-1) a lost attempt's ends; its times are unknown and stay out of the sketches."""
    series: list[Series] = [("task", row.task, row.queue)]
    if row.flags & Flag.INFRASTRUCTURE:
        series = [("infra", row.task)]
    else:
        series.append(("worker", row.worker))
        if row.workflow:
            series.append(("step", row.workflow, row.step))
    cells = metrics.cells.setdefault(bucket, {})
    for name in series:
        cell = cells.setdefault(name, Cell())
        cell.counts[row.state] = cell.counts.get(row.state, 0) + times
        cell.reasons[row.reason] = cell.reasons.get(row.reason, 0) + times


def _note(raw: bytes) -> tuple[int, Attempt] | None:
    """Return the bucket and the attempt of a note, whatever release wrote it; None for a broken one."""
    try:
        bucket, fields = packing.unpack(raw)
        row = shapes.row(Attempt, fields)
    except packing.BROKEN:
        return None
    return (bucket, row) if isinstance(bucket, int) and 0 <= bucket < shapes.LARGEST else None


def _notes(store: Store) -> int:
    """Return how many more notes there is room for; an attempt without one is not taken back when it ends after all."""
    with store.translated():
        held = int(store.client.hlen(store.keys.lost))
    return memory.budget(store, memory.read(store)).notes // _NOTE_BYTES - held


def _row(run: Running, agent: AgentState, reason: Reason, now_us: int) -> Attempt:
    own = pack_id(run["id"])
    at = bytes.fromhex(run["run"])
    workflow = run.get("workflow", "")
    root, parent, group = (pack_id(text) if text else b"" for text in run.get("ids", ("", "", "")))
    return Attempt(
        own, root, parent, group, b"" if at == fixed_id(own) else at, bytes.fromhex(run["uid"]), run["task"],
        run["queue"], agent.get("hostname", ""), run["pid"], int(State.LOST), int(reason),
        run.get("flags", 0), 0, 0, 0, run["started_us"], -1, max(now_us - run["started_us"], 0), -1, 0, 0, workflow,
        run["task"] if workflow else "", "", "", "",
    )  # fmt: skip
