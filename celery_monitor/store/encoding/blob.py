"""Reads the columnar form of task rows (`columns`): one piece as an agent sends it, or the pieces of a block."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import accumulate, chain
from operator import add, sub
from typing import Any, Final

from celery_monitor.store.encoding import integers, literals, packing
from celery_monitor.store.encoding.columns import MAX_ROWS, SCHEMAS, VERSION, Columns, Schema
from celery_monitor.store.encoding.integers import Raw
from celery_monitor.store.encoding.packing import Undecodable
from celery_monitor.store.encoding.shapes import checker

_is_int: Final = checker(int)
_ID: Final = 16
_ENDING: Final = {"i": 6, "t": 7}
"""Items of columns that end with integers of one piece and need nothing else of it, by code."""
_MANY: Final = 16
"""Ids that are looked for one by one at most."""
Places = list[tuple[int, Sequence[int] | None]]
"""Positions within some of the pieces that have rows of a table, None for all of a piece."""
Table = tuple[list[int], dict[str, list[Any]]]
"""Rows of each piece, and columns by name."""


class Blob:
    """Tables in their bytes; columns are decoded one by one, when they are asked for.

    Parameters:
        data: what `columns.encode` or `joining.join` returned.

    Raises:
        Undecodable: here and from every method, when the bytes are not of a version and form known here.
    """

    def __init__(self, data: bytes) -> None:
        try:
            version, ids, odd, body, *more = packing.unpack(data)
            if version != VERSION:
                raise Undecodable(f"columns of version {version!r}; this release reads {VERSION}")
            if isinstance(body, bytes):
                body = packing.unpack(packing.inflate(body))
            counts = _counts(more[0]) if more else [len(literals.checked(ids)) // _ID]
            if sum(counts) != len(literals.checked(ids)) // _ID:
                raise Undecodable(f"{sum(counts)} ids in {len(ids)} bytes")
            tables = {
                name: (_sizes(rows, len(counts)), {c[0]: c for c in columns}) for name, (rows, columns) in body.items()
            }
            self._fill(literals.checked(ids), [literals.checked(o) for o in odd], tables, counts)
        except packing.BROKEN as e:
            raise Undecodable(f"columns: {e}") from e

    @classmethod
    def made(cls, ids: bytes, odd: list[bytes], tables: dict[str, Table]) -> Blob:
        """Return one piece of what was unpacked already."""
        self = cls.__new__(cls)
        self._fill(ids, odd, tables, [len(ids) // _ID])
        return self

    def _fill(self, ids: bytes, odd: list[bytes], tables: dict[str, Table], counts: list[int]) -> None:
        self.raw_ids, self.odd = ids, odd
        """The distinct ids of 16 bytes, and those that are not so long: texts."""
        self._tables = tables
        self._counts = counts
        self._rows = {name: sum(sizes) for name, (sizes, _) in tables.items()}
        self.names = [name for name in SCHEMAS if self._rows.get(name)]
        """The tables known here that have rows."""
        self.count = sum([self._rows[name] for name in self.names])
        """Rows of all tables."""
        self._ids: dict[int, list[bytes]] = {}
        self._decoded: dict[tuple[str, str], list[Any]] = {}

    @property
    def ids(self) -> list[bytes]:
        """Every distinct id of each piece."""
        raw = self.raw_ids
        return [raw[i : i + _ID] for i in range(0, len(raw) // _ID * _ID, _ID)] + self.odd

    def rows(self, table: str) -> int:
        """Return how many rows a table has."""
        return self._rows.get(table, 0)

    def table(self, name: str) -> dict[str, list[Any]]:
        """Return the columns known here that a table has as they lie in the bytes, in the schema's order."""
        columns = self._tables[name][1]
        found = {column: columns[column] for column in SCHEMAS[name].columns if column in columns}
        wrong = [c for c, code in SCHEMAS[name].columns.items() if c in found and found[c][1] != code]
        if wrong:
            raise Undecodable(f"{name}.{wrong[0]}: code {found[wrong[0]][1]!r} is none of a release up to this one")
        return found

    def has(self, table: str, name: str) -> bool:
        """Return whether a table has a column."""
        return name in self._tables[table][1]

    def _raw(self, table: str, name: str) -> list[Any]:
        """Return a column's bytes, after its name and code; of one that is predicted, what is stored."""
        column, code = self._tables[table][1][name], SCHEMAS[table].columns[name]
        if column[1] != code:
            raise Undecodable(f"code {column[1]!r}; this release reads {code!r}")
        return column[2:]

    def bound(self, table: str, name: str) -> int:
        """Return what no integer of a column is below, as far as that is cheaper to tell than the least one."""
        try:
            if not self.has(table, name):
                return int(SCHEMAS[table].empty[name])
            counts = self._live(table)
            pieces = zip(integers.split(self._raw(table, name), counts), counts, strict=True)
            return min(integers.least(raw, rows) for raw, rows in pieces)
        except packing.BROKEN as e:
            raise Undecodable(f"column {table}.{name}: {e}") from e

    def above(self, table: str, name: str) -> tuple[int, Sequence[int]]:
        """Return a number, and by how much each integer of a column is above it; of a blob of one piece, checked."""
        if not self.has(table, name):
            return 0, self.column(table, name)
        return integers.above(self._raw(table, name), self.rows(table))

    def column(self, table: str, name: str) -> list[Any]:
        """Return a column's values; do not change the list, it is kept."""
        values = self._decoded.get((table, name))
        if values is None:
            try:
                values = self._decoded[table, name] = self._values(SCHEMAS[table], name)
            except packing.BROKEN as e:
                raise Undecodable(f"column {table}.{name}: {e}") from e
        return values

    def distinct(self, table: str, name: str) -> set[Any]:
        """Return the values that a column of integers or texts has, which is cheaper than all of them."""
        try:
            found = self._distinct(table, name)
        except packing.BROKEN as e:
            raise Undecodable(f"column {table}.{name}: {e}") from e
        return set(self.column(table, name)) if found is None else found

    def _distinct(self, table: str, name: str) -> set[Any] | None:
        """Return them if they are one piece and lie in a byte each."""
        column = self._tables[table][1].get(name) if self.rows(table) else None
        if column is None or column[1] != SCHEMAS[table].columns[name] or len(self._live(table)) != 1:
            return None
        code, (lo, first, width, data) = column[1], column[-4:]
        if len(column) != _ENDING.get(code) or first is not None or width > 1 or data[:1] == b"\1":
            return None
        numbers = {lo + at for at in integers.distinct(data[1:])} if width else {lo}
        return numbers if code == "i" else set(map(literals.texts(column[2]).__getitem__, numbers))

    def columns(self, table: str) -> Columns:
        """Return all columns of a table, those that are missing with empty values."""
        return {name: self.column(table, name) for name in SCHEMAS[table].columns}

    def numbered(self, ids: Collection[bytes]) -> dict[int, bytes]:
        """Return numbers of ids as `numbers` tells them, each with its id; an id has one in each piece at most."""
        short = [own for own in ids if len(own) == _ID]
        if len(short) > _MANY:
            wanted, raw = set(short), self.raw_ids
            each = (raw[i : i + _ID] for i in range(0, len(raw), _ID))
            found = {n: own for n, own in enumerate(each, 1) if own in wanted}
        else:
            found = {1 + at // _ID: own for own in short for at in self._found(own)}
        first = 1 + len(self.raw_ids) // _ID
        return found | {n: own for n, own in enumerate(self.odd, first) if own in ids}

    def numbers(self, table: str, name: str) -> list[int]:
        """Return an id column as numbers of ids, which is cheaper to search than ids."""
        try:
            if not self.rows(table) or not self.has(table, name):
                return [0] * self.rows(table)
            counts = self._live(table)
            pieces = zip(integers.split(self._raw(table, name), counts), counts, self._firsts(table), strict=True)
            return list(chain.from_iterable(_shifted(integers.read(raw, rows), first) for raw, rows, first in pieces))
        except packing.BROKEN as e:
            raise Undecodable(f"column {table}.{name}: {e}") from e

    def positions(self, table: str, name: str, numbers: Collection[int]) -> list[int]:
        """Return the positions of rows with some numbers, as `numbered` tells them, in an id column; ascending."""
        try:
            if not self.rows(table) or not self.has(table, name):
                return []
            counts = self._live(table)
            pieces = zip(integers.split(self._raw(table, name), counts), counts, self._firsts(table), strict=True)
            found: list[int] = []
            begin = 0
            for raw, rows, first in pieces:
                wanted = [n - first for n in numbers if n > first]
                if wanted:
                    found += [begin + at for at in integers.among(integers.read(raw, rows), wanted)]
                begin += rows
        except packing.BROKEN as e:
            raise Undecodable(f"column {table}.{name}: {e}") from e
        return found

    def pick(self, table: str, positions: Sequence[int]) -> list[tuple[Any, ...]]:
        """Return some rows, in the order of the schema's columns."""
        if not positions:
            return []
        order = sorted(positions)
        rows = list(zip(*self._at(table, order, SCHEMAS[table].columns), strict=True))
        if order == list(positions):
            return rows
        of = dict(zip(order, rows, strict=True))
        return [of[at] for at in positions]

    def some(self, table: str, positions: Sequence[int]) -> Columns:
        """Return the columns that a table has, of the rows at some positions, which are ascending."""
        names = self._told(table)
        return dict(zip(names, self._at(table, positions, names), strict=True))

    def all(self, table: str) -> Columns:
        """Return the columns that a table has; do not change the lists, they are kept."""
        return {name: self.column(table, name) for name in self._told(table)}

    def _told(self, table: str) -> list[str]:
        """Return the columns of a table that are not empty, and those that tell how many rows it has."""
        columns, near = self._tables[table][1], SCHEMAS[table].near
        return [name for name in SCHEMAS[table].columns if name in columns or name in near or name == "id"]

    def _at(self, table: str, positions: Sequence[int], names: Iterable[str]) -> list[list[Any]]:
        """Return the values of some columns at some positions, which are ascending."""
        try:
            places = self._places(table, positions)
            return [self._values(SCHEMAS[table], name, positions, places) for name in names]
        except packing.BROKEN as e:
            raise Undecodable(f"rows of {table}: {e}") from e

    def pieces(self) -> list[Blob]:
        """Return each piece; raises one of `packing.BROKEN` when they are none."""
        if len(self._counts) == 1:
            return [self]
        tables: list[dict[str, Table]] = [{} for _ in self._counts]
        for name in self.names:
            sizes = self._tables[name][0]
            live = [at for at, rows in enumerate(sizes) if rows]
            split = {column: self._split(name, column) for column in self.table(name)}
            codes = SCHEMAS[name].columns
            for place, at in enumerate(live):
                tables[at][name] = [sizes[at]], {c: [c, codes[c], *raws[place]] for c, raws in split.items()}
        bounds = [0, *accumulate(self._counts)]
        return [
            Blob.made(self.raw_ids[_ID * a : _ID * b], [], of)
            for a, b, of in zip(bounds, bounds[1:], tables, strict=False)
        ]

    def _split(self, table: str, name: str) -> list[list[Any]]:
        """Return the bytes of each piece of a column."""
        raw, counts = self._raw(table, name), self._live(table)
        code = SCHEMAS[table].columns[name]
        if code in {"i", "d"}:
            return integers.split(raw, counts)
        if code == "t":
            return [[raw[0], *one] for one in integers.split(raw[1:], counts)]
        if code == "f":
            plain = integers.plain(raw[0], 8 * self.rows(table))
            ends = list(accumulate(counts))
            return [[b"\0" + plain[8 * (end - n) : 8 * end]] for end, n in zip(ends, counts, strict=True)]
        columns = zip(*(integers.split(one, counts) for one in raw[1:]), strict=True)
        return [[raw[0], *of] for of in columns]

    def _live(self, table: str) -> list[int]:
        """Return the rows of each piece that has some."""
        return [rows for rows in self._tables[table][0] if rows]

    def _firsts(self, table: str) -> list[int]:
        """Return how many ids lie before those of each piece that has rows of a table."""
        before = chain((0,), accumulate(self._counts))
        return [first for first, rows in zip(before, self._tables[table][0], strict=False) if rows]

    def _places(self, table: str, positions: Sequence[int]) -> Places:
        """Return where ascending positions lie."""
        counts = self._live(table)
        if len(counts) == 1:
            return [(0, positions)]
        found: Places = []
        at = first = 0
        for piece, rows in enumerate(counts):
            begin, end = at, first + rows
            while at < len(positions) and positions[at] < end:
                at += 1
            if at > begin:
                found.append((piece, [position - first for position in positions[begin:at]]))
            first = end
        if at < len(positions):
            raise Undecodable(f"position {positions[at]} of {first}")
        return found

    def _values(
        self, schema: Schema, name: str, positions: Sequence[int] | None = None, places: Places | None = None
    ) -> list[Any]:
        """Return a column's values, or those at some positions, which are ascending."""
        count = self.rows(schema.name) if positions is None else len(positions)
        column = self._tables[schema.name][1].get(name) if count else None
        if column is None:
            return [schema.empty[name]] * count
        code = column[1]
        if code != schema.columns[name]:
            raise Undecodable(f"code {code!r}; this release reads {schema.columns[name]!r}")
        if len(column) == _ENDING.get(code) and not column[-2] and column[-3] is None and name not in schema.near:
            number = column[-4]
            if not _is_int(number):
                raise Undecodable(f"integers from {number!r}")
            return [number if code == "i" else literals.texts(column[2])[number]] * count
        if code == "f":
            values = literals.floats(column[2], self.rows(schema.name))
            return values if positions is None else [values[at] for at in positions]
        counts = self._live(schema.name)
        if places is None:
            places = [(at, None) for at in range(len(counts))]
        found: list[Any] = getattr(self, "_" + code)(schema.name, column[2:], counts, places)
        if name in schema.near:
            a, b = (self._values(schema, other, positions, places) for other in schema.near[name])
            found = list(map(add, found, map(sub, a, b)))
        return found

    def _i(self, table: str, raw: Raw, counts: list[int], places: Places) -> list[int]:
        del table
        if len(counts) == 1:
            return integers.read(raw, counts[0], places[0][1])
        if integers.is_constant(raw):
            return integers.read(raw, _size(counts, places))
        pieces = integers.split(raw, counts)
        return list(chain.from_iterable(integers.read(pieces[n], counts[n], at) for n, at in places))

    def _t(self, table: str, raw: Raw, counts: list[int], places: Places) -> list[str]:
        known, numbers = literals.texts(raw[0]), raw[1:]
        if integers.is_constant(numbers):
            return [known[int(numbers[0])]] * _size(counts, places)
        return list(map(known.__getitem__, self._i(table, numbers, counts, places)))

    def _d(self, table: str, raw: Raw, counts: list[int], places: Places) -> list[bytes]:
        pieces, firsts = integers.split(raw, counts), self._firsts(table)
        found: list[bytes] = []
        for n, at in places:
            numbers = integers.read(pieces[n], counts[n], at)
            if at is not None:
                found += [self._id(firsts[n], number) for number in numbers]
            elif integers.is_constant(pieces[n]):
                found += [self._id(firsts[n], numbers[0])] * len(numbers)
            else:
                found += map(self._of(firsts[n]).__getitem__, numbers)
        return found

    def _b(self, table: str, raw: Raw, counts: list[int], places: Places) -> list[bytes]:
        return [literals.checked(raw[0][n]) for n in self._i(table, raw[1], counts, places)]

    def _u(self, table: str, raw: Raw, counts: list[int], places: Places) -> list[bytes]:
        known = literals.heads(raw[0])
        numbers, serials = (self._i(table, one, counts, places) for one in raw[1:])
        return [known[n] + serial.to_bytes(4, "little") for n, serial in zip(numbers, serials, strict=True)]

    def _of(self, first: int) -> list[bytes]:
        """Return the ids of a piece by number."""
        found = self._ids.get(first)
        if found is None:
            upto = min((end for end in accumulate(self._counts) if end > first), default=first)
            raw = self.raw_ids
            found = self._ids[first] = [
                b"", *(raw[i : i + _ID] for i in range(_ID * first, _ID * upto, _ID)), *self.odd,
            ]  # fmt: skip
        return found

    def _id(self, first: int, number: int) -> bytes:
        if number < 0:
            raise Undecodable(f"id {number}")
        known = len(self.raw_ids) // _ID
        if first + number > known:
            return self.odd[first + number - known - 1]
        return self.raw_ids[(first + number - 1) * _ID : (first + number) * _ID] if number else b""

    def _found(self, own: bytes) -> Iterator[int]:
        """Yield where an id lies."""
        at = self.raw_ids.find(own)
        while at >= 0:
            if not at % _ID:
                yield at
            at = self.raw_ids.find(own, at + 1)


def _shifted(numbers: Iterable[int], first: int) -> Iterable[int]:
    """Return numbers of a piece's ids as those of the blob."""
    return [n + first if n else 0 for n in numbers] if first else numbers


def _size(counts: Sequence[int], places: Places) -> int:
    return sum(counts[piece] if at is None else len(at) for piece, at in places)


def _counts(raw: Any) -> list[int]:
    """Return how many ids each piece has, or rows."""
    if not isinstance(raw, list) or not raw or not all(isinstance(n, int) and n >= 0 for n in raw):
        raise Undecodable(f"{raw!r:.60} for numbers of pieces")
    return raw


def _sizes(rows: Any, pieces: int) -> list[int]:
    found = [rows] if isinstance(rows, int) else _counts(rows)
    if len(found) != pieces or not 0 <= sum(found) <= MAX_ROWS:
        raise Undecodable(f"{rows!r:.60} rows in {pieces} pieces; a blob holds {MAX_ROWS} at most")
    return found
