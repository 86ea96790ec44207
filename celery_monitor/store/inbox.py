"""What agents hand in: two streams, one of counters and one of task rows, which the fold empties.

An entry has the fields ``h``, the packed head (version, boot of 16 bytes, n, host, the agent's clock in us), and
``d``, the bytes: of counters `encoding.tallies` and gauges in zlib, of rows `encoding.columns`. Beside the streams lies
how many bytes wait in them: who adds an entry adds them, the fold takes them off, and what finds no room stays with the
agent.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from celery_monitor.errors import StoreError, StoreRefused
from celery_monitor.live_state import AgentState, Pace
from celery_monitor.model import Batch, Gauge, Metrics, Series
from celery_monitor.signals.record import fixed_id
from celery_monitor.store import live, memory
from celery_monitor.store.commit import Commit, run_script
from celery_monitor.store.connection import Store
from celery_monitor.store.encoding import columns, dumps, packing, shapes, tallies
from celery_monitor.store.encoding.packing import Undecodable
from celery_monitor.store.encoding.sums import Sums
from celery_monitor.store.encoding.tallies import Tallies
from celery_monitor.store.keys import Keys

VERSION: Final = 1
METRICS: Final = "m"
TASKS: Final = "t"
_SHARED_NODE_BYTES: Final = 4096
"""Redis puts entries into one node of a stream until it has so many bytes."""
_BOOT: Final = 16
_is_int: Final = shapes.checker(int)
_ENTRY_BYTES: Final = 200
"""What an entry costs in the stream beside its data."""
_MEMORY_S: Final = 20.0
"""INFO is asked once in this time: it is the only command that is not part of the flush's round trip."""


@dataclass(frozen=True, slots=True)
class Entry:
    """The head of an entry; `data` is not decoded yet."""

    id: str
    boot: bytes
    n: int
    host: str
    at_us: int
    data: bytes


def send(store: Store, batch: Batch | None, state: AgentState | None) -> Pace | None:
    """Hand in a batch and the live state in one round trip, and learn the pace.

    Of several shards the host's takes counters and state, each of the others the rows of its runs, in a round trip of
    its own. A batch may be sent again after any error: each fold takes ``(boot, n)`` once. Where the server's memory is
    short, task rows are left out and counted in ``store.dropped``, which goes into the state's ``dropped``.

    Raises:
        StoreUnreachable: no answer; whether the batch arrived is unknown.
        StoreRefused: the server said no, or there is room for nothing, not even counters: in its memory, or in the
            inbox, because nobody folds.
    """
    host = batch.host if batch is not None else state["host"] if state is not None else ""
    home = store.home_of(host)
    split = {home: batch} if batch is None or len(store.shards) == 1 else _split(store, home, batch)
    before = Counter(store.dropped)
    try:
        told = _send(home, split.pop(home), state)
        for shard, rest in split.items():
            _send(shard, rest, None)
    except StoreError:
        store.dropped.clear()  # nothing is dropped yet: all of it is sent again
        store.dropped.update(before)
        raise
    return told


def _send(store: Store, batch: Batch | None, state: AgentState | None) -> Pace | None:
    """Hand in what one shard takes."""
    room = _room(store)
    mine = memory.budget(store, room)
    takes = batch is not None and room.takes_counters
    counters, cost_m, rows, cost_t = _entries(store, batch, room) if batch is not None and takes else ([], 0, [], 0)
    told = ("", b"") if state is None else (state["boot"], _packed(store, state, mine.state(store.agents)))
    keys = store.keys
    took_counters, took_rows, *pace = run_script(
        store, "handin", [keys.inbox_metrics, keys.inbox_tasks, keys.inbox_bytes, keys.live, keys.pace],
        [*told, mine.counters_inbox, cost_m, len(counters), mine.rows_inbox, cost_t, len(rows), *counters, *rows],
    )  # fmt: skip
    if batch and not room.takes_counters:
        raise StoreRefused(
            f"{store.where}: {room.ratio:.0%} of maxmemory is used; nothing is added above {memory.COUNTERS_BELOW:.0%}"
        )
    if not took_counters:
        raise StoreRefused(f"{store.where}: {mine.counters_inbox} bytes of counters wait there: does nobody fold?")
    if batch is not None and rows and not took_rows:
        store.dropped["executions: the inbox is full"] += batch.rows
    found = live.decode_pace(pace[0] if pace else None)
    store.agents = found["agents"] if found else store.agents
    return found


def _split(store: Store, home: Store, batch: Batch) -> dict[Store, Batch]:
    """Return what each shard takes of a batch, the same however often it is sent."""
    parts = {home: replace(batch, attempts=[], publishes=[], details={})}
    tables = [("attempts", batch.attempts), ("publishes", batch.publishes), *batch.details.items()]
    for table, rows in tables:
        for row in rows:
            shard = store.shard_of(row.run or fixed_id(row.id))
            if shard not in parts:
                parts[shard] = Batch(batch.boot, batch.n, batch.host, batch.at_us)
            part = parts[shard]
            (getattr(part, table) if table not in batch.details else part.details.setdefault(table, [])).append(row)
    return parts


def add(commit: Commit, keys: Keys, batch: Batch) -> None:
    """Add a batch of counters to a commit of the fold."""
    data = encode_metrics(batch.metrics)
    commit.add("HINCRBY", keys.inbox_bytes, METRICS, cost(data))
    commit.add("XADD", keys.inbox_metrics, "*", *fields(batch, data))


def trim(
    commit: Commit, keys: Keys, kind: str, entries: Iterable[Mapping[bytes, bytes]], before: str, *, full: bool = False
) -> None:
    """Add the removal of folded entries to the commit that folds them; `before` is the id of the first one left.

    Parameters:
        full: the server is short of memory: the removal comes first, so that it cannot be refused.
    """
    (commit.lead if full else commit.add)("XTRIM", keys.inbox(kind), "MINID", before)
    commit.add("HINCRBY", keys.inbox_bytes, kind, -sum(cost(fields.get(b"d", b"")) for fields in entries))


def cost(data: bytes) -> int:
    """Return what an entry with these bytes takes in its stream.

    A large one has a node of its own, whose size jemalloc rounds up to the next quarter between two powers of two.
    """
    size = len(data) + _ENTRY_BYTES
    if size <= _SHARED_NODE_BYTES:
        return size
    step = 1 << (size.bit_length() - 3)
    return -(-size // step) * step


def encode_metrics(metrics: Metrics) -> bytes:
    """Return the bytes of a batch's counters and gauges."""
    gauges = [
        [b, [[s, {name: g.dump() for name, g in levels.items()}] for s, levels in row.items()]]
        for b, row in metrics.gauges.items()
    ]
    return packing.deflate(packing.pack([VERSION, tallies.encode(metrics.cells), gauges, metrics.worker]), 1)


class Counters(NamedTuple):
    """A batch's counters as they lie in an entry, and gauges as (bucket, rows of series and dumps), all checked."""

    tallies: Tallies
    gauges: list[tuple[int, list[tuple[Series, dict[str, list[Any]]]]]]
    worker: str = ""


def decode_counters(data: bytes) -> Counters:
    """Return the counters in an entry's bytes; adding them needs no cell to be built.

    Raises:
        Undecodable: broken, hostile, or of a newer version.
    """
    try:
        version, cells, gauges, *more = packing.unpack(packing.inflate(data))
        if version != VERSION:
            raise Undecodable(f"counters of version {version!r}; this release reads {VERSION}")
        return Counters(
            tallies.decode(cells),
            [(tallies.bucket(b), [(shapes.series(s), dumps.checked_levels(g)) for s, g in row]) for b, row in gauges],
            "".join(more[:1]),
        )
    except packing.BROKEN as e:
        raise Undecodable(f"counters: {e}") from e


def decode_metrics(data: bytes) -> Metrics:
    """Return what `encode_metrics` was given.

    Raises:
        Undecodable: broken, hostile, or of a newer version.
    """
    found, sums = decode_counters(data), Sums()
    sums.add(found.tallies, {})
    levels = {b: {s: {n: Gauge.load(g) for n, g in of.items()} for s, of in row} for b, row in found.gauges}
    return Metrics(sums.cells(), levels, found.worker)


def encode_rows(batch: Batch) -> bytes:
    """Return the bytes of a batch's task rows."""
    tables = {
        "attempts": columns.from_rows(columns.ATTEMPTS, batch.attempts),
        "publishes": columns.from_rows(columns.PUBLISHES, batch.publishes),
        **{name: columns.from_rows(columns.SCHEMAS[name], rows) for name, rows in batch.details.items()},
    }
    return columns.encode(tables, level=1, whole=True)


def read(client: Any, stream: str, after: str, count: int) -> list[tuple[bytes, dict[bytes, bytes]]]:
    """Return up to `count` raw entries after an id ("" for the start), oldest first; `client` may be a pipeline."""
    entries: list[tuple[bytes, dict[bytes, bytes]]] = client.xrange(stream, f"({after}" if after else "-", "+", count)
    return entries


def following(client: Any, stream: str, after: str, count: int) -> list[tuple[bytes, dict[bytes, bytes]]]:
    """Return what `read` does; where that is nothing, what lies before `after`: a commit leaves nothing there."""
    return read(client, stream, after, count) or (read(client, stream, "", count) if after else [])


def head(entry_id: bytes, fields: Mapping[bytes, bytes]) -> Entry:
    """Return an entry's head.

    Raises:
        Undecodable: fields are missing or no numbers, or the version is newer.
    """
    try:
        version, boot, n, host, at_us = packing.unpack(fields[b"h"])[:5]
        if version != VERSION:
            raise Undecodable(f"entry of version {version!r}; this release reads {VERSION}")
        if not all(map(_is_int, (n, at_us))) or boot.__class__ is not bytes or host.__class__ is not str:
            raise Undecodable(f"entry {n!r} of {boot!r:.40} on {host!r:.40} at {at_us!r}")
        if len(boot) != _BOOT or not 0 < n < 1 << 53:
            raise Undecodable(f"boot of {len(boot)} bytes, n {n}")
        return Entry(entry_id.decode(), boot, n, host, at_us, fields[b"d"])
    except packing.BROKEN as e:
        raise Undecodable(f"entry: {e}") from e


def fields(batch: Batch, data: bytes) -> list[Any]:
    """Return an entry's fields and values in a row, as XADD takes them."""
    return ["h", packing.pack([VERSION, batch.boot, batch.n, batch.host, batch.at_us]), "d", data]


def _entries(store: Store, batch: Batch, room: memory.Memory) -> tuple[list[Any], int, list[Any], int]:
    """Return a batch's counters as XADD takes them and their cost, then the same of its rows."""
    counters: list[Any] = []
    rows: list[Any] = []
    cost_m = cost_t = 0
    if batch.metrics:
        data = encode_metrics(batch.metrics)
        counters, cost_m = fields(batch, data), cost(data)
    if batch.rows and not room.takes_executions:
        store.dropped["executions: server memory above 70 %"] += batch.rows
    elif batch.rows:
        data = encode_rows(batch)
        rows, cost_t = fields(batch, data), cost(data)
    return counters, cost_m, rows, cost_t


def _packed(store: Store, state: AgentState, most: int) -> bytes:
    """Return a state's bytes; where they are too many, it names fewer children, less that is held and that runs."""
    whole = _with_dropped(store, state)
    data = packing.pack(whole)
    for rows in ("deaths", "children", "held", "running"):
        while len(data) > most and whole.get(rows):
            whole[rows] = whole[rows][: len(whole[rows]) // 2]
            data = packing.pack(whole)
    return data


def _room(store: Store) -> memory.Memory:
    now = time.monotonic()
    if store.room is None or now - store.room[0] > _MEMORY_S:
        store.room = (now, memory.read(store))
    known: memory.Memory = store.room[1]
    return known


def _with_dropped(store: Store, state: AgentState) -> dict[str, Any]:
    if not store.dropped:
        return dict(state)
    dropped = dict(state.get("dropped") or {})
    for what, n in store.dropped.items():
        dropped[what] = dropped.get(what, 0) + n
    return {**state, "dropped": dropped}
