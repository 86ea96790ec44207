"""Mergeable quantiles: log-bucket sketches whose merge is addition, so order, grouping and time do not matter.

Source: DDSketch (Masson, Rim, Lee: "DDSketch: a fast and fully-mergeable quantile sketch with relative-error
guarantees", VLDB 2019), alpha = 0.02, unbounded sparse bins. Values are whole numbers (us or KiB).
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate
from typing import Any

from celery_monitor.signals.record import GAMMA, bin_of

_MID = 2.0 / (GAMMA + 1.0)
_MOST_BIN = 2000
"""No value of 64 bits has one beyond; what a broken sketch tells is no float any more."""


class Sketch:
    """Count, sum, least, most and log buckets of one kind of value.

    Attributes:
        count: values added (negative while a correction is in flight).
        total: their sum, in the value's unit.
        least, most: extremes; 0 when nothing was added. Merging keeps the wider; corrections do not narrow them.
        bins: bucket index (`bin_of`) to count.

    """

    __slots__ = ("bins", "count", "least", "most", "total")

    def __init__(self) -> None:
        self.count = 0
        self.total = 0
        self.least = 0
        self.most = 0
        self.bins: dict[int, int] = {}

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
        self.bins[bucket] = self.bins.get(bucket, 0) + times

    def merge(self, other: Sketch) -> None:
        """Add another sketch to this one; associative and commutative."""
        if other.count and (not self.count or other.least < self.least):
            self.least = other.least
        if other.most > self.most:
            self.most = other.most
        self.count += other.count
        self.total += other.total
        bins = self.bins
        for bucket, n in other.bins.items():
            bins[bucket] = bins.get(bucket, 0) + n

    def quantile(self, q: float) -> float | None:
        """Return the q-quantile (0..1) within 2 %, None when empty.

        >>> s = Sketch(); [s.add(v) for v in range(1, 101)] and None
        >>> 49 <= s.quantile(0.5) <= 51, s.quantile(1.0) <= 100
        (True, True)
        """
        return self.quantiles((q,))[0]

    def quantiles(self, qs: Iterable[float]) -> list[float | None]:
        """Return several quantiles in one pass over the bins; `qs` must be ascending."""
        ordered = sorted(self.bins.items())
        size = sum(n for _, n in ordered)
        if size <= 0:
            return [None for _ in qs]
        sums = list(accumulate(n for _, n in ordered))
        out: list[float | None] = []
        at = 0
        for q in qs:
            rank = q * (size - 1)
            while at < len(sums) - 1 and sums[at] <= rank:
                at += 1
            bucket = ordered[at][0]
            value = 0.0 if bucket < 0 else _MID * GAMMA ** min(bucket, _MOST_BIN)
            out.append(float(min(max(value, self.least), self.most)))
        return out

    def dump(self) -> list[Any]:
        """Return ``[count, total, least, most, [first bucket, n, step, n, ...]]``, ready for msgpack."""
        flat: list[int] = []
        before = 0
        for bucket, n in sorted(self.bins.items()):
            if n:
                flat += (bucket - before, n)
                before = bucket
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
