"""Mergeable quantiles: log-bucket sketches whose merge is addition, so order, grouping and time do not matter.

Source: DDSketch (Masson, Rim, Lee: "DDSketch: a fast and fully-mergeable quantile sketch with relative-error
guarantees", VLDB 2019), alpha = 0.02, unbounded sparse bins. Values are whole numbers (us or KiB).
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable
from functools import lru_cache
from itertools import accumulate, chain, compress
from math import ceil
from operator import sub
from typing import Any, Final

from celery_monitor.signals.record import GAMMA, bin_of

_MID = 2.0 / (GAMMA + 1.0)
_MOST_BIN = 2000
"""No value of 64 bits has one beyond; what a broken sketch tells is no float any more."""
LANE_BYTES: Final = 8
_LANE_BITS: Final = 8 * LANE_BYTES


class Sketch:
    """Count, sum, least, most and log buckets of one kind of value.

    Attributes:
        count: values added (negative while a correction is in flight).
        total: their sum, in the value's unit.
        least, most: extremes; 0 when nothing was added. Merging keeps the wider; corrections do not narrow them.

    Counts lie in a dict by bucket and, beside it, in one large integer with a lane of 64 bits for each bucket, from -1
    on. Both together are the sketch. Adding two such integers adds all their buckets at once, in C: a window's sketch
    is the sum of hundreds.
    """

    __slots__ = ("_bins", "_lanes", "count", "least", "most", "total")

    def __init__(self) -> None:
        self.count = 0
        self.total = 0
        self.least = 0
        self.most = 0
        self._bins: dict[int, int] = {}
        self._lanes = 0

    @property
    def empty(self) -> bool:
        """Whether nothing was ever added."""
        return not (self.count or self.total or self._lanes or self._bins)

    @property
    def bins(self) -> dict[int, int]:
        """Bucket index (`bin_of`) to count."""
        if self._lanes:
            self._spread()
        return self._bins

    @bins.setter
    def bins(self, bins: dict[int, int]) -> None:
        self._bins, self._lanes = bins, 0

    def add(self, value: int, bucket: int | None = None, times: int = 1) -> None:
        """Add one value; `bucket` is its `bin_of` when the caller knows it already, `times` is -1 to take it back.

        >>> s = Sketch(); s.add(100); s.add(300); (s.count, s.total, s.least, s.most)
        (2, 400, 100, 300)
        """
        if bucket is None:
            bucket = bin_of(value)
        if not self.count or value < self.least:
            self.least = value
        if value > self.most:
            self.most = value
        self.count += times
        self.total += value * times
        self._bins[bucket] = self._bins.get(bucket, 0) + times

    def merge(self, other: Sketch) -> None:
        """Add another sketch to this one; associative and commutative."""
        if other.empty:
            return
        self.add_lanes(other.count, other.total, other.least, other.most, other._lanes)
        bins = self._bins
        for bucket, n in other._bins.items():
            bins[bucket] = bins.get(bucket, 0) + n

    def add_lanes(self, count: int, total: int, least: int, most: int, lanes: int) -> None:
        """Add what another sketch knows; `lanes` is its counts, those of bucket b times ``2 ** (64 * (b + 1))``."""
        if count and (not self.count or least < self.least):
            self.least = least
        if most > self.most:
            self.most = most
        self.count += count
        self.total += total
        self._lanes += lanes

    def quantile(self, q: float) -> float | None:
        """Return the q-quantile (0..1) within 2 %, the least value that so many do not exceed; None when empty.

        >>> s = Sketch(); [s.add(v) for v in range(1, 101)] and None
        >>> 49 <= s.quantile(0.5) <= 51, s.quantile(1.0) <= 100
        (True, True)
        """
        return self.quantiles((q,))[0]

    def quantiles(self, qs: Iterable[float]) -> list[float | None]:
        """Return several quantiles in one pass over the bins; `qs` must be ascending."""
        if self._lanes:
            return self._of_lanes(qs)
        ordered = sorted(self._bins.items())
        size = sum(n for _, n in ordered)
        if size <= 0:
            return [None for _ in qs]
        sums = list(accumulate(n for _, n in ordered))
        out: list[float | None] = []
        at = 0
        for q in qs:
            rank = _rank(q, size)
            while at < len(sums) - 1 and sums[at] <= rank:
                at += 1
            out.append(self._value(ordered[at][0]))
        return out

    def run(self) -> tuple[int, array[int]] | None:
        """Return the lowest bucket and the counts from it on; None when they are spread over more than there can be."""
        if not self._lanes and not self._bins:
            return -1, array("q")
        bins = self._bins
        low, counts = self._counts()
        if bins:
            least, most = min(bins), max(bins)
            if least < -1 or most > _MOST_BIN:
                return None
            first = min(least, low) if self._lanes else least
            counts = array("q", bytes(LANE_BYTES * (low - first))) + counts if self._lanes else counts
            counts.extend([0] * (most - first + 1 - len(counts)))
            for bucket, n in bins.items():
                counts[bucket - first] += n
            low = first
        return low, counts

    def _of_lanes(self, qs: Iterable[float]) -> list[float | None]:
        found = self.run()
        if found is None or min(found[1]) < 0:
            self._spread()
            return self.quantiles(qs)
        low, counts = found
        sums = list(accumulate(counts))
        last = len(sums) - 1
        if sums[last] <= 0:
            return [None for _ in qs]
        return [self._value(min(bisect_right(sums, _rank(q, sums[last])), last) + low) for q in qs]

    def _spread(self) -> None:
        """Put all counts into the dict."""
        low, counts = self._counts()
        for bucket, n in enumerate(counts, low):
            if n:
                self._bins[bucket] = self._bins.get(bucket, 0) + n
        self._lanes = 0

    def _value(self, bucket: int) -> float:
        value = 0.0 if bucket < 0 else _MID * GAMMA ** min(bucket, _MOST_BIN)
        return float(min(max(value, self.least), self.most))

    def _counts(self) -> tuple[int, array[int]]:
        """Return the lowest bucket in the lanes and the counts from it on.

        With its highest bit added to each lane none is negative, so none has borrowed of the next.
        """
        lanes = self._lanes
        if not lanes:
            return -1, array("q")
        skipped = ((lanes & -lanes).bit_length() - 1) // _LANE_BITS
        lanes >>= skipped * _LANE_BITS
        width = lanes.bit_length() // _LANE_BITS + 1
        signs = _signs(width)
        return skipped - 1, array("q", ((lanes + signs) ^ signs).to_bytes(width * LANE_BYTES, "little"))

    def dump(self) -> list[Any]:
        """Return ``[count, total, least, most, [first bucket, n, step, n, ...]]``, ready for msgpack."""
        bins = self.bins
        buckets = sorted(bins)
        ns = list(map(bins.__getitem__, buckets))
        if 0 in ns:
            buckets, ns = list(compress(buckets, ns)), list(filter(None, ns))
        flat = [0] * (2 * len(ns))
        flat[::2] = map(sub, buckets, chain((0,), buckets))
        flat[1::2] = ns
        return [self.count, self.total, self.least, self.most, flat]

    @classmethod
    def load(cls, raw: list[Any]) -> Sketch:
        """Return the sketch that `dump` wrote.

        >>> s = Sketch(); s.add(5); s.add(7000); Sketch.load(s.dump()).dump() == s.dump()
        True
        """
        s = cls()
        s.count, s.total, s.least, s.most, flat = raw
        s.bins = dict(zip(accumulate(flat[::2]), flat[1::2], strict=True))
        return s


def _rank(q: float, size: int) -> int:
    """Return how many of so many values lie below the q-quantile; a product like 0.07 * 100 is not above 7.

    >>> [_rank(q, 3) for q in (0.0, 0.5, 0.95)], _rank(0.95, 20), _rank(0.07, 100)
    ([0, 1, 2], 18, 6)
    """
    return max(0, ceil(q * size - 1e-9) - 1)


@lru_cache(maxsize=64)
def _signs(width: int) -> int:
    """Return the highest bit of each of so many lanes."""
    return int.from_bytes((b"\0" * (LANE_BYTES - 1) + b"\x80") * width, "little")
