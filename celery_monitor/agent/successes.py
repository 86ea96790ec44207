"""Turns successful ends into rows and counters a column at a time, in C: they are nearly all of them.

Ends of the same task, queue, workflow and kinds of ids differ only in fields of fixed width, so a pile of them is one
array of structs. One by one, as all other ends are, they cost three times as much.
"""

from __future__ import annotations

from binascii import a2b_base64, unhexlify
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache, partial
from itertools import compress, product, repeat
from operator import add, or_, sub
from struct import Struct
from typing import Any, Final, NamedTuple

from celery_monitor.agent import tally
from celery_monitor.agent.decode import NO_TEXTS, labels_of, names_of
from celery_monitor.agent.labelled import Labelled
from celery_monitor.model import Attempt, Cell, Metrics
from celery_monitor.signals import header
from celery_monitor.signals.layout import (
    BEGIN,
    END,
    LENGTH,
    NO_ERROR,
    OWN_SIZE,
    UNREAD,
    UNREAD_SIZE,
    read_texts,
    read_unread,
    waited,
)
from celery_monitor.signals.record import GAMMA, RUNTIME_LE, WAIT_LE, Reason, State, bin_of
from celery_monitor.sketch import Sketch

_SUCCESS: Final = int(State.SUCCESS)
_SUCCEEDED: Final = bytes((_SUCCESS,))
_OK: Final = int(Reason.OK)
_FIXED: Final = END.format + BEGIN.format[1:].replace("I", "4s", 1)  # the serial as it is in an uid
_AT_MASK: Final = END.size + BEGIN.size
_AT_IDS: Final = _AT_MASK + LENGTH.size
_ABSENT, _SAME, _RAW = 0, 1, 2  # how the mask of `layout.pack_ids` says that an id is written
_HOW: Final = {
    LENGTH.pack(_RAW | root << 2 | parent << 4 | group << 6 | run << 8): (_RAW, root, parent, group, run)
    for root, parent, group, run in product(range(3), repeat=4)
}
_WIDTH: Final = {UNREAD: UNREAD_SIZE, **{mask: 16 * how.count(_RAW) for mask, how in _HOW.items()}}
_UNREAD_PARTS: Final = f"{OWN_SIZE}s{header.SIZE}s"
_UUID: Final = Struct("16s")
_RUNTIME_US: Final = tuple(round(le * 1e6) for le in RUNTIME_LE)
_WAIT_US: Final = tuple(round(le * 1e6) for le in WAIT_LE)
_TOPS: Final = tuple(int(GAMMA**i) for i in range(1500))
"""The greatest whole number in each bucket of a sketch."""
_row = partial(tuple.__new__, Attempt)


class _Shape(NamedTuple):
    """What all ends of a pile have in common."""

    parts: Struct
    how: tuple[int, ...]  # empty for ids that are unread
    task: str
    queue: str
    workflow: str
    routing_key: str
    labels: str  # those that are counted


@lru_cache(maxsize=10_000)
def _shape(mask: bytes, tail: bytes) -> _Shape | None:
    """Return what a mask and the names behind the ids say; None for bytes that are no plain success."""
    try:
        raw, end = read_texts(tail, 0)
    except ValueError:
        return None
    if tail[end:] != NO_ERROR:
        return None
    ids = _UNREAD_PARTS if mask == UNREAD else "16s" * (_WIDTH[mask] // 16)
    parts = Struct(f"{_FIXED}2x{ids}{len(tail)}x")
    return _Shape(parts, _HOW.get(mask, ()), *names_of(raw), labels_of(raw))


class Successes:
    """Successful ends of one ring on their way into rows and counters.

    Parameters:
        hold: what is known of an end's hold as long as nobody has looked closer: us, and by how much that may be wrong.

    Attributes:
        ended: the last serial that ended in each start slot.

    """

    __slots__ = ("_hold", "_labelled", "_pid", "_piles", "_ring", "_worker", "ended")

    def __init__(self, ring_id: bytes, worker: str, pid: int, labelled: Labelled, hold: tuple[int, int]) -> None:
        self._ring, self._worker, self._pid, self._labelled, self._hold = ring_id, worker, pid, labelled, hold
        self._piles: dict[tuple[bytes, bytes], list[bytes]] = {}
        self.ended: dict[int, int] = {}

    def add(self, payload: bytes) -> bool:
        """Put an end aside; False when it is not one of these and has to be looked at by itself."""
        mask = payload[_AT_MASK:_AT_IDS]
        if payload[:1] != _SUCCEEDED or mask not in _WIDTH:
            return False
        key = mask, payload[_AT_IDS + _WIDTH[mask] :]
        pile = self._piles.get(key)
        if pile is None:
            if _shape(*key) is None:
                return False
            pile = self._piles[key] = []
        pile.append(payload)
        return True

    def settle(self, metrics: Metrics) -> Iterator[list[Attempt]]:
        """Add everything that was put aside to the counters, and yield its rows, task by task."""
        piles, self._piles = self._piles, {}
        for key, pile in piles.items():
            shape = _shape(*key)
            if shape is not None:
                yield self._settle(metrics, shape, pile)

    def _settle(self, metrics: Metrics, shape: _Shape, pile: list[bytes]) -> list[Attempt]:
        (
            states, reasons, sizes, runtime, cpu, rss, growth, read, written, switches, involuntary,
            serials, slots, flags, retries, priorities, started, published, wait, *raw,
        ) = zip(*shape.parts.iter_unpack(b"".join(pile)), strict=True)  # fmt: skip
        if shape.how:
            ids = _ids(shape.how, raw)
        else:
            ids, published, wait, flags = _unread(raw[0], raw[1], started, flags)
        for slot, serial in dict(zip(slots, serials, strict=True)).items():
            self.ended[slot] = max(int.from_bytes(serial, "little"), self.ended.get(slot, 0))
        machinery = flags[0] & tally.INFRASTRUCTURE
        labels = self._labelled.series(shape.labels) if shape.labels and not machinery else ()
        series = tally.series_of(machinery, shape.task, shape.queue, shape.workflow) + labels
        uids = list(map(self._ring.__add__, serials))
        for uid in uids if labels else ():
            self._labelled.note(uid, labels)
        took = list(map(_took, retries, published, started, runtime))
        for bucket, which in _buckets(started, runtime):
            cell = _sum(*(_only(column, which) for column in (runtime, cpu, rss, wait, took)))
            cells = metrics.cells.setdefault(bucket, {})
            for each in series:
                cells.setdefault(each, Cell()).merge(cell)
        names = map(repeat, (shape.workflow, shape.task if shape.workflow else "", *NO_TEXTS, shape.routing_key))
        return list(map(_row, zip(
            *ids, uids, repeat(shape.task), repeat(shape.queue),
            repeat(self._worker), repeat(self._pid), states, reasons, flags, retries, priorities, published, started,
            wait, runtime, cpu, rss, growth, *names, sizes, *map(repeat, self._hold), repeat(""), read, written,
            switches, involuntary,
        )))  # fmt: skip


def _ids(how: tuple[int, ...], raw: list[Any]) -> list[Iterable[bytes]]:
    """Return the columns id, root, parent, group and run; root and run are empty where they are the id itself."""
    written, own = iter(raw), raw[0]
    given = [next(written) if each == _RAW else None for each in how]
    return [
        column if column is not None else own if each == _SAME and place in {2, 3} else repeat(b"")
        for place, (each, column) in enumerate(zip(how, given, strict=True))
    ]


def _unread(
    own: Sequence[bytes], headers: Sequence[bytes], started: Sequence[int], flags: Sequence[int]
) -> tuple[list[Iterable[bytes]], Any, Any, Any]:
    """Return the columns of ids, and those of publish time, wait and flags, of ids that are unread."""
    # One by one: somebody's own ids, or a header of a format that nobody knows.
    packed, runs, published = _read_all(own, headers) or zip(*map(read_unread, own, headers), strict=True)
    wait: Any = list(map(sub, started, published))
    if min(wait) < 0 or min(published) <= 0:
        wait, more = zip(*map(waited, started, published), strict=True)
        flags, published = list(map(or_, flags, more)), [max(each, 0) for each in published]
    return [packed, repeat(b""), repeat(b""), repeat(b""), runs], published, wait, flags


def _read_all(own: Sequence[bytes], headers: Sequence[bytes]) -> tuple[Any, Any, Any] | None:
    """Return what `layout.read_unread` does of each, all at once; None when one is unlike the others."""
    texts, stamps, n = b"".join(own), b"".join(headers), len(own)
    dashed = all(texts[at::OWN_SIZE] == b"-" * n for at in (8, 13, 18, 23))
    if not dashed or texts != texts.lower() or stamps[:: header.SIZE] != b"1" * n:
        return None
    try:
        raw = unhexlify(texts.replace(b"-", b""))
        told = a2b_base64(b"".join([each[1:] for each in headers]))
    except ValueError:
        return None
    if len(raw) != n * _UUID.size or len(told) != n * header.STAMP.size:  # what is no base64 is left out, not refused
        return None
    packed = [each for (each,) in _UUID.iter_unpack(raw)]
    times, runs = zip(*header.STAMP.iter_unpack(told), strict=True)
    short = [b"" if run == each else run for run, each in zip(runs, packed, strict=True)]
    return packed, short, times if max(times) <= header.TIME else [each & header.TIME for each in times]


def _buckets(started: Sequence[int], runtime: Sequence[int]) -> Iterator[tuple[int, list[bool] | None]]:
    """Yield each bucket of time in which attempts ended, and which of them; None for all."""
    ended = list(map(add, started, runtime))
    first = tally.bucket_of(min(ended))
    if first == tally.bucket_of(max(ended)):
        yield first, None
        return
    buckets = list(map(tally.bucket_of, ended))
    for bucket in set(buckets):
        yield bucket, [each == bucket for each in buckets]


def _only(column: Sequence[int], which: list[bool] | None) -> list[int]:
    return sorted(column if which is None else compress(column, which))


def _took(retries: int, published: int, started: int, runtime: int) -> int:
    """Return what `model.first_turnaround_us` does of a success."""
    return max(started + runtime - published, 0) if published and not retries else -1


def _sum(runtime: list[int], cpu: list[int], rss: list[int], wait: list[int], took: list[int]) -> Cell:
    """Return the cell of successes from their sorted values; -1 (for memory 0) is unknown."""
    cell = Cell()
    cell.counts[_SUCCESS] = cell.reasons[_OK] = len(runtime)
    cell.runtime_le = dict(_counted(runtime, _RUNTIME_US))
    _fill(cell.runtime, runtime, 0)
    _fill(cell.cpu, cpu, 0)
    _fill(cell.wait, wait, 0)
    cell.wait_le = dict(_counted(wait, _WAIT_US))
    _fill(cell.turnaround, took, 0)
    _fill(cell.memory, rss, 1)
    return cell


def _fill(sketch: Sketch, values: list[int], least: int) -> None:
    """Put sorted values of at least `least` into an empty sketch: a search per bucket, not a logarithm per value."""
    at = bisect_left(values, least)
    if at == len(values):
        return
    sketch.count, sketch.total = len(values) - at, sum(values[at:])
    sketch.least, sketch.most = values[at], values[-1]
    while at < len(values):
        bucket = bin_of(values[at])
        end = bisect_right(values, _TOPS[bucket] if bucket >= 0 else 0, at)
        sketch.bins[bucket] = end - at
        at = end


def _counted(values: list[int], tops: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """Yield (index, number) of the sorted values, from 0 on, that each upper bound is the first to hold."""
    at = bisect_left(values, 0)
    while at < len(values):
        index = bisect_left(tops, values[at])
        end = bisect_right(values, tops[index], at) if index < len(tops) else len(values)
        yield index, end - at
        at = end
