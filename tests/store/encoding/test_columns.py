from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_monitor.model import Attempt, Publish
from celery_monitor.store.encoding import columns, packing
from celery_monitor.store.encoding.blob import Blob
from celery_monitor.store.encoding.columns import ATTEMPTS, PUBLISHES, Schema
from celery_monitor.store.encoding.packing import Undecodable
from tests.store.batches import NOW_US, attempt, publish, task_id

VALUES = {
    "i": st.one_of(st.integers(0, 300), st.integers(-(2**60), 2**60)),
    "t": st.text(max_size=20),
    "d": st.one_of(st.just(b""), st.binary(min_size=16, max_size=16), st.binary(min_size=1, max_size=30)),
    "u": st.binary(min_size=12, max_size=12),
}


def rows_of(schema: Schema) -> st.SearchStrategy[list[tuple[object, ...]]]:
    """Few distinct rows, many repetitions: constants, short tables and long ones all occur."""
    one = st.tuples(*(VALUES[code] for code in schema.columns.values()))
    return st.lists(one, min_size=1, max_size=8).flatmap(lambda some: st.lists(st.sampled_from(some), max_size=40))


@given(rows_of(ATTEMPTS), rows_of(PUBLISHES), st.booleans())
def test_what_was_encoded_is_decoded(attempts: list, publishes: list, whole: bool) -> None:
    tables = {"attempts": columns.from_rows(ATTEMPTS, attempts), "publishes": columns.from_rows(PUBLISHES, publishes)}

    blob = Blob(columns.encode(tables, whole=whole))

    assert columns.to_rows(ATTEMPTS, blob.columns("attempts")) == attempts
    assert columns.to_rows(PUBLISHES, blob.columns("publishes")) == publishes


@given(rows_of(ATTEMPTS), st.data())
def test_picked_rows_are_the_rows(attempts: list, data: st.DataObject) -> None:
    positions = data.draw(st.lists(st.integers(0, len(attempts) - 1), max_size=5)) if attempts else []

    blob = Blob(columns.encode({"attempts": columns.from_rows(ATTEMPTS, attempts)}))

    assert blob.pick("attempts", positions) == [attempts[at] for at in positions]


@given(st.lists(VALUES["d"], min_size=1, max_size=30), VALUES["d"])
def test_an_id_is_found_by_its_number_or_not_at_all(ids: list[bytes], other: bytes) -> None:
    rows = [attempt(0, id=i) for i in ids]

    blob = Blob(columns.encode({"attempts": columns.from_rows(ATTEMPTS, rows)}))

    for packed in filter(None, [*ids, other]):
        numbers = blob.numbered([packed])
        found = [at for at, n in enumerate(blob.numbers("attempts", "id")) if n in numbers]
        assert found == blob.positions("attempts", "id", numbers) == [at for at, i in enumerate(ids) if i == packed]


def test_a_column_that_is_unknown_is_ignored_and_one_that_is_missing_is_empty() -> None:
    data = packing.unpack(columns.encode({"attempts": columns.from_rows(ATTEMPTS, [attempt(1)])}))
    rows, table = data[3]["attempts"]
    data[3]["attempts"] = [rows, [c for c in table if c[0] != "message"] + [["colour", "z", "what is this"]]]

    blob = Blob(packing.pack(data))

    assert [Attempt(*r) for r in columns.to_rows(ATTEMPTS, blob.columns("attempts"))] == [attempt(1)]


@pytest.mark.parametrize("cut", [0, 1, 7, 40, -1])
def test_broken_bytes_are_refused(cut: int) -> None:
    data = columns.encode({"attempts": columns.from_rows(ATTEMPTS, [attempt(1), attempt(2)])}, whole=True)

    with pytest.raises(Undecodable):
        Blob(data[:cut]).columns("attempts")


@given(st.integers(0, 2000), st.integers(0, 255))
def test_a_changed_byte_is_refused_or_decoded_but_nothing_else(at: int, byte: int) -> None:
    data = bytearray(columns.encode({"publishes": columns.from_rows(PUBLISHES, [publish(1), publish(2)])}))
    data[at % len(data)] = byte

    with contextlib.suppress(Undecodable):
        Blob(bytes(data)).columns("publishes")


def test_a_hostile_row_count_costs_no_memory() -> None:
    data = packing.unpack(columns.encode({"attempts": columns.from_rows(ATTEMPTS, [attempt(1)])}))
    data[3]["attempts"][0] = 10**12

    with pytest.raises(Undecodable, match="rows"):
        Blob(packing.pack(data))


def test_a_bomb_is_refused() -> None:
    bomb = packing.deflate(b"\0" * (packing.MAX_BYTES + 1))

    with pytest.raises(Undecodable, match="bytes"):
        Blob(packing.pack([1, b"", [], bomb]))


def test_a_batch_of_a_hundred_tasks_costs_less_than_forty_bytes_each() -> None:
    attempts, publishes = [], []
    for n in range(100):
        end = NOW_US + n * 10_000 + n * n % 997
        run, wait = 10_000 + n * 7919 % 90_000, 5_000 + n * 6007 % 40_000
        row = attempt(n, at_us=end, started_us=end - run, runtime_us=run, wait_us=wait, published_us=end - run - wait)
        row = row._replace(task=f"shop.task_{n % 12}", pid=900 + n % 8, cpu_us=run // 5, rss_kib=50_000 + n * 37 % 500)
        attempts.append(row)
        publishes.append(publish(n, at_us=row.published_us, task=row.task))
    tables = {"attempts": columns.from_rows(ATTEMPTS, attempts), "publishes": columns.from_rows(PUBLISHES, publishes)}

    assert len(columns.encode(tables, level=1, whole=True)) < 40 * 100


def test_the_ids_of_both_tables_are_written_once() -> None:
    alone = columns.encode({"attempts": columns.from_rows(ATTEMPTS, [attempt(n) for n in range(50)])})
    both = columns.encode(
        {
            "attempts": columns.from_rows(ATTEMPTS, [attempt(n) for n in range(50)]),
            "publishes": columns.from_rows(PUBLISHES, [Publish(*publish(n)) for n in range(50)]),
        }
    )

    assert both.count(task_id(7)) == alone.count(task_id(7)) == 1
