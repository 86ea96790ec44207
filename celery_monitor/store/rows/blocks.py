"""Blocks of about 2000 task rows, and the note on each that lets a search skip it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product, repeat
from operator import add
from typing import Any, Final
from zlib import crc32

from celery_monitor.model import PUBLISHED, ended_us
from celery_monitor.signals import labels
from celery_monitor.store.encoding import packing, shapes
from celery_monitor.store.encoding.blob import Blob
from celery_monitor.store.encoding.columns import SCHEMAS, Columns
from celery_monitor.store.encoding.packing import Undecodable
from celery_monitor.store.rows import index

ROWS: Final = 2000
KEEP_S: Final = 30 * 86_400
"""Executions go after this time even when there is room; the keys themselves a little later."""
_OVERHEAD: Final = 400
"""Bytes a block costs beside its data: key, note, members, its part of the index's keys."""
_TASK_BYTES: Final = 8  # in the note, per task name
_INDEX_BYTES: Final = 6.4
"""What an index entry of 4 bytes costs in a string that grows: the server leaves it room."""

Tables = dict[str, Columns]
View = Mapping[str, Mapping[str, list[Any]]]
_LOGS: Final = 40
_MOST_TENS: Final = 5
_ALWAYS: Final = ("attempts", "publishes")
_ALSO_IDS: Final = ("root", "parent", "group")
"""Columns of ids that rows are not found by."""
_BEGINS: Final = {"attempts": "started_us", "publishes": "published_us"}
"""Column that is never later than when a row of the table became true; of all others that is `at_us`."""


@dataclass(frozen=True, slots=True)
class Info:
    """The note on a block.

    Attributes:
        oldest_us, newest_us: a time before all ends (of publishes: the publish time), close to the first, and the last.
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
        return shapes.row(Info, packing.unpack(raw))
    except packing.BROKEN as e:
        raise Undecodable(f"block note: {e}") from e


class Table(Mapping[str, list[Any]]):
    """A table of a blob, a column of which is decoded when it is asked for."""

    def __init__(self, blob: Blob, name: str) -> None:
        self._blob, self._name = blob, name

    def __getitem__(self, column: str) -> list[Any]:
        if column not in SCHEMAS[self._name].columns:
            raise KeyError(column)
        return self._blob.column(self._name, column)

    def __iter__(self) -> Iterator[str]:
        return iter(SCHEMAS[self._name].columns)

    def __len__(self) -> int:
        return len(SCHEMAS[self._name].columns)


def view(blob: Blob) -> View:
    """Return the tables of a blob as `read` does, decoded when they are asked for."""
    return {name: Table(blob, name) for name in SCHEMAS if blob.rows(name) or name in _ALWAYS}


def read(data: bytes) -> Tables:
    """Return the tables in a block or an inbox entry.

    Raises:
        Undecodable: broken, or of a newer version.
    """
    blob = Blob(data)
    return {name: blob.columns(name) for name in SCHEMAS if blob.rows(name) or name in _ALWAYS}


def ends(attempts: Mapping[str, list[int]]) -> list[int]:
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


def _span(blob: Blob, name: str) -> tuple[int, int]:
    """Return two times between which all rows of a table became true, in us; the second is the last of them."""
    if name == "attempts" and _has_bodies(blob):
        (first, starts), (least, runtimes) = (blob.above(name, column) for column in ("started_us", "runtime_us"))
        return first + least, first + least + max(map(add, starts, runtimes))
    if name == "publishes":
        first, times_ = blob.above(name, "published_us")
        return first, first + max(times_)
    found = _times(name, Table(blob, name))
    return min(found), max(found)


def _has_bodies(blob: Blob) -> bool:
    """Return whether all attempts began and ended, so that it is plain when they did."""
    return blob.bound("attempts", "started_us") > 0 <= blob.bound("attempts", "runtime_us")


def _times(name: str, table: Mapping[str, list[Any]]) -> list[int]:
    if name == "attempts":
        return ends(table)
    return table["published_us" if name == "publishes" else "at_us"]


def index_ids(pieces: Iterable[Blob], identity: Collection[str] = ()) -> set[bytes]:
    """Return the ids rows are found by: of their executions, of their runs, and of labels with the `identity` keys."""
    found: set[bytes] = set()
    for blob in pieces:
        if any(blob.has(name, column) for name in blob.names for column in _ALSO_IDS):
            for name in blob.names:
                found.update(blob.column(name, "id"), blob.column(name, "run"))
        else:
            found.update(blob.ids)
        for text in set(blob.column("labels", "labels")) if "labels" in blob.names else ():
            found.update(index.label_id(key, value) for key, value in labels.read(text).items() if key in identity)
    found.discard(b"")
    return found


def describe(pieces: Sequence[Blob], size: int, identity: Collection[str] = ()) -> tuple[Info, set[bytes]]:
    """Return the note on a block of so many bytes, and the ids it is found by (`index_ids`)."""
    ids = index_ids(pieces, identity)
    when: list[int] = []
    marked: set[tuple[str, int]] = set()
    for blob in pieces:
        when += [at for name in blob.names for at in _span(blob, name)]
        marked.update(_marks(blob))
    states: dict[int, int] = {}
    for task, bit in marked:
        _mark(states, task, bit)
    indexed = int(len(ids) * _INDEX_BYTES)
    cost = packing.allocated(size) + indexed + _OVERHEAD + _TASK_BYTES * len(states)
    rows = sum(blob.count for blob in pieces)
    return Info(min(when), max(when), rows, cost, states, indexed), ids


def _marks(blob: Blob) -> Iterator[tuple[str, int]]:
    """Yield task names with the bits that rows of theirs set in the note."""
    states = blob.distinct("attempts", "state")
    if len(states) == 1:
        yield from product(blob.distinct("attempts", "task"), states)
    else:
        yield from zip(blob.column("attempts", "task"), blob.column("attempts", "state"), strict=True)
    yield from zip(blob.distinct("publishes", "task"), repeat(PUBLISHED))
    if blob.rows("logs"):
        yield from zip(blob.column("logs", "task"), map(_logged, blob.column("logs", "level")), strict=True)


def _logged(level: int) -> int:
    return _LOGS + _tens(level)


def late(blob: Blob, oldest_us: int) -> dict[str, list[int]]:
    """Return the positions of rows that ended (were published) before a time, by table."""
    found = {}
    for name in blob.names:
        if blob.bound(name, _BEGINS.get(name, "at_us")) < oldest_us:
            found[name] = [at for at, t in enumerate(_times(name, Table(blob, name))) if t < oldest_us]
    return found


def _tens(level: int) -> int:
    return max(0, min(level // 10, _MOST_TENS))


def _mark(states: dict[int, int], task: str, state: int) -> None:
    key = crc32(task.encode())
    states[key] = states.get(key, 0) | 1 << max(0, min(state, 62))
