"""The columnar form of task rows: named columns, distinct ids once, integers as narrow as their range.

Format, version 1, msgpack: ``[version, ids, odd ids, body]``. `ids` are the distinct 16-byte ids in a row, `odd
ids` all others as a list; `body` is either the tables, or zlib bytes of the packed tables. Tables are ``{name: [rows,
columns]}``, a column is ``[name, code, ...]`` with these codes:

====  ==================================================================================================
i     integers: ``lo, delta, width, bytes``: value minus `lo`, `width` bytes each, little endian, all
      first bytes, then all second bytes, ...; `delta` is None, or the first value before differences
t     texts: the distinct texts, and integers that point into them
d     ids: integers; 0 is the empty id, then `ids`, then `odd ids`
u     uids of 12 bytes: the distinct first 8 bytes, integers that point into them, the last 4 as integers
b     short bytes: the distinct values, integers that point into them
f     floats: IEEE 754 doubles, 8 bytes each, little endian
====  ==================================================================================================

`bytes` and text lists start with 0 for plain or 1 for zlib, whichever is shorter. A column with the empty value in
every row is left out; a reader gives that value for columns that are missing and ignores columns it does not know.
Bytes by significance: as in Blosc (Alted 2010).
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate, chain
from operator import add, sub
from struct import Struct
from typing import Any, Final, get_type_hints

from celery_monitor.details import ROWS
from celery_monitor.model import Attempt, Publish
from celery_monitor.store import packing
from celery_monitor.store.packing import Undecodable
from celery_monitor.store.shapes import LARGEST, checker

VERSION: Final = 1
MAX_ROWS: Final = 100_000
_CODES: Final = ((1, "B"), (2, "H"), (4, "I"), (8, "Q"))
_UID: Final = 12
_is_int: Final = checker(int)
_UIDS: Final = Struct("<8sI")
_TRIED: Final = 32

Columns = dict[str, list[Any]]


@dataclass(frozen=True)
class Schema:
    """A kind of row: its name in the bytes, its columns with their codes, and what is predicted from what.

    Attributes:
        near: integer column to a pair of columns whose difference it mostly equals; the rest is stored.
        missing: column to its value in blobs that are older than the column, where that is not the empty one.
    """

    name: str
    columns: dict[str, str]
    near: dict[str, tuple[str, str]] = field(default_factory=dict)
    missing: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def empty(self) -> dict[str, Any]:
        """Column to the value of a column that is missing; one with this value in every row is left out."""
        values: dict[str, Any] = {"i": 0, "t": "", "d": b"", "u": b"", "b": b"", "f": 0.0}
        return {name: values[code] for name, code in self.columns.items()} | self.missing


def _schema(name: str, row: Any, near: dict[str, tuple[str, str]]) -> Schema:
    codes = {bytes: "d", str: "t", int: "i", float: "f"}
    special = {"uid": "u", "key": "b"}
    hints = get_type_hints(row)
    columns = {k: special.get(k) or codes[t] for k, t in hints.items()}
    return Schema(name, columns, near, row._field_defaults)


ATTEMPTS: Final = _schema("attempts", Attempt, {"wait_us": ("started_us", "published_us")})
PUBLISHES: Final = _schema("publishes", Publish, {})
SCHEMAS: Final = {s.name: s for s in (ATTEMPTS, PUBLISHES, *(_schema(name, row, {}) for name, row in ROWS.items()))}


def from_rows(schema: Schema, rows: Sequence[Sequence[Any]]) -> Columns:
    """Return rows (in the order of the schema's columns) as columns."""
    if not rows:
        return {name: [] for name in schema.columns}
    return dict(zip(schema.columns, map(list, zip(*rows, strict=True)), strict=True))


def to_rows(schema: Schema, columns: Columns) -> list[tuple[Any, ...]]:
    """Return columns as rows."""
    return list(zip(*(columns[name] for name in schema.columns), strict=True))


class Ids:
    """The distinct ids of a blob while it is written."""

    def __init__(self) -> None:
        self.raw: dict[bytes, int] = {}
        self.odd: dict[bytes, int] = {}

    def collect(self, values: Iterable[bytes]) -> None:
        """Take up ids that are not known yet."""
        for value in dict.fromkeys(values):
            if len(value) == 16:
                self.raw.setdefault(value, 0)
            elif value:
                self.odd.setdefault(value, 0)

    def numbered(self) -> dict[bytes, int]:
        """Return every id with its number; 0 is the empty id."""
        return {value: n for n, value in enumerate(chain((b"",), self.raw, self.odd))}


def encode(tables: dict[str, Columns], *, level: int = 6, whole: bool = False) -> bytes:
    """Return the bytes of several tables that share their ids.

    Parameters:
        tables: schema name to columns of equal length.
        level: of zlib.
        whole: compress all columns as one, which is smaller for few rows; else each for itself, so that a
            reader inflates only what it wants.
    """
    ids = Ids()
    for name, columns in tables.items():
        for column, code in SCHEMAS[name].columns.items():
            if code == "d":
                ids.collect(columns[column])
    numbers = ids.numbered()
    writer = Writer(numbers, 0 if whole else level)
    body = {name: writer.table(SCHEMAS[name], columns) for name, columns in tables.items() if columns["id"]}
    packed: Any = packing.deflate(packing.pack(body), level) if whole else body
    return packing.pack([VERSION, b"".join(ids.raw), list(ids.odd), packed])


class Writer:
    """Writes columns; `numbers` are those of the ids, `level` is zlib's."""

    def __init__(self, numbers: dict[bytes, int], level: int) -> None:
        self._numbers = numbers
        self._level = level

    def table(self, schema: Schema, columns: Columns) -> list[Any]:
        """Return the rows and columns of a table."""
        rows = len(columns["id"])
        if rows > MAX_ROWS:
            raise ValueError(f"{schema.name}: {rows} rows; a blob holds {MAX_ROWS} at most")
        out = []
        empty = schema.empty
        for name, code in schema.columns.items():
            values = columns[name]
            if name not in schema.near and values.count(empty[name]) == rows:
                continue
            if name in schema.near:
                a, b = schema.near[name]
                values = list(map(sub, values, map(sub, columns[a], columns[b])))
            out.append([name, code, *self.column(code, values)])
        return [rows, out]

    def column(self, code: str, values: list[Any]) -> list[Any]:
        """Return a column's bytes, after its name and code."""
        found: list[Any] = self.integers(values) if code == "i" else getattr(self, "_" + code)(values)
        return found

    def integers(self, values: list[int]) -> list[Any]:
        """Return ``lo, delta, width, bytes``."""
        if values.count(values[0]) == len(values):
            return [values[0], None, 0, b""]
        lo, hi = min(values), max(values)
        if values[0] == lo and hi - lo == len(values) - 1 and values == list(range(lo, hi + 1)):
            return [1, lo, 0, b""]
        if hi - lo > 255:
            if not may_shrink(values, hi - lo):
                return [lo, None, *self._narrow(values, lo, hi)]
            steps = list(map(sub, values[1:], values))
            least, most = min(steps), max(steps)
            if (most - least) * 4 < hi - lo:
                return [least, values[0], *self._narrow(steps, least, most)]
        return [lo, None, *self._narrow(values, lo, hi)]

    def _narrow(self, values: list[int], lo: int, hi: int) -> list[Any]:
        if lo == hi:
            return [0, b""]
        width, code = next(c for c in _CODES if hi - lo < 1 << (8 * c[0]))
        raw = array(code, [v - lo for v in values] if lo else values).tobytes()
        return [width, self.squeezed(b"".join(raw[i::width] for i in range(width)))]

    def _t(self, values: list[str]) -> list[Any]:
        if values.count(values[0]) == len(values):
            return [b"\0" + packing.pack(values[:1]), 0, None, 0, b""]
        numbers = {text: n for n, text in enumerate(dict.fromkeys(values))}
        return [self.squeezed(packing.pack(list(numbers))), *self.integers(list(map(numbers.__getitem__, values)))]

    def _d(self, values: list[bytes]) -> list[Any]:
        if values.count(values[0]) == len(values):
            return [self._numbers[values[0]], None, 0, b""]
        return self.integers(list(map(self._numbers.__getitem__, values)))

    def _b(self, values: list[bytes]) -> list[Any]:
        numbers = {value: n for n, value in enumerate(dict.fromkeys(values))}
        return [list(numbers), self.integers(list(map(numbers.__getitem__, values)))]

    def _f(self, values: list[float]) -> list[Any]:
        return [self.squeezed(array("d", values).tobytes())]

    def _u(self, values: list[bytes]) -> list[Any]:
        joined = b"".join(values)
        if len(joined) != _UID * len(values) or set(map(len, values)) != {_UID}:
            joined = b"".join(v[:_UID].ljust(_UID, b"\0") for v in values)
        heads, serials = map(list, zip(*_UIDS.iter_unpack(joined), strict=True))
        numbers = {head: n for n, head in enumerate(dict.fromkeys(heads))}
        return [b"".join(numbers), self.integers(list(map(numbers.__getitem__, heads))), self.integers(serials)]

    def squeezed(self, data: bytes) -> bytes:
        """Return bytes with what was done to them, 0 for nothing and 1 for zlib, before them."""
        if self._level and len(data) > 32:
            small = packing.deflate(data, self._level)
            if len(small) < len(data):
                return b"\1" + small
        return b"\0" + data


def may_shrink(values: list[int], span: int) -> bool:
    """Return whether differences can be narrower than values: what a few of them say cannot be taken back by others."""
    some = values[: _TRIED + 1]
    steps = list(map(sub, some[1:], some))
    return bool(steps) and 4 * (max(steps) - min(steps)) < span


class Blob:
    """Tables in their bytes; columns are decoded one by one, when they are asked for.

    Parameters:
        data: what `encode` returned.
        ids: its distinct ids by number, where they are known.

    Raises:
        Undecodable: here and from every method, when the bytes are not of a version and form known here.
    """

    def __init__(self, data: bytes, ids: list[bytes] | None = None) -> None:
        self.data = data
        try:
            version, self._raw_ids, odd, body = packing.unpack(data)
            if version != VERSION:
                raise Undecodable(f"columns of version {version!r}; this release reads {VERSION}")
            if isinstance(body, bytes):
                body = packing.unpack(packing.inflate(body))
            self._tables: dict[str, tuple[int, dict[str, list[Any]]]] = {
                name: (_count(rows), {c[0]: c for c in columns}) for name, (rows, columns) in body.items()
            }
            self._odd = [_bytes(o) for o in odd]
            self._known = len(_bytes(self._raw_ids)) // 16
        except packing.BROKEN as e:
            raise Undecodable(f"columns: {e}") from e
        self._ids = ids
        self._decoded: dict[tuple[str, str], list[Any]] = {}

    @property
    def ids(self) -> list[bytes]:
        """Every distinct id, by its number; the empty id first."""
        if self._ids is None:
            raw = self._raw_ids
            self._ids = [b"", *(raw[i : i + 16] for i in range(0, self._known * 16, 16)), *self._odd]
        return self._ids

    @property
    def odd(self) -> list[bytes]:
        """The distinct ids that are not 16 bytes long: texts."""
        return self._odd

    def number(self, packed_id: bytes) -> int | None:
        """Return the number of an id, None when no row mentions it."""
        if len(packed_id) != 16:
            return 1 + self._known + self._odd.index(packed_id) if packed_id in self._odd else None
        at = self._raw_ids.find(packed_id)
        while at >= 0 and at % 16:
            at = self._raw_ids.find(packed_id, at + 1)
        return 1 + at // 16 if at >= 0 else None

    def rows(self, table: str) -> int:
        """Return how many rows a table has."""
        return self._tables[table][0] if table in self._tables else 0

    @property
    def names(self) -> list[str]:
        """The tables known here that have rows."""
        return [name for name in SCHEMAS if self.rows(name)]

    def present(self, table: str) -> list[str]:
        """Return the columns known here that a table has, in the schema's order."""
        return [name for name in SCHEMAS[table].columns if name in self._tables[table][1]]

    def has(self, table: str, name: str) -> bool:
        """Return whether a table has a column."""
        return name in self._tables[table][1]

    def raw(self, table: str, name: str) -> list[Any]:
        """Return a column's bytes, after its name and code; of one that is predicted, what is stored.

        Raises:
            LookupError: the table does not have the column.
        """
        column, code = self._tables[table][1][name], SCHEMAS[table].columns[name]
        if column[1] != code:
            raise Undecodable(f"code {column[1]!r}; this release reads {code!r}")
        return column[2:]

    def bound(self, table: str, name: str) -> int:
        """Return what no integer of a column is below, as far as that is cheaper to tell than the least one."""
        column = self._tables[table][1].get(name)
        if column is None or column[3] is not None or not _is_int(column[2]):
            return int(min(self.column(table, name)))
        return int(column[2])

    def column(self, table: str, name: str) -> list[Any]:
        """Return a column's values; do not change the list, it is kept."""
        values = self._decoded.get((table, name))
        if values is None:
            try:
                values = self._decoded[table, name] = self._values(SCHEMAS[table], name)
            except packing.BROKEN as e:
                raise Undecodable(f"column {table}.{name}: {e}") from e
        return values

    def numbers(self, table: str, name: str) -> list[int]:
        """Return an id column as numbers of ids, which is cheaper to search than ids."""
        try:
            rows, columns = self._tables[table]
            return integers(columns[name][2:], rows) if name in columns else [0] * rows
        except packing.BROKEN as e:
            raise Undecodable(f"column {table}.{name}: {e}") from e

    def columns(self, table: str) -> Columns:
        """Return all columns of a table, those that are missing with empty values."""
        return {name: self.column(table, name) for name in SCHEMAS[table].columns}

    def pick(self, table: str, positions: Sequence[int]) -> list[tuple[Any, ...]]:
        """Return some rows, in the order of the schema's columns."""
        if not positions:
            return []
        try:
            schema = SCHEMAS[table]
            return list(zip(*(self._values(schema, name, positions) for name in schema.columns), strict=True))
        except packing.BROKEN as e:
            raise Undecodable(f"rows of {table}: {e}") from e

    def _values(self, schema: Schema, name: str, positions: Sequence[int] | None = None) -> list[Any]:
        """Return a column's values, or those at some positions."""
        rows, columns = self._tables.get(schema.name, (0, {}))
        column = columns.get(name)
        if column is None:
            return [schema.empty[name]] * (rows if positions is None else len(positions))
        if column[1] != schema.columns[name]:
            raise Undecodable(f"code {column[1]!r}; this release reads {schema.columns[name]!r}")
        values: list[Any] = getattr(self, "_" + column[1])(column[2:], rows, positions)
        if name in schema.near:
            a, b = (self._values(schema, other, positions) for other in schema.near[name])
            values = list(map(add, values, map(sub, a, b)))
        return values

    def _i(self, raw: list[Any], rows: int, positions: Sequence[int] | None) -> list[int]:
        return integers(raw, rows, positions)

    def _t(self, raw: list[Any], rows: int, positions: Sequence[int] | None) -> list[str]:
        return _looked_up(texts(raw[0]), raw[1:], rows, positions)

    def _d(self, raw: list[Any], rows: int, positions: Sequence[int] | None) -> list[bytes]:
        if positions is not None:
            return [self._id(n) for n in integers(raw, rows, positions)]
        return _looked_up(self.ids, raw, rows, positions)

    def _id(self, number: int) -> bytes:
        if number < 0:
            raise Undecodable(f"id {number}")
        if number > self._known:
            return self._odd[number - self._known - 1]
        return bytes(self._raw_ids[(number - 1) * 16 : number * 16]) if number else b""

    def _b(self, raw: list[Any], rows: int, positions: Sequence[int] | None) -> list[bytes]:
        return [_bytes(raw[0][n]) for n in integers(raw[1], rows, positions)]

    def _f(self, raw: list[Any], rows: int, positions: Sequence[int] | None) -> list[float]:
        values = array("d")
        values.frombytes(_plain(raw[0], 8 * rows))
        if len(values) != rows:
            raise Undecodable(f"{len(values)} floats in {rows} rows")
        return values.tolist() if positions is None else [values[at] for at in positions]

    def _u(self, raw: list[Any], rows: int, positions: Sequence[int] | None) -> list[bytes]:
        known = heads(raw[0])
        pairs = zip(integers(raw[1], rows, positions), integers(raw[2], rows, positions), strict=True)
        return [known[head] + serial.to_bytes(4, "little") for head, serial in pairs]


def texts(raw: bytes) -> list[str]:
    """Return the distinct texts of a column; raises one of `packing.BROKEN` when one is no text."""
    found: list[str] = packing.unpack(_plain(raw, packing.MAX_BYTES))
    "".join(found)
    return found


def heads(raw: bytes) -> list[bytes]:
    """Return the distinct first parts of the uids of a column."""
    return [raw[i : i + 8] for i in range(0, len(_bytes(raw)), 8)]


def planes(raw: list[Any], rows: int) -> bytes:
    """Return the bytes of integers that are no differences, all first ones first, checked."""
    lo, _, width, data = raw
    if not _is_int(lo) or not -LARGEST <= lo <= LARGEST:
        raise Undecodable(f"integers from {lo!r}")
    if not width:
        return b""
    found = _plain(data, width * rows)
    if width not in dict(_CODES) or len(found) != width * rows:
        raise Undecodable(f"{len(found)} bytes for {rows} integers of {width}")
    if width == _CODES[-1][0]:
        integers(raw, rows)
    return found


def _count(rows: Any) -> int:
    if not isinstance(rows, int) or not 0 <= rows <= MAX_ROWS:
        raise Undecodable(f"{rows!r} rows; a blob holds {MAX_ROWS} at most")
    return rows


def _bytes(value: Any) -> bytes:
    """Return bytes that are some; `bytes` of a number would be as many of them."""
    if not isinstance(value, bytes):
        raise Undecodable(f"{type(value).__name__} for bytes")
    return value


def _plain(data: bytes, limit: int) -> bytes:
    if data[:1] == b"\1":
        return packing.inflate(data[1:], limit)
    return data[1:]


def integers(raw: list[Any], rows: int, positions: Sequence[int] | None = None) -> list[int]:
    """Return integers, or those at some positions, from ``lo, delta, width, bytes``."""
    lo, first, width, data = raw
    if not _is_int(lo) or not (first is None or _is_int(first)):
        raise Undecodable(f"integers from {lo!r} or {first!r}")
    values = _any_ints(lo, first, width, data, rows, positions)
    wide = values and (width == _CODES[-1][0] or first is not None)
    if wide and not -LARGEST <= min(values) <= max(values) <= LARGEST:
        raise Undecodable(f"integers from {min(values)} to {max(values)}")
    return values


def _any_ints(
    lo: int, first: int | None, width: int, data: bytes, rows: int, positions: Sequence[int] | None
) -> list[int]:
    count = rows if first is None else rows - 1
    if first is None and not width:
        return [lo] * (rows if positions is None else len(positions))
    if first is None and positions is not None:
        return _gathered(_plain(data, width * count), width, count, lo, positions)
    values = [lo] * count if not width else _widened(_plain(data, width * count), width, count, lo)
    if first is not None:
        values = list(accumulate(chain((first,), values)))
    return values if positions is None else [values[at] for at in positions]


def _looked_up(values: list[Any], raw: list[Any], rows: int, positions: Sequence[int] | None) -> list[Any]:
    lo, first, width, _ = raw
    if first is None and not width:
        return [values[lo]] * (rows if positions is None else len(positions))
    return list(map(values.__getitem__, integers(raw, rows, positions)))


def _gathered(data: bytes, width: int, count: int, lo: int, positions: Sequence[int]) -> list[int]:
    if len(data) != width * count:
        raise Undecodable(f"{len(data)} bytes for {count} integers of {width}")
    return [lo + sum(data[i * count + at] << 8 * i for i in range(width)) for at in positions]


def _widened(data: bytes, width: int, count: int, lo: int) -> list[int]:
    if len(data) != width * count:
        raise Undecodable(f"{len(data)} bytes for {count} integers of {width}")
    if width == 1:
        return [v + lo for v in data] if lo else list(data)
    planes = bytearray(len(data))
    for i in range(width):
        planes[i::width] = data[i * count : (i + 1) * count]
    values = array(dict(_CODES)[width])
    values.frombytes(bytes(planes))
    return [v + lo for v in values] if lo else values.tolist()
