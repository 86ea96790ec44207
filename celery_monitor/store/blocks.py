"""Blocks of about 2000 task rows, and the note on each that lets a search skip it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from operator import add
from typing import Final
from zlib import crc32

from celery_monitor.model import PUBLISHED, ended_us
from celery_monitor.signals import labels
from celery_monitor.store import columns, index, packing
from celery_monitor.store.columns import SCHEMAS, Columns
from celery_monitor.store.packing import Undecodable

ROWS: Final = 2000
KEEP_S: Final = 30 * 86_400
"""Executions go after this time even when there is room; the keys themselves a little later."""
_OVERHEAD: Final = 400
"""Bytes a block costs beside its data: key, note, members, its part of the index's keys."""
_TASK_BYTES: Final = 8  # in the note, per task name
_INDEX_BYTES: Final = 6.4
"""What an index entry of 4 bytes costs in a string that grows: the server leaves it room."""

Tables = dict[str, Columns]
_LOGS: Final = 40
_MOST_TENS: Final = 5
_ALWAYS: Final = ("attempts", "publishes")
_BEGINS: Final = {"attempts": "started_us", "publishes": "published_us"}
"""Column that is never later than when a row of the table became true; of all others that is `at_us`."""


@dataclass(frozen=True, slots=True)
class Info:
    """The note on a block.

    Attributes:
        oldest_us, newest_us: first and last end (of publishes: the publish time).
        rows: of all tables.
        stored_bytes: what the block costs with its index entries.
        states: crc32 of a task name to a bit set: bit n for an attempt of state n, bit 0 for a publish, bit `_LOGS` + n
            for a log record of n tens of `logging`'s levels.
        index_bytes: the part of `stored_bytes` that goes with the block's group only.
    """

    oldest_us: int
    newest_us: int
    rows: int
    stored_bytes: int
    states: dict[int, int]
    index_bytes: int = 0

    def dump(self) -> bytes:
        """Return its bytes."""
        return packing.pack([getattr(self, name) for name in self.__slots__])

    def may_hold(self, task: str | None, states: Iterable[int]) -> bool:
        """Return whether the block can hold a row of a task (None: any) in one of some states."""
        mask = sum(1 << s for s in set(states))
        if task is not None:
            return bool(self.states.get(crc32(task.encode()), 0) & mask)
        return any(bits & mask for bits in self.states.values())

    def may_log(self, task: str | None, level: int) -> bool:
        """Return whether the block can hold a log record of a task (None: any) of at least a level."""
        mask = sum(1 << _LOGS + n for n in range(_tens(level), _MOST_TENS + 1))
        if task is not None:
            return bool(self.states.get(crc32(task.encode()), 0) & mask)
        return any(bits & mask for bits in self.states.values())


def load_info(raw: bytes) -> Info:
    """Return the note in its bytes.

    Raises:
        Undecodable: broken.
    """
    try:
        return Info(*packing.unpack(raw)[:6])
    except packing.BROKEN as e:
        raise Undecodable(f"block note: {e}") from e


def empty() -> Tables:
    """Return tables without rows."""
    return {schema.name: {name: [] for name in schema.columns} for schema in SCHEMAS.values()}


def count(tables: Tables) -> int:
    """Return the rows of all tables."""
    return sum(len(table["id"]) for table in tables.values())


def extend(into: Tables, other: Tables) -> None:
    """Append the rows of other tables."""
    for name, table in other.items():
        mine = into.setdefault(name, {column: [] for column in SCHEMAS[name].columns})
        for column, values in table.items():
            mine[column].extend(values)


def read(data: bytes) -> Tables:
    """Return the tables in a block or an inbox entry.

    Raises:
        Undecodable: broken, or of a newer version.
    """
    blob = columns.Blob(data)
    return {name: blob.columns(name) for name in SCHEMAS if blob.rows(name) or name in _ALWAYS}


def ends(attempts: Columns) -> list[int]:
    """Return when each attempt ended, in us."""
    started, runtime = attempts["started_us"], attempts["runtime_us"]
    if all(started) and min(runtime, default=0) >= 0:
        return list(map(add, started, runtime))
    return list(
        map(
            ended_us,
            started,
            runtime,
            attempts["published_us"],
            attempts["wait_us"],
        )
    )


def times(tables: Tables) -> dict[str, list[int]]:
    """Return when each row of each table became true, in us."""
    known = {name: table["at_us"] for name, table in tables.items() if "at_us" in table}
    return known | {"attempts": ends(tables["attempts"]), "publishes": tables["publishes"]["published_us"]}


def index_ids(tables: Tables, identity: Collection[str] = ()) -> set[bytes]:
    """Return the ids a block is found by: of its executions, of their runs, and of labels with the `identity` keys."""
    found: set[bytes] = set()
    for table in tables.values():
        found.update(table["id"], table["run"])
    for text in set(tables["labels"]["labels"]) if "labels" in tables else ():
        found.update(index.label_id(key, value) for key, value in labels.read(text).items() if key in identity)
    found.discard(b"")
    return found


def build(tables: Tables, ids: int | None = None) -> tuple[bytes, Info]:
    """Return the bytes of a block and the note on it; `ids` is the number of `index_ids` when it is known."""
    data = columns.encode(tables)
    when = [at for of in times(tables).values() for at in of]
    states: dict[int, int] = {}
    for task, state in set(zip(tables["attempts"]["task"], tables["attempts"]["state"], strict=True)):
        _mark(states, task, state)
    for task in set(tables["publishes"]["task"]):
        _mark(states, task, PUBLISHED)
    if "logs" in tables:
        for task, level in set(zip(tables["logs"]["task"], tables["logs"]["level"], strict=True)):
            _mark(states, task, _LOGS + _tens(level))
    indexed = int((len(index_ids(tables)) if ids is None else ids) * _INDEX_BYTES)
    cost = packing.allocated(len(data)) + indexed + _OVERHEAD + _TASK_BYTES * len(states)
    return data, Info(min(when), max(when), count(tables), cost, states, indexed)


def without_late(tables: Tables, oldest_us: int) -> Tables:
    """Return the tables without rows that ended (were published) before a time."""
    begins = [table[_BEGINS.get(name, "at_us")] for name, table in tables.items()]
    if all(not of or min(of) >= oldest_us for of in begins):
        return tables
    when = times(tables)
    kept = {name: [at for at, t in enumerate(of) if t >= oldest_us] for name, of in when.items()}
    return {
        name: {column: [values[at] for at in kept[name]] for column, values in table.items()}
        for name, table in tables.items()
    }


def _tens(level: int) -> int:
    return max(0, min(level // 10, _MOST_TENS))


def _mark(states: dict[int, int], task: str, state: int) -> None:
    key = crc32(task.encode())
    states[key] = states.get(key, 0) | 1 << max(0, min(state, 62))
