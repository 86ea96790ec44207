"""What happens inside a task: from the bytes in a ring to rows and counters, and whatever else the bytes are."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_monitor.agent import details
from celery_monitor.agent.insides import MOST_NAMES, Insides
from celery_monitor.details import ROWS, Measure, Span, Wait
from celery_monitor.model import Attempt, Metrics
from celery_monitor.signals import inside
from celery_monitor.signals.layout import pack_series
from celery_monitor.signals.record import MAX_PAYLOAD, Kind, State, pack_id
from celery_monitor.store.encoding.columns import ATTEMPTS

RING = b"ring-id-"
OWNER = inside.pack_owner(7, pack_id("task-1"), b"r" * 16, pack_series("shop.charge", "", "daily"))
NOBODY = inside.pack_owner(0, b"", b"", pack_series("", "", ""))
SPAN_BYTES = inside.SPAN.pack(900, 500, 2, 1, True, 503, 40)
SPAN_WORDS = ("charge", "api", "OSError", "away", "bank", '{"a":1}')
PAYLOADS: dict[int, bytes] = {
    Kind.SPAN: SPAN_BYTES + OWNER + inside.pack_texts(inside.SPAN_TEXTS, *SPAN_WORDS),
    Kind.WAIT: inside.WAIT.pack(9, 5, 9, b"k" * 16)
    + OWNER
    + inside.pack_texts(inside.WAIT_TEXTS, "ok", "done", "anna"),
    Kind.MEASURE: inside.MEASURE.pack(9, 0.5, 2) + OWNER + inside.pack_texts(inside.MEASURE_TEXTS, "score", "%"),
    Kind.LOG: inside.LOG.pack(9, 30) + OWNER + inside.pack_texts(inside.LOG_TEXTS, "shop", "late", '{"b":2}', "trace"),
    Kind.CONTENT: inside.CONTENT.pack(9) + OWNER + inside.pack_texts(inside.CONTENT_TEXTS, '{"c":3}', ""),
}


def decoded(kind: int, data: bytes) -> Any:
    found = details.decode(kind, data, RING, "celery@a")
    assert found is not None
    table, (row,) = found
    assert type(row) is ROWS[table]
    return row


def test_every_kind_comes_back_as_it_was_written() -> None:
    rows = {kind: decoded(kind, data) for kind, data in PAYLOADS.items()}
    for row in rows.values():
        assert (row.id, row.run, row.uid) == (pack_id("task-1"), b"r" * 16, RING + b"\7\0\0\0")
        assert (getattr(row, "task", "shop.charge"), getattr(row, "workflow", "daily")) == ("shop.charge", "daily")
    assert rows[Kind.SPAN][3:7] == (2, 1, "charge", "api")
    assert rows[Kind.SPAN][9:] == (
        "celery@a", 900, 500, 1, "OSError", "away", "bank", 503, 40, '{"a":1}'
    )  # fmt: skip
    assert rows[Kind.WAIT][3:5] == (b"k" * 16, "ok")
    assert rows[Kind.WAIT][7:] == (9, 5, 9, "done", "anna")
    assert rows[Kind.MEASURE][3:6] == ("score", "histogram", "%")
    assert rows[Kind.MEASURE][8:] == (9, 0.5)
    assert rows[Kind.LOG][3:8] == (30, "shop", "late", '{"b":2}', "trace")
    assert rows[Kind.CONTENT][3:] == ('{"c":3}', "", 9)


def test_what_is_nobodys_has_no_ids() -> None:
    row = decoded(
        Kind.MEASURE, inside.MEASURE.pack(9, 1, 0) + NOBODY + inside.pack_texts(inside.MEASURE_TEXTS, "n", "")
    )
    assert (row.id, row.run, row.uid, row.task) == (b"", b"", b"", "")


def test_the_longest_texts_there_are_make_a_record_that_fits() -> None:
    for bounds in (inside.SPAN_TEXTS, inside.LOG_TEXTS, inside.CONTENT_TEXTS):
        texts = inside.pack_texts(bounds, *("ü" * 20_000 for _ in bounds))
        longest = inside.pack_owner(7, b"x" * 255, b"r" * 16, pack_series("ü" * 300, "", "ü" * 300))
        assert len(texts) + len(longest) + 64 < MAX_PAYLOAD


def test_an_unknown_kind_is_none_and_a_measure_that_is_no_number_an_error() -> None:
    assert details.decode(200, b"", RING, "w") is None
    with pytest.raises(ValueError, match="nan"):
        decoded(Kind.MEASURE, inside.MEASURE.pack(9, float("nan"), 0) + PAYLOADS[Kind.MEASURE][17:])


@pytest.mark.parametrize("kind", PAYLOADS)
@given(data=st.binary(max_size=300), cut=st.integers(0, 300), at=st.integers(0, 200))
def test_other_bytes_give_a_row_or_a_value_error(kind: int, data: bytes, cut: int, at: int) -> None:
    good = PAYLOADS[kind]
    for wrong in (data, good[:cut], good[:at] + data[:3] + good[at + 3 :]):
        with contextlib.suppress(ValueError):
            table, rows = details.decode(kind, wrong, RING, "w") or ("", [])
            assert all(type(row) is ROWS[table] for row in rows)


def a_span(**changes: Any) -> Span:
    return decoded(Kind.SPAN, PAYLOADS[Kind.SPAN])._replace(at_us=25_000_000, **changes)


def cells(rows: list[Any], table: str) -> dict[tuple[str, ...], Any]:
    metrics, insides = Metrics(), Insides()
    for row in rows:
        insides.count(metrics, table, row)
    assert set(metrics.cells) == {20}
    return metrics.cells[20]


def test_spans_are_counted_by_name_and_kind() -> None:
    found = cells([a_span(), a_span(failed=0, duration_us=100), a_span(name="other one")], "spans")
    cell = found["span", "charge", "api"]
    assert cell.counts == {State.SUCCESS: 1, State.FAILURE: 1}
    assert cell.errors == {"OSError": 1}
    assert (cell.runtime.count, cell.runtime.total, cell.runtime.least) == (2, 600, 100)
    assert len(found) == 2


def test_measures_are_counted_in_millionths() -> None:
    row: Measure = decoded(Kind.MEASURE, PAYLOADS[Kind.MEASURE])._replace(at_us=25_000_000)
    found = cells([row, row._replace(value=-1e12), row._replace(value=1e12)], "measures")
    cell = found["measure", "score", "histogram", "%"]
    assert (cell.runtime.count, cell.runtime.total) == (3, 500_000)
    struct.pack("<q", cell.runtime.most)


def test_names_beyond_the_bound_are_counted_together() -> None:
    found = cells([a_span(name=f"fetch {n}") for n in range(MOST_NAMES + 50)], "spans")
    assert len(found) == MOST_NAMES + 1
    assert found["span", "other", "api"].ended == 50


def an_attempt(uid: bytes) -> Attempt:
    return Attempt(**{**ATTEMPTS.empty, "uid": uid, "started_us": 3, "runtime_us": 17})


def test_a_wait_that_a_killed_attempt_left_open_ends_with_it() -> None:
    insides = Insides()
    whole: Wait = decoded(Kind.WAIT, PAYLOADS[Kind.WAIT])
    begun = whole._replace(ended_us=0, at_us=5, outcome="")
    for told in (begun, begun._replace(key=b"j" * 16), whole):
        insides.count(Metrics(), "waits", told)
    left = list(insides.abandoned([an_attempt(b"another uid "), an_attempt(begun.uid)]))
    assert [(row.key, row.begun_us, row.ended_us, row.outcome) for row in left] == [(b"j" * 16, 5, 20, "abandoned")]
    assert not list(insides.abandoned([an_attempt(begun.uid)]))


DECODERS: list[Callable[..., Any]] = [decoder for _, decoder in details.TABLES.values()]


def test_every_table_has_rows_of_its_own() -> None:
    assert {table for table, _ in details.TABLES.values()} <= set(ROWS)
    assert len(DECODERS) == len({table for table, _ in details.TABLES.values()})
