"""Blobs are joined by their bytes; what comes out is what their rows come to."""

from __future__ import annotations

from itertools import chain
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from celery_monitor.details import ROWS
from celery_monitor.model import Attempt, Publish
from celery_monitor.store.encoding import columns, joining
from celery_monitor.store.encoding.blob import Blob
from celery_monitor.store.encoding.columns import PUBLISHES, SCHEMAS
from celery_monitor.store.encoding.packing import Undecodable, pack, unpack

_ID = st.sampled_from([bytes([n]) * 16 for n in range(5)])
_ROW = {
    "i": st.one_of(st.integers(0, 3), st.integers(-1, 70_000), st.integers(0, 1 << 60)),
    "t": st.sampled_from(["", "shop.charge", "shop.ship", "é"]),
    "d": st.one_of(st.just(b""), _ID),
    "u": st.binary(min_size=12, max_size=12),
    "b": st.binary(max_size=4),
    "f": st.floats(allow_nan=False, allow_infinity=False),
}
Rows = list[Any]


def _rows(name: str, kind: Any) -> st.SearchStrategy[Rows]:
    row = st.tuples(*(_ROW[code] for code in SCHEMAS[name].columns.values())).map(lambda values: kind(*values))
    return st.lists(row, max_size=6)


_TABLES = st.fixed_dictionaries(
    {"attempts": _rows("attempts", Attempt), "publishes": _rows("publishes", Publish)},
    optional={name: _rows(name, kind) for name, kind in ROWS.items()},
)


def part_of(tables: dict[str, Rows], level: int = 1) -> Blob:
    data = columns.encode({n: columns.from_rows(SCHEMAS[n], r) for n, r in tables.items()}, level=level)
    return joining.checked(Blob(data))


def joined(parts: list[Blob], small: int = 3) -> bytes:
    """Join some as pieces and those of fewer than `small` rows by their values."""
    return joining.join(joining.gathered(parts, small))


def rows_of(data: bytes) -> dict[str, Rows]:
    blob = Blob(data)
    return {name: columns.to_rows(SCHEMAS[name], blob.columns(name)) for name in blob.names}


@settings(max_examples=40)
@given(st.lists(_TABLES, min_size=1, max_size=3), st.sampled_from([0, 4, 64]))
def test_what_is_joined_is_all_rows_in_their_order(all_tables: list[dict[str, Rows]], small: int) -> None:
    found = rows_of(joined([part_of(tables) for tables in all_tables], small))
    expected = {name: [row for tables in all_tables for row in tables.get(name, [])] for name in SCHEMAS}
    assert found == {name: rows for name, rows in expected.items() if rows}


@settings(max_examples=40)
@given(st.lists(_TABLES, min_size=2, max_size=4), st.sets(_ID, max_size=3), st.sampled_from([0, 4, 64]))
def test_rows_of_some_ids_are_found_in_every_piece(
    all_tables: list[dict[str, Rows]], ids: set[bytes], small: int
) -> None:
    blob = Blob(joined(list(map(part_of, all_tables)), small))
    numbers = blob.numbered(ids)
    for name in ("attempts", "publishes"):
        rows = [row for tables in all_tables for row in tables[name]]
        at = [n for n, row in enumerate(rows) if row.id in ids]
        assert blob.positions(name, "id", numbers) == at
        assert blob.pick(name, at[::-1]) == [rows[n] for n in at[::-1]]
        assert [numbers.get(n) for n in blob.numbers(name, "id")] == [r.id if r.id in ids else None for r in rows]
        assert blob.distinct(name, "task") == {row.task for row in rows}


@settings(max_examples=40)
@given(st.lists(_TABLES, min_size=1, max_size=3), _TABLES, st.sampled_from([0, 64]))
def test_a_block_is_taken_apart_to_go_on_with_it(
    all_tables: list[dict[str, Rows]], more: dict[str, Rows], small: int
) -> None:
    again = [joining.checked(piece) for piece in Blob(joined(list(map(part_of, all_tables)), small)).pieces()]
    found = rows_of(joined([*again, part_of(more)], small))
    expected = {name: [row for tables in (*all_tables, more) for row in tables.get(name, [])] for name in SCHEMAS}
    assert found == {name: rows for name, rows in expected.items() if rows}


@settings(max_examples=40)
@given(_TABLES, st.data())
def test_rows_taken_out_and_rows_left_are_all_rows(tables: dict[str, Rows], data: st.DataObject) -> None:
    part, rows = part_of(tables), tables["attempts"]
    at = sorted(data.draw(st.sets(st.integers(0, len(rows) - 1)))) if rows else []
    left = joining.without(part, {"attempts": at})
    assert rows_of(joined([left])).get("attempts", []) == [r for n, r in enumerate(rows) if n not in at]
    assert part.pick("attempts", at) == [rows[n] for n in at]
    assert part.count - left.count == len(at)


def _publish(n: int, **others: Any) -> Publish:
    return Publish(n.to_bytes(16, "big"), b"", b"", b"", b"", "shop.charge", "q", 0, 0, 0, 0, "")._replace(**others)


def test_ids_that_are_texts_are_joined_by_their_values() -> None:
    tables = [{"publishes": [_publish(1, id=b"order-1")]}, {"publishes": [_publish(2)]}]
    assert rows_of(joined([part_of(t) for t in tables]))["publishes"] == list(
        chain.from_iterable(t["publishes"] for t in tables)
    )


def test_more_texts_than_a_byte_can_number_are_joined() -> None:
    tables = [{"publishes": [_publish(n, task=f"shop.t{n}") for n in range(at, at + 150)]} for at in (0, 150, 300)]
    found = rows_of(joined([part_of(t) for t in tables]))["publishes"]
    assert [row[list(PUBLISHES.columns).index("task")] for row in found] == [f"shop.t{n}" for n in range(450)]


def test_texts_of_rows_left_out_are_not_stored() -> None:
    rows = [_publish(1), _publish(2, task="secret.charge"), _publish(3, task="shop.ship")]
    data = joined([joining.without(part_of({"publishes": rows}), {"publishes": [1]})])
    assert b"secret" not in data
    assert [row[5] for row in rows_of(data)["publishes"]] == ["shop.charge", "shop.ship"]


def test_ids_in_a_row_take_no_bytes_each() -> None:
    tables = [{"publishes": [_publish(n) for n in range(at, at + 100)]} for at in (0, 100, 200)]
    _, ids, _, body, _ = unpack(joined([part_of(t) for t in tables]))
    assert len(ids) == 300 * 16
    assert next(column for column in body["publishes"][1] if column[0] == "id")[2:] == [1, 1, 0, b""]


def _unpacked() -> list[Any]:
    found: list[Any] = unpack(columns.encode({"publishes": columns.from_rows(PUBLISHES, [_publish(1)])}, level=0))
    return found


def test_columns_that_are_missing_or_new_are_joined() -> None:
    version, ids, odd, body = unpack(
        columns.encode({"publishes": columns.from_rows(PUBLISHES, [_publish(1, published_us=5)])}, level=0)
    )
    body["publishes"][1] = [c for c in body["publishes"][1] if c[0] != "due_us"] + [["new", "i", 5, None, 0, b""]]
    part = joining.checked(Blob(pack([version, ids, odd, body])))
    assert rows_of(joined([part, part_of({"publishes": [_publish(2, due_us=7)]})]))["publishes"] == [
        _publish(1, published_us=5), _publish(2, due_us=7),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("column", "raw"),
    [
        ("published_us", ["i", 1 << 63, None, 0, b""]),
        ("published_us", ["i", 0, None, 2, b"\0\1"]),
        ("published_us", ["i", 0, None, 3, b"\0\1\1\1"]),
        ("published_us", ["i", "0", None, 0, b""]),
        ("published_us", ["i", 1, "x", 0, b""]),
        ("id", ["d", 9, None, 0, b""]),
        ("id", ["d", -1, None, 0, b""]),
        ("task", ["t", b"\0" + pack(["a"]), 1, None, 0, b""]),
        ("task", ["t", b"\0" + pack([7]), 0, None, 0, b""]),
        ("task", ["i", 0, None, 0, b""]),
    ],
)
def test_a_broken_column_is_found_before_it_is_joined(column: str, raw: list[Any]) -> None:
    version, ids, odd, body = unpack(
        columns.encode({"publishes": columns.from_rows(PUBLISHES, [_publish(1, published_us=5)])}, level=0)
    )
    body["publishes"][1] = [[column, *raw] if c[0] == column else c for c in body["publishes"][1]]
    with pytest.raises(Undecodable):
        joining.checked(Blob(pack([version, ids, odd, body])))
