"""The columnar form of task rows: named columns, distinct ids once, integers as narrow as their range.

Format, version 1, msgpack: ``[version, ids, odd ids, body]``. `ids` are the distinct 16-byte ids in a row, `odd
ids` all others as a list; `body` is either the tables, or zlib bytes of the packed tables. Tables are ``{name: [rows,
columns]}``, a column is ``[name, code, ...]`` with these codes:

====  ==================================================================================================
i     as in `integers`
t     texts: the distinct texts, and integers that point into them
d     ids: integers; 0 is the empty id, then `ids`, then `odd ids`
u     uids of 12 bytes: the distinct first 8 bytes, integers that point into them, the last 4 as integers
b     short bytes: the distinct values, integers that point into them
f     floats: IEEE 754 doubles, 8 bytes each, little endian
====  ==================================================================================================

Text lists start with 0 for plain or 1 for zlib, whichever is shorter, and so do floats. A column with the empty value
in every row is left out; a reader gives that value for columns that are missing and ignores columns it does not know.

A blob of several pieces (`joining`) has a fifth part: how many of `ids` belong to each piece. `rows` is a list
then, and integers are those of the pieces that have rows in the table; numbers of ids count from the piece's first.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from operator import sub
from struct import Struct
from typing import Any, Final, get_type_hints

from celery_monitor.details import ROWS
from celery_monitor.model import Attempt, Publish
from celery_monitor.store.encoding import integers, packing
from celery_monitor.store.encoding.integers import Raw

VERSION: Final = 1
MAX_ROWS: Final = 100_000
_UID: Final = 12
_UIDS: Final = Struct("<8sI")

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
        tables: schema name to columns of equal length; those that are missing are empty, all but `id`.
        level: of zlib.
        whole: compress all columns as one, which is smaller for few rows; else each for itself, so that a
            reader inflates only what it wants.
    """
    ids = Ids()
    for name, columns in tables.items():
        for column, code in SCHEMAS[name].columns.items():
            if code == "d" and column in columns:
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
            values = columns.get(name)
            if name in schema.near:
                a, b = (columns.get(other) or [empty[other]] * rows for other in schema.near[name])
                values = list(map(sub, values or [empty[name]] * rows, map(sub, a, b)))
            elif values is None or values.count(empty[name]) == rows:
                continue
            out.append([name, code, *self.column(code, values)])
        return [rows, out]

    def column(self, code: str, values: list[Any]) -> list[Any]:
        """Return a column's bytes, after its name and code."""
        found: list[Any] = getattr(self, "_" + code)(values)
        return found

    def _i(self, values: list[int]) -> Raw:
        return integers.write(values, self.squeezed)

    def _t(self, values: list[str]) -> list[Any]:
        if values.count(values[0]) == len(values):
            return [b"\0" + packing.pack(values[:1]), 0, None, 0, b""]
        numbers = {text: n for n, text in enumerate(dict.fromkeys(values))}
        return [self.squeezed(packing.pack(list(numbers))), *self._i(list(map(numbers.__getitem__, values)))]

    def _d(self, values: list[bytes]) -> list[Any]:
        if values.count(values[0]) == len(values):
            return [self._numbers[values[0]], None, 0, b""]
        return self._i(list(map(self._numbers.__getitem__, values)))

    def _b(self, values: list[bytes]) -> list[Any]:
        numbers = {value: n for n, value in enumerate(dict.fromkeys(values))}
        return [list(numbers), self._i(list(map(numbers.__getitem__, values)))]

    def _f(self, values: list[float]) -> list[Any]:
        return [self.squeezed(array("d", values).tobytes())]

    def _u(self, values: list[bytes]) -> list[Any]:
        joined = b"".join(values)
        if len(joined) != _UID * len(values) or set(map(len, values)) != {_UID}:
            joined = b"".join(v[:_UID].ljust(_UID, b"\0") for v in values)
        heads, serials = map(list, zip(*_UIDS.iter_unpack(joined), strict=True))
        numbers = {head: n for n, head in enumerate(dict.fromkeys(heads))}
        return [b"".join(numbers), self._i(list(map(numbers.__getitem__, heads))), self._i(serials)]

    def squeezed(self, data: bytes) -> bytes:
        """Return bytes with what was done to them, 0 for nothing and 1 for zlib, before them."""
        if self._level and len(data) > 32:
            small = packing.deflate_column(data, self._level)
            if len(small) < len(data):
                return b"\1" + small
        return b"\0" + data
