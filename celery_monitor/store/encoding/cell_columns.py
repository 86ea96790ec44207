"""The columnar form of a bucket's cells, for buckets that are written once: a third smaller, and read in parts.

Format, msgpack: ``[2, head, sketches, ends, bins, odd]``; `head`, `ends` and `bins` are zlib bytes.

========  =============================================================================================
head      packed ``{"series": [...], "counts": [...], "more": packed {"errors": [...], "reasons": [...]}}``
sketches  name to six numbers: widths in bytes of its four columns in `ends` and of its lanes in `bins`, and lanes
ends      for each sketch and series: count minus what is in the lanes, least, most minus least, sum minus
          ``count * (least + most) // 2``; first and last zigzag; all first bytes, then all second bytes, ...
bins      for each sketch and series: counts of the buckets from that of least to that of most, the same way
odd       sketch to {row: dump} of those that are no such columns: their row has zeros
========  =============================================================================================

The buckets of least and most are found with whole numbers only, so that every machine finds the same.
"""

from __future__ import annotations

import zlib
from array import array
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from itertools import accumulate, chain
from typing import Any, Final, NamedTuple

from celery_monitor.model import Cell, Series
from celery_monitor.sketch import LANE_BYTES, Sketch
from celery_monitor.store.encoding import dumps, packing, shapes
from celery_monitor.store.encoding.packing import Undecodable

VERSION: Final = 2
_STRATEGIES: Final = (zlib.Z_FILTERED, zlib.Z_RLE, zlib.Z_HUFFMAN_ONLY, zlib.Z_DEFAULT_STRATEGY)
"""Counts of neighbours are no texts: mostly nothing repeats in them, only some numbers are frequent."""
_LEVEL: Final = 6
"""The ninth takes six times as long for a hundredth less."""
_CODES: Final = {1: "B", 2: "H", 4: "I", 8: "Q"}
_MOST: Final = 1 << 62
"""What is greater is no number of ours; such a sketch is odd."""
_BUCKETS: Final = 1110
"""Of values of 64 bits."""


class _Ends(NamedTuple):
    """A sketch as its columns hold it: least, most, sum and count for each series, and where its lanes are."""

    least: list[int]
    most: list[int]
    rest: list[int]
    apart: list[int]
    starts: list[int]
    lows: list[int]
    planes: list[bytes]


@lru_cache(maxsize=1)
def _tops() -> list[int]:
    """Return the greatest whole value of each bucket from -1 on: ``(1.02 / 0.98) ** i``, rounded down."""
    tops, over, under = [0], 1, 1
    for _ in range(_BUCKETS):
        tops.append(over // under)
        over, under = over * 51, under * 49
    return tops


def lane(value: int) -> int:
    """Return the lane of a whole value: its bucket plus one.

    >>> [lane(v) - 1 for v in (0, 1, 1000, 1_000_000)]
    [-1, 0, 173, 346]
    """
    return bisect_left(_tops(), value)


def encode(cells: Mapping[Series, Cell]) -> bytes:
    """Return the bytes of cells, without Prometheus' buckets: only totals since ever have those."""
    of = list(cells.values())
    more = packing.pack({"errors": [c.errors for c in of], "reasons": [c.reasons for c in of]})
    head = packing.pack({"series": list(cells), "counts": [c.counts for c in of], "more": more})
    widths: dict[str, list[int]] = {}
    odd: dict[str, dict[int, list[Any]]] = {}
    ends, bins = [], []
    for name in dumps.SKETCHES:
        sketches = [getattr(cell, name) for cell in of]
        if all(sketch.empty for sketch in sketches):
            continue
        column = _Column(sketches)
        planes, lanes = column.ends(), column.bins()
        widths[name] = [*map(len, planes), len(lanes), column.lanes]
        ends += [plane for each in planes for plane in each]
        bins += lanes
        if column.odd:
            odd[name] = column.odd
    parts = [_squeezed(head), widths, _squeezed(b"".join(ends)), _squeezed(b"".join(bins)), odd]
    return packing.pack([VERSION, *parts])


class _Column:
    """One sketch of all series while it is written."""

    def __init__(self, sketches: Sequence[Sketch]) -> None:
        self.odd: dict[int, list[Any]] = {}
        self._rows: list[tuple[int, int, int, int]] = []
        self._lanes: array[int] = array("q")
        for row, sketch in enumerate(sketches):
            found = _plain(sketch)
            if found is None:
                self.odd[row] = sketch.dump()
                found = array("q", [0])
                sketch = Sketch()  # noqa: PLW2901 - stands for it in the columns
            self._lanes.extend(found)
            rest = sketch.total - sketch.count * (sketch.least + sketch.most) // 2
            apart = sketch.count - sum(found)
            self._rows.append((_zigzag(apart), sketch.least, sketch.most - sketch.least, _zigzag(rest)))

    @property
    def lanes(self) -> int:
        """How many lanes all series have."""
        return len(self._lanes)

    def ends(self) -> list[list[bytes]]:
        """Return the planes of each column."""
        return [_planes(array("Q", values)) for values in zip(*self._rows, strict=True)]

    def bins(self) -> list[bytes]:
        """Return the planes of the lanes."""
        return _planes(self._lanes)


def _plain(sketch: Sketch) -> array[int] | None:
    """Return the counts from the bucket of least to that of most; None for a sketch that is not of whole values."""
    least, most = sketch.least, sketch.most
    numbers = (sketch.count, sketch.total, least, most)
    found = sketch.run()
    if found is None or any(n.__class__ is not int or not -_MOST < n < _MOST for n in numbers):
        return None
    if not 0 <= least <= most or abs(sketch.count * (least + most)) > _MOST:
        return None
    low, counts = found
    before, size = lane(least) - 1 - low, lane(most) - lane(least) + 1
    lanes = counts[before:] if before >= 0 else array("q", bytes(-before * LANE_BYTES)) + counts
    lanes = lanes[:size]
    lanes.extend([0] * (size - len(lanes)))
    return lanes if sum(lanes) == sum(counts) and min(lanes) >= 0 and min(counts, default=0) >= 0 else None


def _zigzag(value: int) -> int:
    return 2 * value if value >= 0 else -2 * value - 1


def _planes(values: array[int]) -> list[bytes]:
    """Return the first bytes of some numbers, then the second ones, as many as the greatest one has."""
    width = (max(values, default=0).bit_length() + 7) // 8
    raw = values.tobytes()
    return [raw[place :: values.itemsize] for place in range(width)]


def _squeezed(data: bytes) -> bytes:
    """Return the shortest of the ways in which zlib can say it."""
    return min((packing.deflate(data, _LEVEL, strategy) for strategy in _STRATEGIES), key=len)


class Columns:
    """A bucket as it was encoded; what is not asked for stays undecoded.

    Raises:
        Undecodable: broken, or of a newer version; what is asked for later may raise it as well.
    """

    def __init__(self, data: bytes) -> None:
        with packing.guarded("rollup"):
            version, head, self._widths, self._ends, self._bins, self._odd, *_ = packing.unpack(data)
            if version != VERSION:
                raise Undecodable(f"rollup of version {version!r}; this release reads {VERSION}")
            told = packing.unpack(packing.inflate(head))
            self.series: list[Series] = list(map(shapes.series, told["series"]))
            self.counts: list[dict[int, int]] = told["counts"]
            self._packed: bytes = told["more"]
            _check(self.counts, len(self.series))
            self._known: dict[str, _Ends] = {}

    def counted(self) -> Iterator[tuple[Series, dict[int, int]]]:
        """Return the counts of each series."""
        return zip(self.series, self.counts, strict=True)

    def levels(self) -> Iterable[tuple[Series, dict[str, list[Any]]]]:
        """Return nothing: gauges are written as rows."""
        return ()

    def add_to(
        self,
        part: dict[Series, Any],
        sketches: Collection[str] = dumps.SKETCHES,
        of: Callable[[Series], bool] | None = None,
    ) -> None:
        """Add the cells to others.

        Args:
            part: series to cell.
            sketches: those wanted; the others stay as they are.
            of: which series are.

        Raises:
            Undecodable: nothing is added then.
        """
        wanted = [row for row, series in enumerate(self.series) if of is None or of(series)]
        with packing.guarded("rollup"):
            errors, reasons = self._more
            known = [(name, self._sketch(name)) for name in sketches if name in self._widths]
            odd = {name: {int(row): _odd(dump) for row, dump in self._odd[name].items()} for name in self._odd}
        for row in wanted:
            cell = part.get(self.series[row])
            if cell is None:
                cell = part[self.series[row]] = Cell()
            dumps.add_counts(cell, self.counts[row], errors[row], reasons[row])
            for name, ends in known:
                _add(getattr(cell, name), ends, row)
        for name, rows in odd.items():
            for row in rows.keys() & set(wanted) if name in sketches else ():
                dumps.add_sketch(getattr(part[self.series[row]], name), rows[row])

    @cached_property
    def _more(self) -> tuple[list[dict[str, int]], list[dict[int, int]]]:
        told = packing.unpack(self._packed)
        errors, reasons = told["errors"], told["reasons"]
        "".join(chain.from_iterable(errors))
        for numbers in (errors, reasons):
            _check(numbers, len(self.series), keys=numbers is reasons)
        return errors, reasons

    @cached_property
    def _inflated(self) -> tuple[bytes, bytes]:
        return packing.inflate(self._ends), packing.inflate(self._bins)

    def _sketch(self, name: str) -> _Ends:
        """Return a sketch's columns; those before it are passed over."""
        if name not in self._known:
            rows, at, begin = len(self.series), 0, 0
            for other, widths in self._widths.items():
                if other == name:
                    break
                at += rows * sum(widths[:4])
                begin += widths[4] * widths[5]
            self._known[name] = self._decoded(at, begin, *self._widths[name])
        return self._known[name]

    def _decoded(
        self, at: int, begin: int, apart: int, least: int, span: int, rest: int, wide: int, size: int
    ) -> _Ends:
        rows, columns = len(self.series), []
        ends, bins = self._inflated
        for width in (apart, least, span, rest):
            columns.append(_numbers(ends[at : at + rows * width], rows, width))
            at += rows * width
        most = list(map(int.__add__, columns[1], columns[2]))
        lows = list(map(lane, columns[1]))
        starts = [0, *accumulate(high - low + 1 for low, high in zip(lows, map(lane, most), strict=True))]
        planes = [bins[begin + place * size : begin + (place + 1) * size] for place in range(wide)]
        if starts[-1] != size or any(len(plane) != size for plane in planes):
            raise Undecodable(f"{starts[-1]} lanes of {size}")
        return _Ends(columns[1], most, columns[3], columns[0], starts, lows, planes)


def _add(sketch: Sketch, ends: _Ends, row: int) -> None:
    """Add a row of columns to a sketch."""
    a, b = ends.starts[row], ends.starts[row + 1]
    spread = bytearray(LANE_BYTES * (b - a))
    counted = 0
    for place, plane in enumerate(ends.planes):
        some = plane[a:b]
        spread[place::LANE_BYTES] = some
        counted += sum(some) << 8 * place
    least, most, apart, rest = ends.least[row], ends.most[row], ends.apart[row], ends.rest[row]
    count = counted + ((apart >> 1) ^ -(apart & 1))
    total = count * (least + most) // 2 + ((rest >> 1) ^ -(rest & 1))
    if count or total or counted or most:
        lanes = int.from_bytes(spread, "little") << 8 * LANE_BYTES * ends.lows[row]
        sketch.add_lanes(count, total, least, most, lanes)


def _numbers(data: bytes, rows: int, width: int) -> list[int]:
    """Return the numbers in planes."""
    if len(data) != rows * width or not 0 <= width <= LANE_BYTES:
        raise Undecodable(f"{len(data)} bytes for {rows} numbers of {width!r}")
    if width <= 1:
        return list(data) if width else [0] * rows
    wide = next(w for w in _CODES if w >= width)
    spread = bytearray(wide * rows)
    for place in range(width):
        spread[place::wide] = data[place * rows : (place + 1) * rows]
    return array(_CODES[wide], bytes(spread)).tolist()


def _odd(dump: Any) -> list[Any]:
    empty = Sketch().dump()
    dumps.checked([{}, dump, empty, empty, empty, {}, {}, {}, {}], float("inf"))
    return list(dump)


def _check(numbers: Sequence[Mapping[Any, int]], rows: int, *, keys: bool = True) -> None:
    """Raise one of `packing.BROKEN` for what is no number, and for too few or too many."""
    if len(numbers) != rows:
        raise Undecodable(f"{len(numbers)} counts of {rows} series")
    sum(chain.from_iterable(map(dict.values, numbers)))  # type: ignore[arg-type]
    if keys:
        sum(chain.from_iterable(numbers))
