"""Joins blobs of rows into one without making values of their bytes: most of what a fold does is this.

Integers are moved to a common least value and width by one addition of two long integers (a value to a lane), numbers
of texts and of heads by `bytes.translate`. What does not fit that, as a column of many texts, goes by its values.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import accumulate, chain
from operator import add, sub
from typing import Any, Final, NamedTuple

from celery_monitor.store import columns, packing
from celery_monitor.store.columns import SCHEMAS, Blob, Columns, Writer
from celery_monitor.store.packing import Undecodable

_TYPES: Final = {1: "B", 2: "H", 4: "I", 8: "Q"}
_BYTE: Final = 256
_TRIED: Final = 32
_SIMPLE: Final = frozenset("it")
_SHORT: Final = 100
_NUMBERS_LEVEL: Final = 1
"""Of zlib, for numbers: the next ones take a third longer and save 2 %."""
Raw = list[Any]


class Lanes(NamedTuple):
    """Integers: what each is above `lo`, in `width` bytes; all least bytes first, then all next ones, ..."""

    rows: int
    lo: int
    width: int
    planes: bytes

    @property
    def most(self) -> int:
        """What none of them is above."""
        return self.lo + (1 << 8 * self.width) - 1

    @property
    def top(self) -> int:
        """The greatest of them."""
        if self.width <= 1:
            return self.lo + max(self.planes, default=0)
        return max(self.values())

    def without(self, gone: Sequence[int]) -> Lanes:
        """Return them without those at some positions."""
        if not gone:
            return self
        rows = self.rows - len(gone)
        if not self.width or not rows:
            return Lanes(rows, self.lo, 0, b"")
        left = bytearray(self.planes)
        for plane in reversed(range(self.width)):
            for at in reversed(gone):
                del left[plane * self.rows + at]
        return Lanes(rows, self.lo, self.width, bytes(left))

    def only(self, kept: Sequence[int]) -> Lanes:
        """Return those at some positions."""
        if not self.width:
            return self._replace(rows=len(kept))
        offsets = range(0, self.width * self.rows, self.rows)
        return Lanes(len(kept), self.lo, self.width, bytes([self.planes[n + at] for n in offsets for at in kept]))

    def values(self) -> list[int]:
        """Return the integers."""
        return columns.integers([self.lo, None, self.width, b"\0" + self.planes], self.rows)


class Named(NamedTuple):
    """Numbers that point into some values."""

    known: Sequence[Any]
    numbers: Lanes


class Part:
    """Rows of a blob, checked: joining them with others cannot fail.

    Attributes:
        blob: what has them, maybe among others.
        rows: how many, by table.
    """

    def __init__(self, blob: Blob, tables: dict[str, dict[str, Any]], rows: dict[str, int]) -> None:
        self.blob, self.tables, self.rows = blob, tables, rows

    @classmethod
    def of(cls, blob: Blob) -> Part:
        """Return all rows of a blob.

        Raises:
            Undecodable: it is broken.
        """
        names = blob.names
        present = {name: blob.present(name) for name in names}
        if any(not SCHEMAS[name].near.keys() <= set(found) for name, found in present.items()):
            # A predicted column that is missing is 0, which is not what would be stored of it.
            blob = Blob(columns.encode({name: blob.columns(name) for name in names}, level=0))
            present = {name: blob.present(name) for name in names}
        try:
            tables = {name: {column: _column(blob, name, column) for column in present[name]} for name in names}
        except packing.BROKEN as e:
            raise Undecodable(f"columns: {e}") from e
        return cls(blob, tables, {name: blob.rows(name) for name in names})

    def column(self, table: str, name: str) -> Any:
        """Return a column, of one that is missing its empty value in every row."""
        found = self.tables[table].get(name)
        return _empty(table, name, self.rows[table]) if found is None else found

    @property
    def count(self) -> int:
        """Rows of all tables."""
        return sum(self.rows.values())

    def without(self, gone: Mapping[str, Sequence[int]]) -> Part:
        """Return it without the rows at some positions of some tables, which are ascending."""
        rows = {name: n - len(gone.get(name, ())) for name, n in self.rows.items()}
        tables = {
            name: _each(table, Lanes.without, gone[name]) if gone.get(name) else table
            for name, table in self.tables.items()
            if rows[name]
        }
        return Part(self.blob, tables, {name: rows[name] for name in tables})

    def only(self, kept: Mapping[str, Sequence[int]]) -> Part:
        """Return the rows at some positions of some tables."""
        tables = {name: _each(self.tables[name], Lanes.only, at) for name, at in kept.items() if at}
        return Part(self.blob, tables, {name: len(kept[name]) for name in tables})


def _each(
    table: Mapping[str, Any], change: Callable[[Lanes, Sequence[int]], Lanes], at: Sequence[int]
) -> dict[str, Any]:
    """Return the columns of a table with other rows."""
    return {name: _with(column, change, at) for name, column in table.items()}


def _with(column: Any, change: Callable[[Lanes, Sequence[int]], Lanes], at: Sequence[int]) -> Any:
    if isinstance(column, Lanes):
        return change(column, at)
    if isinstance(column, Named):
        return Named(column.known, change(column.numbers, at))
    return tuple(_with(one, change, at) for one in column)


def _column(blob: Blob, table: str, name: str) -> Any:
    """Return a column, checked, as lanes, as named numbers, or of uids as both."""
    raw, rows, code = blob.raw(table, name), blob.rows(table), SCHEMAS[table].columns[name]
    if code in _SIMPLE and not raw[-2] and raw[-3] is None and (code == "i" or len(raw[0]) < _SHORT):
        return _constant(code, rows, *raw[:-1])
    if code == "i":
        return _lanes(raw, rows)
    if code == "d":
        numbers = _lanes(raw, rows)
        if numbers.lo < 0 or numbers.top >= len(blob.ids):
            raise Undecodable(f"ids from {numbers.lo} to {numbers.most}")
        return numbers
    if code == "t":
        return _named(columns.texts(raw[0]), _lanes(raw[1:], rows))
    if code == "u":
        serials = _lanes(raw[2], rows)
        if serials.lo < 0 or (serials.most >> 32 and serials.top >> 32):
            raise Undecodable(f"serials from {serials.lo} to {serials.most}")
        return _named(columns.heads(raw[0]), _lanes(raw[1], rows)), serials
    return Named(blob.column(table, name), _ramp(rows))


@lru_cache(maxsize=1024)
def _constant(code: str, rows: int, *raw: Any) -> Lanes | Named:
    """Return a column of one value; most columns are the same in each blob."""
    if code == "i":
        return _lanes([*raw, b""], rows)
    return _named(columns.texts(raw[0]), _lanes([*raw[1:], b""], rows))


@lru_cache(maxsize=4096)
def _empty(table: str, name: str, rows: int) -> Any:
    """Return a column with the empty value in every row."""
    code, value = SCHEMAS[table].columns[name], SCHEMAS[table].empty[name]
    constant = Lanes(rows, 0, 0, b"")
    if code == "i":
        return constant._replace(lo=value)
    if code == "d":
        return constant
    if code == "u":
        return Named([value[:8].ljust(8, b"\0")], constant), constant
    return Named([value], constant)


def join(parts: Sequence[Part], level: int = 6) -> Blob:
    """Return all rows of some parts, table by table, in their order."""
    if any(part.blob.odd for part in parts):
        return Blob(columns.encode(_by_values(parts), level=level))
    joiner = _Joiner(level)
    body = {}
    for name, schema in SCHEMAS.items():
        mine = [part for part in parts if name in part.tables]
        if mine:
            known = set().union(*(part.tables[name] for part in mine))
            found = [[c, code, *joiner.column(mine, name, c, code)] for c, code in schema.columns.items() if c in known]
            body[name] = [sum(part.rows[name] for part in mine), found]
    return Blob(packing.pack([columns.VERSION, b"".join(joiner.ids), [], body]), list(joiner.ids))


def _by_values(parts: Sequence[Part]) -> dict[str, Columns]:
    tables: dict[str, Columns] = {}
    for name, schema in SCHEMAS.items():
        mine = [part for part in parts if name in part.tables]
        if mine:
            tables[name] = {
                column: [v for part in mine for v in _values(part, name, column)] for column in schema.columns
            }
            for column, (a, b) in schema.near.items():
                near = map(sub, tables[name][a], tables[name][b])
                tables[name][column] = list(map(add, tables[name][column], near))
    return tables


def _values(part: Part, table: str, name: str) -> list[Any]:
    """Return a column's values; of one that is predicted, what is stored."""
    column = part.column(table, name)
    if isinstance(column, Named):
        return [column.known[at] for at in column.numbers.values()]
    if isinstance(column, Lanes):
        values = column.values()
        return values if SCHEMAS[table].columns[name] == "i" else [part.blob.ids[at] for at in values]
    own, serials = column
    each = zip(own.numbers.values(), serials.values(), strict=True)
    return [own.known[at] + serial.to_bytes(4, "little") for at, serial in each]


class _Joiner:
    def __init__(self, level: int) -> None:
        self.ids: dict[bytes, int] = {b"": 0}
        self._writer = Writer({}, level)
        self._numbers = Writer({}, min(level, _NUMBERS_LEVEL))
        self._mine: dict[int, dict[Lanes, Lanes]] = {}  # what numbers of a part became, by the part's id()

    def column(self, parts: Sequence[Part], table: str, name: str, code: str) -> Raw:
        """Return a column's bytes, after its name and code."""
        found = [part.column(table, name) for part in parts]
        if code == "i":
            return self._integers(found)
        if code == "d":
            return self._integers([self._ids(part, lanes) for part, lanes in zip(parts, found, strict=True)])
        if code == "t":
            texts, numbers = self._numbered(found)
            if len(texts) == 1:
                return [b"\0" + packing.pack(texts), 0, None, 0, b""]
            return [self._writer.squeezed(packing.pack(texts)), *self._integers(numbers)]
        if code == "u":
            heads, numbers = self._numbered([own for own, _ in found])
            return [b"".join(heads), self._integers(numbers), self._integers([serials for _, serials in found])]
        return self._writer.column(code, [own.known[at] for own in found for at in own.numbers.values()])

    def _ids(self, part: Part, numbers: Lanes) -> Lanes:
        """Return a part's numbers of ids as those of the whole; one that was not met yet is the next."""
        if not numbers.width and not numbers.lo:
            return numbers
        mine = self._mine.setdefault(id(part), {})
        if numbers not in mine:  # tables of a part mostly have the same ids in the same order
            mine[numbers] = self._placed(part.blob.ids, numbers.values())
        return mine[numbers]

    def _placed(self, own: Sequence[bytes], numbers: Sequence[int]) -> Lanes:
        known, used = self.ids, [own[at] for at in numbers]
        fresh = [one for one in dict.fromkeys(used) if one not in known]
        first = len(known)
        known.update(zip(fresh, range(first, first + len(fresh)), strict=True))
        if len(fresh) == len(used):
            return _ramp(len(used))._replace(lo=first)
        return lanes_of(list(map(known.__getitem__, used)))

    def _numbered(self, found: Sequence[Named]) -> tuple[list[Any], list[Lanes]]:
        """Return the distinct values of several parts and their numbers in them."""
        known: dict[Any, int] = {}
        out = []
        for values, (rows, lo, width, planes) in found:
            if not width:
                out.append(Lanes(rows, known.setdefault(values[lo], len(known)), 0, b""))
            elif width > 1:
                used = Lanes(rows, lo, width, planes).values()
                mine = {at: known.setdefault(values[at], len(known)) for at in dict.fromkeys(used)}
                out.append(lanes_of([mine[at] for at in used]))
            else:
                out.append(_renumbered(values, Lanes(rows, lo, width, planes), known))
        return list(known), out

    def _integers(self, found: Sequence[Lanes]) -> Raw:
        lo = found[0].lo
        if {lanes[1:3] for lanes in found} == {(lo, 0)}:
            return [lo, None, 0, b""]
        lo, most = min([lanes.lo for lanes in found]), max([lanes.most for lanes in found])
        if _is_ramp(found):
            return [1, lo, 0, b""]
        width = _width(most - lo)
        if not width:
            return self._numbers.integers([value for lanes in found for value in lanes.values()])
        joined = b"".join([_moved(lanes, lo, width) for lanes in found])
        planes = [joined[i::width] for i in range(width)]
        while planes and not any(planes[-1]):
            planes.pop()
        if not planes:
            return [lo, None, 0, b""]
        if len(planes) > 1 and _may_shrink(found, joined, width, (max(planes[-1]) + 1) << 8 * (len(planes) - 1)):
            return self._numbers.integers([lo + value for value in array(_TYPES[width], joined)])
        width = next(w for w in _TYPES if len(planes) <= w)
        data = b"".join(planes).ljust(width * len(planes[0]), b"\0")
        return [lo, None, width, self._numbers.squeezed(data)]


def lanes_of(values: Sequence[int]) -> Lanes:
    """Return integers as lanes; there must be one at least."""
    lo = min(values)
    span = max(values) - lo
    if not span:
        return Lanes(len(values), lo, 0, b"")
    width = _width(span)
    if not width:
        raise Undecodable(f"integers from {lo} to {lo + span}")
    raw = array(_TYPES[width], [value - lo for value in values]).tobytes()
    return Lanes(len(values), lo, width, b"".join([raw[i::width] for i in range(width)]))


def _lanes(raw: Raw, rows: int) -> Lanes:
    """Return the integers of a column."""
    lo, first, width, _ = raw
    if first is None:
        return Lanes(rows, lo, width, columns.planes(raw, rows))
    if width or lo != 1:
        return lanes_of(columns.integers(raw, rows))
    columns.planes([first, None, 0, b""], rows)  # for what it says of one that is no number
    return _ramp(rows)._replace(lo=first)


def _named(values: Sequence[Any], numbers: Lanes) -> Named:
    if numbers.lo < 0 or numbers.top >= len(values):
        raise Undecodable(f"number {numbers.top} of {len(values)} values")
    return Named(values, numbers)


def _renumbered(values: Sequence[Any], numbers: Lanes, known: dict[Any, int]) -> Lanes:
    """Return numbers of a byte each as those of the whole."""
    table = bytearray(_BYTE)
    places = {at: known.setdefault(values[numbers.lo + at], len(known)) for at in dict.fromkeys(numbers.planes)}
    if max(places.values()) >= _BYTE:
        return lanes_of([places[at] for at in numbers.planes])
    for at, place in places.items():
        table[at] = place
    return Lanes(numbers.rows, 0, 1, numbers.planes.translate(table))


@lru_cache(maxsize=64)
def _ramp(rows: int) -> Lanes:
    return lanes_of(range(rows))


def _is_ramp(found: Sequence[Lanes]) -> bool:
    """Return whether each integer is one more than that before it."""
    following = found[0].lo
    for lanes in found:
        if lanes.lo != following or lanes != _ramp(lanes.rows)._replace(lo=following):
            return False
        following += lanes.rows
    return True


def _moved(lanes: Lanes, lo: int, width: int) -> bytes:
    """Return integers in lanes of so many bytes, one behind the other, as what each is above `lo`."""
    above = lanes.lo - lo
    if not lanes.width:
        return above.to_bytes(width, "little") * lanes.rows
    lying = bytearray(width * lanes.rows)
    for i in range(lanes.width):
        lying[i::width] = lanes.planes[i * lanes.rows : (i + 1) * lanes.rows]
    if not above:
        return bytes(lying)
    return (int.from_bytes(lying, "little") + above * _ones(lanes.rows, width)).to_bytes(len(lying), "little")


@lru_cache(maxsize=64)
def _ones(rows: int, width: int) -> int:
    """Return a 1 in each of so many lanes."""
    return int.from_bytes(b"\1".ljust(width, b"\0") * rows, "little")


def _may_shrink(found: Sequence[Lanes], joined: bytes, width: int, span: int) -> bool:
    """Return whether differences can be narrower, as far as the first ones and those from part to part tell."""
    firsts = accumulate([lanes.rows for lanes in found[:-1]])
    around = b"".join([joined[(at - 1) * width : (at + 1) * width] for at in firsts])
    some, steps = array(_TYPES[width], joined[: width * _TRIED]).tolist(), array(_TYPES[width], around).tolist()
    tried = list(chain(map(sub, some[1:], some), map(sub, steps[1::2], steps[::2])))
    return bool(tried) and 4 * (max(tried) - min(tried)) < span


def _width(span: int) -> int:
    """Return the bytes of a lane for what is at most so much, 0 when there is none so wide."""
    return next((width for width in _TYPES if span < 1 << 8 * width), 0)
