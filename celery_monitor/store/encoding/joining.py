"""Joins blobs of rows into a block, one blob a piece of it: most of what a fold does is this.

The bytes of a column are put behind each other as they are; texts are numbered anew, by `bytes.translate`. Blobs of
few rows become one by their values first, so that a block has no more pieces than a reader likes.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import chain
from typing import Any, Final

from celery_monitor.store.encoding import columns, integers, literals, packing
from celery_monitor.store.encoding.blob import Blob, Table
from celery_monitor.store.encoding.columns import SCHEMAS, Columns, Schema, Writer
from celery_monitor.store.encoding.integers import Raw
from celery_monitor.store.encoding.shapes import checker

SMALL: Final = 64
"""Rows from which a blob is a piece of its own: a reader looks at each column of each piece."""
_is_int: Final = checker(int)
_CONSTANT: Final = [None, 0, b""]
"""What follows the value of a constant."""
_BYTE: Final = 256
_NUMBERED: Final = frozenset("idt")
"""Codes of columns that end with one piece of integers."""
_NUMBERS_LEVEL: Final = 1
"""Of zlib, for numbers: the next ones take a third longer and save 2 %."""


def checked(blob: Blob) -> Blob:
    """Return a blob of one piece, with plain bytes, if all of it can be read: joining it with others cannot fail.

    Raises:
        Undecodable: it is broken.
    """
    with packing.guarded("columns"):
        if any(not blob.has(name, column) for name in blob.names for column in SCHEMAS[name].near):
            # A predicted column that is missing is 0, which is not what would be stored of it.
            blob = of_columns({name: blob.columns(name) for name in blob.names})
        known = len(blob.raw_ids) // 16 + len(blob.odd)
        tables = {
            name: (
                [blob.rows(name)],
                {c: _checked(blob, name, column, known) for c, column in blob.table(name).items()},
            )
            for name in blob.names
        }
    return Blob.made(blob.raw_ids, blob.odd, tables)


def of_columns(tables: Mapping[str, Columns]) -> Blob:
    """Return a blob of one piece of what `columns.encode` takes."""
    return Blob(columns.encode(dict(tables), level=0))


def without(blob: Blob, gone: Mapping[str, Sequence[int]]) -> Blob:
    """Return a blob that was checked without the rows at some positions of some tables, which are ascending."""
    tables: dict[str, Table] = {}
    for name in blob.names:
        rows, at = blob.rows(name), gone.get(name, ())
        if rows > len(at):
            left = blob.table(name)
            if at:
                gone_of = integers.Gone(rows, at)
                left = {c: _without(blob, name, column, at, gone_of.without) for c, column in left.items()}
            tables[name] = [rows - len(at)], left
    return Blob.made(blob.raw_ids, blob.odd, tables)


def gathered(found: Sequence[Blob], small: int = SMALL) -> list[Blob]:
    """Return blobs with all rows of those that were checked, in their order, those with few rows as one."""
    if any(blob.odd for blob in found):
        return [_merged(found)]
    pieces: list[Blob] = []
    few: list[Blob] = []
    rows = 0
    for blob in found:
        if blob.count < small:
            few.append(blob)
            rows += blob.count
        if few and (blob.count >= small or rows >= small):
            pieces.append(_merged(few))
            few, rows = [], 0
        if blob.count >= small:
            pieces.append(blob)
    return [*pieces, _merged(few)] if few else pieces


def join(pieces: Sequence[Blob], level: int = 6) -> bytes:
    """Return the bytes of blobs that were checked; only a single one may have ids that are texts."""
    joiner = _Joiner(level)
    body = {}
    for name, schema in SCHEMAS.items():
        mine = [blob for blob in pieces if blob.rows(name)]
        if mine:
            tables, counts = [blob.table(name) for blob in mine], [blob.rows(name) for blob in mine]
            known = set().union(*tables)
            found = [
                [c, code, *joiner.column(schema, c, [table.get(c) for table in tables], counts)]
                for c, code in schema.columns.items() if c in known
            ]  # fmt: skip
            body[name] = [[blob.rows(name) for blob in pieces], found]
    ids = b"".join(blob.raw_ids for blob in pieces)
    odd = [own for blob in pieces for own in blob.odd]
    return packing.pack([columns.VERSION, ids, odd, body, [len(blob.raw_ids) // 16 for blob in pieces]])


def behind(found: Sequence[Mapping[str, Columns]]) -> dict[str, Columns]:
    """Return the rows of several tables behind each other, with every column that one of them has."""
    tables: dict[str, Columns] = {}
    for name, schema in SCHEMAS.items():
        mine = [tables_[name] for tables_ in found if name in tables_]
        known = set().union(*mine)
        if mine:
            tables[name] = {
                column: list(chain.from_iterable(of.get(column) or [empty] * len(of["id"]) for of in mine))
                for column, empty in schema.empty.items() if column in known
            }  # fmt: skip
    return tables


def _merged(few: Sequence[Blob]) -> Blob:
    """Return all rows of several blobs as one piece, by their values."""
    if len(few) == 1:
        return few[0]
    return of_columns(behind([{name: blob.all(name) for name in blob.names} for blob in few]))


def _checked(blob: Blob, table: str, column: list[Any], known: int) -> list[Any]:
    """Return a column of a blob that has so many ids."""
    name, code, *raw = column
    rows = blob.rows(table)
    if code == "i" and raw[1:] == _CONSTANT and _is_int(raw[0]):
        return column
    if code == "i":
        return [name, code, *integers.checked(raw, rows)]
    if code == "d":
        return [name, code, *integers.below(raw, rows, known + 1)]
    if code == "t":
        return [name, code, raw[0], *integers.below(raw[1:], rows, len(literals.texts(raw[0])))]
    if code == "u":
        heads, numbers, serials = raw
        bounds = (numbers, len(literals.heads(heads))), (serials, 1 << 32)
        return [name, code, heads, *(integers.below(one, rows, bound) for one, bound in bounds)]
    return [name, code, *Writer({}, 0).column(code, blob.column(table, name))]


def _without(blob: Blob, table: str, column: list[Any], gone: Sequence[int], left: Callable[[Raw], Raw]) -> list[Any]:
    """Return a column without some rows; `left` takes them out of integers."""
    name, code, *raw = column
    if code in _NUMBERED:
        if not raw[-2] and raw[-3] is None:
            return column
        return [name, code, *raw[:-4], *left(raw[-4:])]
    if code == "u":
        return [name, code, raw[0], *map(left, raw[1:])]
    values = [value for at, value in enumerate(blob.column(table, name)) if at not in gone]
    return [name, code, *Writer({}, 0).column(code, values)]


class _Joiner:
    def __init__(self, level: int) -> None:
        self._writer = Writer({}, level)
        self._squeezed = Writer({}, min(level, _NUMBERS_LEVEL)).squeezed

    def column(self, schema: Schema, name: str, found: Sequence[list[Any] | None], counts: Sequence[int]) -> list[Any]:
        """Return a column's bytes, after its name and code; of pieces with so many rows, some of which lack it."""
        code, empty = schema.columns[name], schema.empty[name]
        raws = [
            column[2:] if column else _missing(code, empty, rows) for column, rows in zip(found, counts, strict=True)
        ]
        if code in {"i", "d"}:
            return integers.join(raws, counts, self._squeezed)
        if code == "f":
            return [self._writer.squeezed(b"".join(raw[0][1:] for raw in raws))]
        if code == "t":
            texts, numbers = _renumbered([(literals.texts(raw[0]), raw[1:]) for raw in raws], counts)
            squeezed = self._writer.squeezed(packing.pack(texts))
            return [squeezed, *integers.join(numbers, counts, self._squeezed)]
        if code == "b":
            values, numbers = _renumbered([(raw[0], raw[1]) for raw in raws], counts)
            return [values, integers.join(numbers, counts, self._squeezed)]
        heads, numbers = _renumbered([(literals.heads(raw[0]), raw[1]) for raw in raws], counts)
        joined = [integers.join(one, counts, self._squeezed) for one in (numbers, [raw[2] for raw in raws])]
        return [b"".join(heads), *joined]


def _missing(code: str, empty: Any, rows: int) -> list[Any]:
    """Return the bytes of a column with the empty value in every row."""
    constant = [0, None, 0, b""]
    if code == "i":
        return [empty, None, 0, b""]
    if code == "f":
        return [bytes(1 + 8 * rows)]
    if code == "t":
        return [b"\0" + packing.pack([empty]), *constant]
    if code == "b":
        return [[empty], constant]
    return [bytes(8), constant, constant] if code == "u" else constant


def _renumbered(found: Sequence[tuple[Sequence[Any], Raw]], counts: Sequence[int]) -> tuple[list[Any], list[Raw]]:
    """Return the distinct values that columns of several pieces use, and their numbers in them."""
    known: dict[Any, int] = {}
    out: list[Raw] = []
    for (values, raw), rows in zip(found, counts, strict=True):
        lo, first, width, data = raw
        if first is None and not width:
            out.append([known.setdefault(values[lo], len(known)), None, 0, b""])
        elif first is None and width == 1:
            out.append(_translated(values, lo, data[1:], known))
        else:
            numbers = integers.read(raw, rows)
            places = {at: known.setdefault(values[at], len(known)) for at in dict.fromkeys(numbers)}
            out.append(_of_places(places.values(), [places[at] for at in numbers]))
    return list(known), out


def _translated(values: Sequence[Any], lo: int, plane: bytes, known: dict[Any, int]) -> Raw:
    """Return numbers of a byte each as those of the whole."""
    places = {at: known.setdefault(values[lo + at], len(known)) for at in integers.distinct(plane)}
    if max(places.values()) >= _BYTE:
        return _of_places(places.values(), [places[at] for at in plane])
    table = bytearray(_BYTE)
    for at, place in places.items():
        table[at] = place
    return [0, None, 1, b"\0" + plane.translate(table)]


def _of_places(places: Collection[int], numbers: Sequence[int]) -> Raw:
    """Return numbers as they are, without differences."""
    width, code = (1, "B") if max(places) < _BYTE else (2, "H") if max(places) < _BYTE**2 else (4, "I")
    raw = array(code, numbers).tobytes()
    return [0, None, width, b"\0" + b"".join(raw[i::width] for i in range(width))]
