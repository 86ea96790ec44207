"""Integers of a column in their bytes: written, read whole or in part, checked, cut, joined and taken apart again.

One piece is ``lo, first, width, bytes``: each value minus `lo` in `width` bytes, little endian, all first bytes, then
all second bytes, ...; `first` is None, or the first value where the others are differences. Several pieces are ``los,
firsts, widths, low, rest``: a list of each, then the bytes of all pieces, first bytes of every piece before all second
ones; the first of them as they are, the others in `rest`. Pieces that are all alike and need no bytes are as one.
`bytes` and `rest` begin with 0 for plain or 1 for zlib.

Bytes by significance: as in Blosc (Alted 2010). The low ones of times are noise that zlib would only be slow with.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from itertools import accumulate, chain
from operator import sub
from typing import Any, Final

from celery_monitor.store.encoding import packing
from celery_monitor.store.encoding.packing import Undecodable
from celery_monitor.store.encoding.shapes import LARGEST, checker

_CODES: Final = ((1, "B"), (2, "H"), (4, "I"), (8, "Q"))
_TYPES: Final = dict(_CODES)
_WIDEST: Final = _CODES[-1][0]
_BYTES: Final = bytes(range(256))
_HALF: Final = 1 << 16
_SOME: Final = 2
"""Numbers that are looked for one by one at most."""
_TRIED: Final = 32
_WIDE: Final = LARGEST - (1 << 32)
"""Values from here on may be too large with what is added to them."""
_SAMPLE: Final = 256
_NOISE: Final = 140
"""Distinct values of so many bytes: of noise there are 162, of what zlib shortens by an eighth 110 and less."""

_is_int: Final = checker(int)
Raw = list[Any]


def write(values: list[int], squeezed: Callable[[bytes], bytes] = b"\0".__add__) -> Raw:
    """Return the integers of one piece, as values or as differences, whichever are narrower.

    Parameters:
        squeezed: gives bytes with their 0 or 1 before them.
    """
    if values.count(values[0]) == len(values):
        return [values[0], None, 0, b""]
    lo, hi = min(values), max(values)
    if values[0] == lo and hi - lo == len(values) - 1 and values == list(range(lo, hi + 1)):
        return [1, lo, 0, b""]
    if hi - lo > 255 and _may_shrink(values, hi - lo):
        steps = list(map(sub, values[1:], values))
        least, most = min(steps), max(steps)
        if (most - least) * 4 < hi - lo:
            return [least, values[0], *_narrow(steps, least, most, squeezed)]
    return [lo, None, *_narrow(values, lo, hi, squeezed)]


def _may_shrink(values: list[int], span: int) -> bool:
    """Return whether differences can be narrower than values: what a few of them say cannot be taken back by others."""
    some = values[: _TRIED + 1]
    steps = list(map(sub, some[1:], some))
    return bool(steps) and 4 * (max(steps) - min(steps)) < span


def _narrow(values: list[int], lo: int, hi: int, squeezed: Callable[[bytes], bytes]) -> list[Any]:
    if lo == hi:
        return [0, b""]
    width, code = next(c for c in _CODES if hi - lo < 1 << (8 * c[0]))
    raw = array(code, [v - lo for v in values] if lo else values).tobytes()
    return [width, squeezed(b"".join(raw[i::width] for i in range(width)))]


def read(raw: Raw, rows: int, positions: Sequence[int] | None = None) -> list[int]:
    """Return the integers of one piece, or those at some positions.

    Raises:
        Undecodable: they are none, or larger than any of ours; other errors of `packing.BROKEN` for another form.
    """
    lo, first, width, data = raw
    if not _is_int(lo) or not (first is None or _is_int(first)):
        raise Undecodable(f"integers from {lo!r} or {first!r}")
    values = _any(lo, first, width, data, rows, positions)
    wide = values and (width == _WIDEST or first is not None or lo > _WIDE)
    if wide and not -LARGEST <= min(values) <= max(values) <= LARGEST:
        raise Undecodable(f"integers from {min(values)} to {max(values)}")
    return values


def above(raw: Raw, rows: int) -> tuple[int, Sequence[int]]:
    """Return a number, and by how much each integer of a piece that was checked is above it: cheaper than `read`."""
    lo, first, width, data = raw
    if first is not None or not width:
        return 0, read(raw, rows)
    return lo, data[1:] if width == 1 else _array(data[1:], width, rows)


def checked(raw: Raw, rows: int) -> Raw:
    """Return one piece, its bytes plain, if it can be read.

    Raises:
        Undecodable: it cannot; other errors of `packing.BROKEN` for another form.
    """
    lo, first, width, data = raw
    if not _is_int(lo):
        raise Undecodable(f"integers from {lo!r}")
    if first is not None or width == _WIDEST or lo > _WIDE:
        read(raw, rows)
    if not width:
        return raw
    if width not in _TYPES:
        raise Undecodable(f"integers of {width!r} bytes")
    count = rows if first is None else rows - 1
    found = raw if data[:1] == b"\0" else [lo, first, width, b"\0" + plain(data, width * count)]
    if len(found[3]) != 1 + width * count:
        raise Undecodable(f"{len(found[3]) - 1} bytes for {count} integers of {width}")
    return found


def below(raw: Raw, rows: int, bound: int) -> Raw:
    """Return what `checked` does of integers that are not negative and below a bound.

    Raises:
        Undecodable: others are.
    """
    found = checked(raw, rows)
    lo, first, width, data = found
    if first is not None:
        low, high = (first, first + lo * (rows - 1)) if not width else _ends(read(found, rows))
    else:
        low = lo
        high = lo + (distinct(data[1:])[-1] if width == 1 and len(data) > 1 else (1 << 8 * width) - 1)
        if high >= bound and width > 1:
            high = _ends(read(found, rows))[1]
    if min(low, high) < 0 or max(low, high) >= bound:
        raise Undecodable(f"numbers from {low} to {high} for {bound}")
    return found


def _ends(values: Sequence[int]) -> tuple[int, int]:
    return min(values, default=0), max(values, default=0)


def distinct(plane: bytes) -> bytes:
    """Return each byte that occurs, ascending.

    >>> distinct(b"cacab")
    b'abc'
    """
    return _BYTES.translate(None, _BYTES.translate(None, plane))


def least(raw: Raw, rows: int) -> int:
    """Return what no integer of a piece is below, as far as that is cheaper to tell than the least one."""
    lo, first, _, _ = raw
    return int(lo) if first is None and _is_int(lo) else min(read(raw, rows), default=0)


class Gone:
    """Positions of rows that are taken out of each column of a table.

    Parameters:
        rows: of the table.
        positions: ascending.
    """

    def __init__(self, rows: int, positions: Sequence[int]) -> None:
        self._rows = rows
        self._at = list(reversed(positions))
        self._of: dict[int, list[int]] = {}

    def without(self, raw: Raw) -> Raw:
        """Return a piece that was checked without them; they may not be all of its rows."""
        lo, first, width, data = raw
        if first is None:
            return [lo, None, width, self._left(data, width)] if width else raw
        if width or lo != 1 or self._rows > _HALF:
            values = read(raw, self._rows)
            for at in self._at:
                del values[at]
            return write(values)
        counted = array("H", range(self._rows)).tobytes()
        return [first, None, 2, self._left(b"\0" + counted[::2] + counted[1::2], 2)]

    def _left(self, data: bytes, width: int) -> bytes:
        if width not in self._of:
            planes = range(1 + (width - 1) * self._rows, 0, -self._rows)
            self._of[width] = [plane + at for plane in planes for at in self._at]
        left = bytearray(data)
        for at in self._of[width]:
            del left[at]
        return bytes(left)


def join(raws: Sequence[Raw], counts: Sequence[int], squeezed: Callable[[bytes], bytes]) -> Raw:
    """Return pieces that were checked, which have so many rows each."""
    if len(raws) == 1:
        lo, first, width, data = raws[0]
        return [lo, first, width, squeezed(data[1:]) if width else b""]
    los, firsts, widths, datas = map(list, zip(*raws, strict=True))
    if not any(widths) and los.count(los[0]) == firsts.count(firsts[0]) == len(raws):
        return [los[0], firsts[0], 0, b""]
    lengths = list(counts) if not any(f is not None for f in firsts) else None
    if lengths is None:
        lengths = [n - (first is not None) for n, first in zip(counts, firsts, strict=True)]
    pieces = list(zip(widths, lengths, datas, strict=True))
    planes = [
        b"".join([data[1 + i * n : 1 + (i + 1) * n] for width, n, data in pieces if width > i])
        for i in range(max(widths))
    ]
    loose = 0
    while loose < len(planes) and _is_noise(planes[loose]):
        loose += 1
    rest = squeezed(b"".join(planes[loose:])) if loose < len(planes) else b""
    return [los, firsts, widths, b"".join(planes[:loose]), rest]


def split(raw: Raw, counts: Sequence[int]) -> list[Raw]:
    """Return each of the pieces that `join` was given, to be checked or read.

    Raises:
        Undecodable: these are no such pieces; other errors of `packing.BROKEN` for another form.
    """
    if len(raw) == 4:
        lo, first, width, _ = raw
        if len(counts) > 1 and width:
            raise Undecodable(f"integers of one piece for {len(counts)}")
        return [raw] if len(counts) == 1 else [[lo, first, 0, b""] for _ in counts]
    los, firsts, widths, low, rest = raw
    if not len(los) == len(firsts) == len(widths) == len(counts):
        raise Undecodable(f"{len(los)}, {len(firsts)} and {len(widths)} pieces for {len(counts)}")
    if not {0, *_TYPES}.issuperset(widths):
        raise Undecodable(f"integers of {widths!r} bytes")
    lengths = [max(n - (first is not None), 0) for n, first in zip(counts, firsts, strict=True)]
    size = sum(width * n for width, n in zip(widths, lengths, strict=True))
    joined = low + plain(rest, size)
    if len(joined) != size:
        raise Undecodable(f"{len(joined)} bytes for integers of {size}")
    found: list[list[bytes]] = [[b"\0"] for _ in counts]
    at = 0
    for i in range(max(widths)):
        for planes, width, n in zip(found, widths, lengths, strict=True):
            if width > i:
                planes.append(joined[at : at + n])
                at += n
    pieces = zip(los, firsts, widths, map(b"".join, found), strict=True)
    return list(map(list, pieces))


def among(values: Sequence[int], wanted: Sequence[int]) -> list[int]:
    """Return the positions of some values, ascending."""
    if len(wanted) > _SOME:
        some = frozenset(wanted)
        return [at for at, n in enumerate(values) if n in some]
    found = []
    for n in wanted:
        at = -1
        for _ in range(values.count(n)):
            at = values.index(n, at + 1)
            found.append(at)
    return sorted(found)


def is_constant(raw: Raw) -> bool:
    """Return whether integers are one in all rows of all pieces."""
    return len(raw) == 4 and raw[1] is None and not raw[2]


def plain(data: bytes, limit: int) -> bytes:
    """Return bytes without their 0 or 1, and out of zlib where it is 1; more than `limit` are refused."""
    if data[:1] == b"\1":
        return packing.inflate(data[1:], limit)
    return data[1:]


def _is_noise(plane: bytes) -> bool:
    return len(plane) >= _SAMPLE and len(distinct(plane[:_SAMPLE])) >= _NOISE


def _any(lo: int, first: int | None, width: int, data: bytes, rows: int, positions: Sequence[int] | None) -> list[int]:
    count = rows if first is None else rows - 1
    if first is None and not width:
        return [lo] * (rows if positions is None else len(positions))
    if first is None and positions is not None:
        return _gathered(plain(data, width * count), width, count, lo, positions)
    values = [lo] * count if not width else _widened(plain(data, width * count), width, count, lo)
    if first is not None:
        values = list(accumulate(chain((first,), values)))
    return values if positions is None else [values[at] for at in positions]


def _gathered(data: bytes, width: int, count: int, lo: int, positions: Sequence[int]) -> list[int]:
    if len(data) != width * count:
        raise Undecodable(f"{len(data)} bytes for {count} integers of {width}")
    return [lo + int.from_bytes(data[at::count], "little") for at in positions]


def _widened(data: bytes, width: int, count: int, lo: int) -> list[int]:
    if len(data) != width * count:
        raise Undecodable(f"{len(data)} bytes for {count} integers of {width}")
    if width == 1:
        return [v + lo for v in data] if lo else list(data)
    values = _array(data, width, count)
    return [v + lo for v in values] if lo else values.tolist()


def _array(data: bytes, width: int, count: int) -> array[int]:
    planes = bytearray(len(data))
    for i in range(width):
        planes[i::width] = data[i * count : (i + 1) * count]
    values = array(_TYPES[width])
    values.frombytes(planes)
    return values
