"""How far the fold of a stream has come, in one value that guards its commits."""

from __future__ import annotations

import re
from dataclasses import astuple, dataclass, field
from typing import Any, Final

from celery_monitor.store.encoding import packing, shapes
from celery_monitor.store.encoding.packing import Undecodable

_STREAM_ID: Final = re.compile(r"\d{1,18}-\d{1,18}", re.ASCII)


@dataclass(slots=True)
class MetricsCursor:
    """The fold of counters.

    Attributes:
        last: id of the last entry folded, "" for none.
        rolled: step of a tier to the end (s) of what is rolled into it.
        newest: end (s) of the newest 10 s bucket ever written; what is after it is empty.
        late: another number whenever a bucket that was rolled already was changed, and in each new store; readers
            that cache look at it.
        cut: step of a tier to the time (s) before which its buckets had to go for want of room.
    """

    last: str = ""
    rolled: dict[int, int] = field(default_factory=dict)
    newest: int = 0
    late: int = 0
    cut: dict[int, int] = field(default_factory=dict)

    def dump(self) -> bytes:
        """Return its bytes."""
        return packing.pack([self.last, self.rolled, self.newest, self.late, self.cut])

    @classmethod
    def load(cls, raw: bytes | None) -> MetricsCursor:
        """Return the cursor in its bytes, a new one for None; items appended by newer releases are ignored.

        Raises:
            Undecodable: broken.
        """
        found = shapes.row(cls, packing.unpack(raw)) if raw else cls()
        found.last = _checked(found.last)
        return found


@dataclass(slots=True)
class Filled:
    """How far the blocks of one shelf are filled.

    Attributes:
        first, number: the oldest block, and the block that is being filled.
        rows: rows in the block that is being filled; 0 when it does not exist yet.
        stored_bytes: bytes of all blocks and their index.
        orphan_bytes: those of them that are index of blocks dropped already, in a group of which others are left.
    """

    first: int = 1
    number: int = 1
    rows: int = 0
    stored_bytes: int = 0
    orphan_bytes: int = 0


@dataclass(slots=True)
class TasksCursor:
    """The fold of task rows.

    Attributes:
        last: id of the last entry folded, "" for none.
        executions, logs: the shelves; on the second lie log records and attempts that failed.
    """

    last: str = ""
    executions: Filled = field(default_factory=Filled)
    logs: Filled = field(default_factory=Filled)

    @property
    def shelves(self) -> tuple[Filled, Filled]:
        """All shelves, in the order of `Keys.shelves`."""
        return self.executions, self.logs

    def dump(self) -> bytes:
        """Return its bytes."""
        return packing.pack([self.last, *map(astuple, self.shelves)])

    @classmethod
    def load(cls, raw: bytes | None) -> TasksCursor:
        """Return the cursor in its bytes, a new one for None; items appended by newer releases are ignored.

        Raises:
            Undecodable: broken.
        """
        if not raw:
            return cls()
        try:
            last, *shelves = packing.unpack(raw)[:3]
            return cls(_checked(last), *(shapes.row(Filled, shelf) for shelf in shelves))
        except packing.BROKEN as e:
            raise Undecodable(f"cursor: {e}") from e


def _checked(last: Any) -> str:
    """Return a stream id, or "" for none; one that is neither would stop the fold."""
    if not isinstance(last, str) or (last and not _STREAM_ID.fullmatch(last)):
        raise Undecodable(f"cursor at {last!r}")
    return last


def after(entry_id: str) -> str:
    """Return the least stream id above one.

    >>> after("17-4")
    '17-5'
    """
    ms, _, seq = entry_id.partition("-")
    return f"{ms}-{int(seq) + 1}"
