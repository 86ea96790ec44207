"""Joins blobs of rows into a block, one blob a piece of it: most of what a fold does is this.

The bytes of a column are put behind each other as they are; texts are numbered anew, by `bytes.translate`. Blobs of
few rows become one by their values first, so that a block has no more pieces than a reader likes.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from typing import Any, Final

from celery_monitor.store import blob as blobs
from celery_monitor.store import columns, integers, packing
from celery_monitor.store.blob import Blob, Table
from celery_monitor.store.columns import SCHEMAS, Columns, Writer
from celery_monitor.store.integers import Raw
from celery_monitor.store.packing import Undecodable

SMALL: Final = 64
"""Rows from which a blob is a piece of its own: a reader looks at each column of each piece."""
_BYTE: Final = 256
_NUMBERS_LEVEL: Final = 1
"""Of zlib, for numbers: the next ones take a third longer and save 2 %."""


def checked(blob: Blob) -> Blob:
    """Return a blob of one piece, with plain bytes, if all of it can be read: joining it with others cannot fail.

    Raises:
        Undecodable: it is broken.
    """
    with packing.guarded("columns"):
        if any(not SCHEMAS[name].near.keys() <= set(blob.present(name)) for name in blob.names):
            # A predicted column that is missing is 0, which is not what would be stored of it.
            blob = of_columns({name: blob.columns(name) for name in blob.names})
        known = len(blob.raw_ids) // 16 + len(blob.odd)
        tables = {name: _checked_table(blob, name, known) for name in blob.names}
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
            tables[name] = [rows - len(at)], {c: _without(blob, name, c, at) for c in blob.present(name)}
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
            known = set(chain.from_iterable(blob.present(name) for blob in mine))
            found = [[c, code, *joiner.column(mine, name, c)] for c, code in schema.columns.items() if c in known]
            body[name] = [[blob.rows(name) for blob in pieces], found]
    ids = b"".join(blob.raw_ids for blob in pieces)
    odd = [own for blob in pieces for own in blob.odd]
    return packing.pack([columns.VERSION, ids, odd, body, [len(blob.raw_ids) // 16 for blob in pieces]])


def _merged(few: Sequence[Blob]) -> Blob:
    """Return all rows of several blobs as one piece, by their values."""
    if len(few) == 1:
        return few[0]
    tables: dict[str, Columns] = {}
    for name in SCHEMAS:
        mine = [blob for blob in few if blob.rows(name)]
        if mine:
            tables[name] = {
                column: list(chain.from_iterable(blob.column(name, column) for blob in mine))
                for column in SCHEMAS[name].columns
            }
    return of_columns(tables)


def _checked_table(blob: Blob, table: str, known: int) -> Table:
    rows = blob.rows(table)
    found = {}
    for name in blob.present(table):
        code = SCHEMAS[table].columns[name]
        found[name] = [name, code, *_checked(blob, table, name, code, known)]
    return [rows], found


def _checked(blob: Blob, table: str, name: str, code: str, known: int) -> list[Any]:
    """Return a column's bytes, after its name and code."""
    raw, rows = blob.raw(table, name), blob.rows(table)
    if code == "i":
        return integers.checked(raw, rows)
    if code == "d":
        return _numbers(raw, rows, known + 1)
    if code == "t":
        return [raw[0], *_numbers(raw[1:], rows, len(blobs.texts(raw[0])))]
    if code == "u":
        heads, numbers, serials = raw
        return [heads, _numbers(numbers, rows, len(blobs.heads(heads))), _numbers(serials, rows, 1 << 32)]
    values = blob.column(table, name)
    return Writer({}, 0).column(code, values)


def _numbers(raw: Raw, rows: int, bound: int) -> Raw:
    """Return numbers that are not negative and below a bound."""
    found = integers.checked(raw, rows)
    low, high = integers.least(found, rows), integers.top(found, rows, bound - 1)
    if low < 0 or high >= bound:
        raise Undecodable(f"numbers from {low} to {high} for {bound}")
    return found


def _without(blob: Blob, table: str, name: str, gone: Sequence[int]) -> list[Any]:
    """Return a column without some rows, its name and code first."""
    code, raw, rows = SCHEMAS[table].columns[name], blob.raw(table, name), blob.rows(table)
    if not gone:
        return [name, code, *raw]
    if code in {"i", "d"}:
        return [name, code, *integers.without(raw, rows, gone)]
    if code == "t":
        return [name, code, raw[0], *integers.without(raw[1:], rows, gone)]
    if code == "u":
        return [name, code, raw[0], *(integers.without(one, rows, gone) for one in raw[1:])]
    left = [value for at, value in enumerate(blob.column(table, name)) if at not in gone]
    return [name, code, *Writer({}, 0).column(code, left)]


class _Joiner:
    def __init__(self, level: int) -> None:
        self._writer = Writer({}, level)
        self._squeezed = Writer({}, min(level, _NUMBERS_LEVEL)).squeezed

    def column(self, mine: Sequence[Blob], table: str, name: str) -> list[Any]:
        """Return a column's bytes, after its name and code."""
        code, empty = SCHEMAS[table].columns[name], SCHEMAS[table].empty[name]
        counts = [blob.rows(table) for blob in mine]
        if code == "f":
            return self._writer.column(code, [value for blob in mine for value in blob.column(table, name)])
        raws = [blob.raw(table, name) if blob.has(table, name) else _missing(code, empty) for blob in mine]
        if code == "t":
            texts, numbers = _renumbered([(blobs.texts(raw[0]), raw[1:]) for raw in raws], counts)
            squeezed = self._writer.squeezed(packing.pack(texts))
            return [squeezed, *integers.join(numbers, counts, self._squeezed)]
        if code == "u":
            heads, numbers = _renumbered([(blobs.heads(raw[0]), raw[1]) for raw in raws], counts)
            serials = [raw[2] for raw in raws]
            joined = [integers.join(one, counts, self._squeezed) for one in (numbers, serials)]
            return [b"".join(heads), *joined]
        if code == "b":
            values, numbers = _renumbered([(raw[0], raw[1]) for raw in raws], counts)
            return [values, integers.join(numbers, counts, self._squeezed)]
        return integers.join(raws, counts, self._squeezed)


def _missing(code: str, empty: Any) -> list[Any]:
    """Return the bytes of a column with the empty value in every row."""
    constant = [0, None, 0, b""]
    if code == "i":
        return [empty, None, 0, b""]
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
    places = {at: known.setdefault(values[lo + at], len(known)) for at in dict.fromkeys(plane)}
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
