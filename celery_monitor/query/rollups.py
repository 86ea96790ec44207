"""Cells of a window as of one moment: written buckets and the inbox's tail, no entry missing and none twice.

Everything is read in transactions that also read the fold's cursor; when it has moved between two of them, the fold
committed meanwhile and the reading starts again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final, NamedTuple

from celery_monitor.errors import StoreError
from celery_monitor.model import Cell, Series
from celery_monitor.store import fresh, inbox, seen
from celery_monitor.store.connection import Store
from celery_monitor.store.cursor import MetricsCursor
from celery_monitor.store.encoding import dumps
from celery_monitor.store.encoding.packing import Undecodable
from celery_monitor.store.report import Step
from celery_monitor.store.rollups import buckets, counters, tiers
from celery_monitor.store.rollups import lifetime as lifetimes
from celery_monitor.store.rollups.buckets import Bucket, Cells
from celery_monitor.store.rollups.lifetime import Lifetime
from celery_monitor.store.rollups.rolling import cursor_of
from celery_monitor.store.rollups.tiers import STEPS, Part, Parts
from celery_monitor.store.seen import Seen

_TRIES: Final = 8
_TAIL: Final = 5000
"""Entries of the inbox's tail that are read: with a fold that lives there are a few hundred at most."""
_CACHE_BYTES: Final = 4 * 1024 * 1024  # of compressed blobs; decoded they are about ten times as big
_SUMS: Final = 2000
"""Series in the sums that are kept: of each five sketches, some 10 KiB."""
_NOTHING: Final = buckets.opened(None)

Of = Callable[[Series], bool]
"""Whether a series is wanted."""
BlobKey = tuple[int, int, str]


class Want(NamedTuple):
    """A part, from when to when (s), in buckets of the steps given."""

    part: str
    start: int
    end: int
    steps: Sequence[int] = STEPS


class Segment(NamedTuple):
    """What lies in one bucket, which begins and ends then (s)."""

    bucket: int
    end: int
    values: Bucket

    def add_to(self, part: Part, sketches: Collection[str] = dumps.SKETCHES, of: Of | None = None) -> None:
        """Add the cells, with these sketches, of some series; those of a broken blob are left out, as by the fold."""
        with suppress(Undecodable):
            self.values.add_to(part, sketches, of)


class Rollups:
    """What was read: the sums, counts and levels of its segments.

    Attributes:
        truncated: whether more waits to be folded than was read.
    """

    truncated: bool

    def lifetime(self) -> Lifetime:
        """Return the totals since ever, the tail included; asked for with ``read(..., lifetime=True)``."""
        raise NotImplementedError

    def segments(self, want: Want) -> Iterator[Segment]:
        """Yield the buckets of a want, then those of the tail that lie in it."""
        raise NotImplementedError

    def total(self, want: Want, sketches: Collection[str] = dumps.SKETCHES, of: Of | None = None) -> Part:
        """Return the sum over a want, by series.

        Parameters:
            sketches: those that are needed; the others may be missing.
            of: which series are.
        """
        part: Part = {}
        for segment in self.segments(want):
            segment.add_to(part, sketches, of)
        return part

    def counts(self, want: Want) -> Iterator[tuple[Segment, Series, dict[int, int]]]:
        """Yield (segment, series, `Cell.counts`) of every bucket: sketches stay undecoded."""
        for segment in self.segments(want):
            for series, counts in segment.values.counted():
                yield segment, series, counts

    def levels(self, want: Want) -> Iterator[tuple[int, Series, dict[str, list[Any]]]]:
        """Yield (bucket, series, gauge name to its dump) of every bucket of gauges."""
        for segment in self.segments(want):
            for series, gauges in segment.values.levels():
                yield segment.bucket, series, gauges


@dataclass(frozen=True)
class _OfShard(Rollups):
    """What was read of one shard at a time (s): blobs by (step, bucket, part), and the tail by (bucket, part)."""

    now_s: int
    cursor: MetricsCursor
    blobs: dict[BlobKey, Bucket]
    tail: Parts
    truncated: bool
    sums: Sums
    totals: bytes | None = None

    def total(self, want: Want, sketches: Collection[str] = dumps.SKETCHES, of: Of | None = None) -> Part:
        """Return the sum over a want; what coarse buckets come to is mostly known from the question before."""
        if of is not None:
            return super().total(want, sketches, of)
        steps = self._cover(want)
        coarse = tuple(key for key in steps if key[0] != STEPS[0])
        fine = [key for key in steps if key[0] == STEPS[0]]
        part = self.sums.get((self.cursor.late, want.part, tuple(sketches), coarse))
        if part is None:
            part = self._sum(want, coarse, sketches)
            self.sums.put((self.cursor.late, want.part, tuple(sketches), coarse), part)
        tiers.merge(part, self._sum(want, fine, sketches))
        for segment in self._unfolded(want):
            segment.add_to(part, sketches)
        return part

    def _sum(self, want: Want, buckets_: Iterable[tuple[int, int]], sketches: Collection[str]) -> Part:
        part: Part = {}
        for step, bucket in buckets_:
            Segment(bucket, bucket + step, self.blobs[step, bucket, want.part]).add_to(part, sketches)
        return part

    def _cover(self, want: Want) -> list[tuple[int, int]]:
        return _cover(want, self.cursor, self.now_s)

    def lifetime(self) -> Lifetime:
        try:
            found = lifetimes.load(self.totals)
        except Undecodable:
            found = Lifetime()
        for (bucket, name), part in self.tail.items():
            if name == tiers.TASKS:
                found.add(bucket, part)
            elif name == tiers.LABELS:
                found.add_labels(part)
        return found

    def segments(self, want: Want) -> Iterator[Segment]:
        for step, bucket in self._cover(want):
            values = self.blobs[step, bucket, want.part]
            if values is not _NOTHING:
                yield Segment(max(bucket, want.start), min(bucket + step, want.end), values)
        yield from self._unfolded(want)

    def _unfolded(self, want: Want) -> Iterator[Segment]:
        for (bucket, name), part in self.tail.items():
            if name == want.part and want.start <= bucket < want.end:
                yield Segment(bucket, bucket + STEPS[0], Cells(part))


class _Merged(Rollups):
    """What was read of several shards, one after the other."""

    def __init__(self, shards: Sequence[Rollups]) -> None:
        self._shards = shards
        self.truncated = any(shard.truncated for shard in shards)

    def lifetime(self) -> Lifetime:
        total, *others = (shard.lifetime() for shard in self._shards)
        for other in others:
            total.merge(other)
        return total

    def segments(self, want: Want) -> Iterator[Segment]:
        for shard in self._shards:
            yield from shard.segments(want)

    def total(self, want: Want, sketches: Collection[str] = dumps.SKETCHES, of: Of | None = None) -> Part:
        """Return the sum over all shards."""
        part: Part = {}
        for shard in self._shards:
            tiers.merge(part, shard.total(want, sketches, of))
        return part


class Sums:
    """Sums of coarse buckets asked for lately: they change once in a minute, and a page asks every few seconds."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, Part] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable) -> Part | None:
        """Return a copy of a sum, None when it is not known."""
        with self._lock:
            part = self._kept.get(key)
            if part is None:
                return None
            self._kept.move_to_end(key)
        copy: Part = {}
        tiers.merge(copy, part)
        return copy

    def put(self, key: Hashable, part: Part) -> None:
        """Keep a copy of a sum, and forget the oldest ones where they are too many."""
        copy: Part = {}
        tiers.merge(copy, part)
        with self._lock:
            self._kept[key] = copy
            while sum(map(len, self._kept.values())) > _SUMS:
                self._kept.popitem(last=False)

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._kept.clear()


class RollupReader:
    """Reads the rollups of all shards."""

    def __init__(self, store: Store) -> None:
        self._shards = [_ShardReader(shard) for shard in store.shards]

    def read(self, wants: Sequence[Want], now_us: int, *, lifetime: bool = False) -> Rollups:
        """Return the rollups that several wants need.

        Raises:
            StoreError: the store does not answer, or the fold did not stand still for eight tries.
        """
        found = [shard.read(wants, now_us, lifetime=lifetime) for shard in self._shards]
        return found[0] if len(found) == 1 else _Merged(found)


class _ShardReader:
    """Reads one shard; keeps decoded buckets that only late data can change, and forgets them when it did."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._cache: OrderedDict[BlobKey, tuple[int, Bucket]] = OrderedDict()
        self._cached_bytes = 0
        self._sums = Sums()
        self._as_of: tuple[int, int] = (0, 0)  # the cursor's `late` and `newest` the cache is true of
        self._lock = Lock()

    def read(self, wants: Sequence[Want], now_us: int, *, lifetime: bool = False) -> Rollups:
        """Return the rollups that several wants need.

        Raises:
            StoreError: the store does not answer, or the fold did not stand still for eight tries.
        """
        for _ in range(_TRIES):
            found = self._attempt(wants, now_us, lifetime=lifetime)
            if found is not None:
                return found
        raise StoreError(f"{self._store.where}: the fold commits faster than can be read; ask again")

    def _attempt(self, wants: Sequence[Want], now_us: int, *, lifetime: bool) -> Rollups | None:
        keys, client = self._store.keys, self._store.client
        with self._store.translated():
            guess = client.get(keys.cursor(inbox.METRICS))
        cursor = cursor_of(guess, now_us)
        now_s = now_us // 1_000_000
        blobs = self._cached(wants, cursor, now_s)
        missing = [key for key, values in blobs.items() if values is None]
        with self._store.translated():
            pipe = client.pipeline(transaction=True)
            pipe.get(keys.cursor(inbox.METRICS))
            inbox.read(pipe, keys.inbox_metrics, cursor.last, _TAIL)
            asked = [keys.rollup(*key) for key in missing] + [keys.lifetime] * lifetime or [keys.lifetime]
            pipe.execute_command("MGET", *asked)  # a Cluster's pipeline has no `mget`: it does not look at the slots
            answers = pipe.execute()
        if answers[0] != guess:
            return None
        decoded = {key: (raw, _opened(raw)) for key, raw in zip(missing, answers[2], strict=False)}
        step = Step()
        entries = fresh.heads(answers[1], step)
        known = self._seen(entries, now_us, guess)
        if known is None:
            return None
        self._keep(decoded, cursor)
        whole = {key: values if values is not None else decoded[key][1] for key, values in blobs.items()}
        tail = _tail(entries, known, now_us, step)
        totals = answers[2][-1] if lifetime else None
        return _OfShard(now_s, cursor, whole, tail, len(answers[1]) >= _TAIL, self._sums, totals)

    def _seen(self, entries: list[inbox.Entry], now_us: int, guess: bytes | None) -> Seen | None:
        """Return which of the tail's batches were folded before; None when the fold moved meanwhile."""
        boots = list(dict.fromkeys(e.boot for e in entries))
        if not boots:
            return Seen([], [[] for _ in seen.days(now_us)])
        with self._store.translated():
            pipe = self._store.client.pipeline(transaction=True)
            pipe.get(self._store.keys.cursor(inbox.METRICS))
            seen.ask(pipe, self._store.keys, inbox.METRICS, boots, now_us)
            answers = pipe.execute()
        if answers[0] != guess:
            return None
        return Seen(boots, answers[1:])

    def _cached(self, wants: Sequence[Want], cursor: MetricsCursor, now_s: int) -> dict[BlobKey, Bucket | None]:
        with self._lock:
            late, newest = self._as_of
            if late != cursor.late or newest > cursor.newest:
                self._cache.clear()
                self._sums.clear()
                self._cached_bytes = 0
            self._as_of = (cursor.late, cursor.newest)
            found: dict[BlobKey, Bucket | None] = {}
            for want in wants:
                for step, bucket in _cover(want, cursor, now_s):
                    key = (step, bucket, want.part)
                    if key not in found:
                        kept = self._cache.get(key)
                        found[key] = kept[1] if kept else None
            return found

    def _keep(self, decoded: dict[BlobKey, tuple[bytes | None, Bucket]], cursor: MetricsCursor) -> None:
        with self._lock:
            if self._as_of != (cursor.late, cursor.newest):
                return
            for key, (raw, values) in decoded.items():
                # A 10 s bucket still grows until it is rolled; coarser ones are written when they are over.
                if key[0] == STEPS[0] and key[1] >= cursor.rolled.get(STEPS[1], 0):
                    continue
                size = len(raw or b"") + 50
                self._cached_bytes += size - self._cache.pop(key, (0, None))[0]
                self._cache[key] = (size, values)
            while self._cached_bytes > _CACHE_BYTES:
                _, (size, _) = self._cache.popitem(last=False)
                self._cached_bytes -= size


def merged_counts(into: dict[int, int], counts: Mapping[int, int]) -> None:
    """Add the counts of one cell to others."""
    for state, n in counts.items():
        into[state] = into.get(state, 0) + n


def cell_of(counts: dict[int, int]) -> Cell:
    """Return a cell that knows its counts and nothing else."""
    cell = Cell()
    cell.counts = counts
    return cell


def _cover(want: Want, cursor: MetricsCursor, now_s: int) -> list[tuple[int, int]]:
    """Return the (step, bucket) of the blobs that a want needs, as far as they are kept."""
    cut = tiers.kept_since(want.part, now_s, cursor.cut)
    return tiers.cover(want.start, want.end, cursor.rolled, want.steps, cut)


def _opened(raw: bytes | None) -> Bucket:
    try:
        return buckets.opened(raw) if raw is not None else _NOTHING
    except Undecodable:
        return _NOTHING  # the fold counts it and begins it anew


def _tail(entries: list[inbox.Entry], known: Seen, now_us: int, step: Step) -> Parts:
    folding = counters.Folding(now_us // 1_000_000, step)
    for entry in entries:
        if known.take(entry.boot, entry.n):
            try:
                told = inbox.decode_counters(entry.data)
            except Undecodable:
                continue
            folding.add(told)
    return tiers.with_sums(folding.parts())
