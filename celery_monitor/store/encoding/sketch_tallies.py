"""The columnar form of a batch's sketches: every value by its bin, and their ends by how far they are into their bins.

A kind of sketch is ``[base, keys, ns]``: the bins of all rows behind each other, ascending within each. Mostly `keys`
is bytes, of every value its bin less `base` (all low bytes, then all high ones where some need two), and `ns` is None.
Where that would be long, or a number is not above zero, `base` is None: `keys` has each bin once, and `ns` how many
values are in it.

Beside them lie three ends of each sketch: by how much its least value is above the lowest one of its first bin, its
greatest above that of its last bin, and its sum above both values or above what it nearly is. Of one value alone, the
greatest is not told. Integers are as in `signed`.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import accumulate, chain, compress, pairwise, repeat
from operator import add, itemgetter
from typing import Any, Final, NamedTuple

from celery_monitor.sketch import Sketch
from celery_monitor.store.encoding import signed
from celery_monitor.store.encoding.packing import Undecodable
from celery_monitor.store.encoding.shapes import LARGEST

BINS: Final = range(-1, (1 << 12) - 1)
"""-1 is the bin of zero; no number of 64 bits has one beyond 1200."""
_BASES: Final = range(-1, BINS.stop - 255)
_REPEATS: Final = 6
"""To add how many values a bin has takes about as long as to count so many one by one."""
_MOST_VALUES: Final = 50_000
"""What was joined while Redis was away has more, and would not be read if it told each of them."""
_FRACTION_BITS: Final = 64


def _floors() -> tuple[int, ...]:
    """Return the lowest whole value of each bin; without floats, so that it is the same on every machine."""
    found, power = [0, 1], 1 << _FRACTION_BITS
    while len(found) < len(BINS):
        found.append(min((power >> _FRACTION_BITS) + 1, LARGEST))
        power = power * 51 // 49 if found[-1] < LARGEST else power
    return tuple(found)


FLOORS: Final = _floors()
"""From bin -1 on. What is told lies above these values, so whether they are the very lowest decides only its length."""

Piece = Any
"""What a batch tells of one sketch: the bins of all values as 16-bit integers, or (bins, numbers); falsy for none."""


class Layout:
    """Where each row's values lie, for all kinds of sketches of which the rows have as many: mostly all of a batch."""

    def __init__(self, sizes: list[int]) -> None:
        self.sizes = sizes
        self.starts = list(accumulate(sizes, initial=0))
        self.values = self.starts[-1]
        self._firsts, self._lasts = _getter(self.starts[:-1]), _getter(self.starts[1:])
        self._full = all(sizes)
        self._twos = [slice(2 * at, 2 * end) for at, end in pairwise(self.starts)]

    def rows(self, joined: bytes) -> list[bytes]:
        """Return the two bytes of each value, row by row."""
        return list(map(joined.__getitem__, self._twos))

    def ends(
        self, bins: Any, pad: Any, floors: Sequence[int], low: list[int], high: list[int], *, alone: int
    ) -> tuple[list[int], list[int]]:
        """Return least and greatest values, 0 where `_ends` told none; `bins` are places in `floors`."""
        firsts = _getter(self._firsts(bins + pad))(floors)
        lasts = _getter(self._lasts(pad + bins))(floors)
        if self._full:
            least = list(map(add, firsts, low))
        else:
            least = [floor + above if n else 0 for floor, above, n in zip(firsts, low, self.sizes, strict=True)]
        most = [floor + above if n > alone else 0 for floor, above, n in zip(lasts, high, self.sizes, strict=True)]
        return least, most


class Kind(NamedTuple):
    """One kind of sketch of all rows of a batch.

    Attributes:
        pieces, least, most, rest: of each row; the last three together are its sum, `most` of one value alone is 0.
        joined: the pieces behind each other.
    """

    pieces: list[Piece]
    least: list[int]
    most: list[int]
    rest: list[int]
    joined: Piece
    layout: Layout

    @property
    def plain(self) -> bool:
        """Whether the pieces are bytes."""
        return isinstance(self.joined, bytes)

    def together(self, first: int, end: int, *, near: bool) -> tuple[Piece, int, int, int]:
        """Return piece, least, most and rest of some rows as if they were one.

        Parameters:
            near: rests are above what sums nearly are.
        """
        rows, total = slice(first, end), sum(self.rest[first:end])
        least, most = self.least[rows], self.most[rows]
        total += 0 if near else sum(least) + sum(most)
        if not all(self.pieces[rows]):
            least = list(compress(least, self.pieces[rows]))
        if not least:
            return b"", 0, 0, total
        low, high = min(least), max(map(max, (least, most)))
        return self._piece(first, end), low, high, total if near else total - low - high

    def _piece(self, first: int, end: int) -> Piece:
        at, until = self.layout.starts[first], self.layout.starts[end]
        return self.joined[2 * at : 2 * until] if self.plain else tuple(each[at:until] for each in self.joined)


class Told(NamedTuple):
    """One kind of sketch as it is told; `sizes` and the three `ends` are of each row.

    `values` are the bins of each row's values in order, None where these are not told one by one.
    """

    body: list[Any]
    sizes: list[int]
    ends: list[tuple[int, int, int]]
    values: list[list[int]] | None


def tell(sketches: Sequence[Sketch], near: Iterable[int | None] = repeat(None)) -> Told:
    """Return the sketches of all rows.

    Parameters:
        near: what their sums nearly are, None for unknown.
    """
    tables = [sketch.bins for sketch in sketches]
    numbers = [table.values() for table in tables]
    sizes = list(map(sum, numbers))
    few = sum(sizes) <= min(_REPEATS * sum(map(len, tables)), _MOST_VALUES)
    if few and min(chain.from_iterable(numbers), default=1) > 0:
        bins = [
            sorted(table if len(table) == n else chain.from_iterable(map(repeat, table, table.values())))
            for table, n in zip(tables, sizes, strict=True)
        ]
        ends = _ends(sketches, bins, 1, near)
        if ends is not None:
            return Told(_narrow(bins), sizes, ends, bins)
    bins = list(map(sorted, tables))
    ns = [table[key] for table, own in zip(tables, bins, strict=True) for key in own]
    body = [None, signed.write(list(chain.from_iterable(bins))), signed.write(ns)]
    return Told(body, list(map(len, bins)), _ends(sketches, bins, 0, near) or [], None)


def read(raw: Any, layout: Layout, low: list[int], high: list[int], rest: list[int]) -> Kind:
    """Return what `tell` was given.

    Raises:
        Undecodable: they do not belong together; other errors of `packing.BROKEN` for another form.
    """
    base, keys, ns = raw
    if base is None:
        bins, numbers = signed.read(keys, layout.values), signed.read(ns, layout.values)
        within(bins, BINS)
        pieces: list[Piece] = [
            (bins[at:end], numbers[at:end]) if at < end else b"" for at, end in pairwise(layout.starts)
        ]
        ends = layout.ends([key + 1 for key in bins], [0], FLOORS, low, high, alone=0)
        return Kind(pieces, *ends, rest, (bins, numbers), layout)
    if keys.__class__ is not bytes or base not in _BASES:
        raise Undecodable(f"bins from {base!r} in a {type(keys).__name__}")
    low_bytes, high_bytes, floors = _from_base(base)
    if len(keys) == layout.values:
        joined = signed.interleaved(keys.translate(low_bytes) + keys.translate(high_bytes), 2)
        ends = layout.ends(keys, b"\0", floors, low, high, alone=1)
    else:
        offsets = signed.read([2, keys], layout.values)
        within(offsets, range(len(BINS) - base - 1))
        joined = array("h", [base + each for each in offsets]).tobytes()
        ends = layout.ends(offsets, [0], floors, low, high, alone=1)
    return Kind(layout.rows(joined), *ends, rest, joined, layout)


def within(values: Sequence[int], bounds: range) -> None:
    """Refuse numbers out of bounds."""
    if values and not (bounds.start <= min(values) and max(values) < bounds.stop):
        raise Undecodable(f"numbers from {min(values)} to {max(values)} for {bounds}")


def _ends(
    sketches: Sequence[Sketch], bins: Sequence[list[int]], alone: int, near: Iterable[int | None]
) -> list[tuple[int, int, int]] | None:
    """Return what is told of each sketch's ends; the greatest of so many values is the least.

    Corrections may leave a sketch of one value with two ends: there is nothing to return then.
    """
    found = []
    for sketch, own, by in zip(sketches, bins, near, strict=False):
        least = most = low = high = total = 0
        if own:
            least, total = sketch.least, sketch.total
            low = least - FLOORS[own[0] + 1]
            if len(own) > alone:
                most = sketch.most
                high = most - FLOORS[own[-1] + 1]
            elif least != sketch.most:
                return None
        found.append((low, high, total - least - most if by is None else total - by))
    return found


def _narrow(bins: Sequence[list[int]]) -> list[Any]:
    """Return the bins of values in one byte each, where it can be; each row's are in order."""
    some = list(filter(None, bins))
    base = min(min(map(itemgetter(0), some), default=0), _BASES[-1])
    every = array("h", list(chain.from_iterable(some)))
    if max(map(itemgetter(-1), some), default=0) - base < 256:
        # The low byte of a difference is that of the low bytes' difference.
        return [base, every.tobytes()[::2].translate(_less(base & 255)), None]
    return [base, signed.write([each - base for each in every])[1], None]


@lru_cache(maxsize=256)
def _less(base: int) -> bytes:
    return bytes((each - base) & 255 for each in range(256))


@lru_cache(maxsize=64)
def _from_base(base: int) -> tuple[bytes, bytes, tuple[int, ...]]:
    """Return the low and the high byte of each bin from one on, and the floors of these bins."""
    raw = array("h", range(base, base + 256)).tobytes()
    return raw[::2], raw[1::2], FLOORS[base + 1 :]


def _getter(at: Sequence[int]) -> Callable[[Sequence[int]], Sequence[int]]:
    """Return what picks the values at some positions; `itemgetter` of one returns no tuple."""
    return itemgetter(*at) if len(at) > 1 else lambda values: tuple(values[each] for each in at)
