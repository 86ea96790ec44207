"""Whatever bytes a ring holds, decoding returns a row or raises ValueError."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_monitor.agent import decode
from celery_monitor.agent.fingerprint import fingerprint
from celery_monitor.signals import layout
from celery_monitor.signals.record import Flag, Reason, State, pack_id

IDS = layout.pack_ids("task-1", "root-1", "parent-1", None, b"r" * 16)
SERIES = layout.pack_series("shop.charge", "payments", "daily", "payments.eu")
ERROR = layout.pack_error("ValueError", "no money", "line 1")
BEGIN = layout.BEGIN.pack(7, 3, Flag.REDELIVERED, 2, 9, 1_000, 900, 100) + IDS + SERIES
ATTEMPT = layout.END.pack(State.FAILURE, Reason.ERROR, 4, 500, 40, 2048, -8, 4096, 512, 3, 1) + BEGIN + ERROR
PUBLISH = layout.PUBLISH.pack(900, 950, 2, 0) + IDS + SERIES
FACT = layout.FACT.pack(State.REVOKED, Reason.TERMINATED, 0, 0, 7, 999) + IDS + SERIES + ERROR


def an_attempt(data: bytes) -> Any:
    return decode.attempt(data, b"ring-id-", "celery@a", 42, (5000, 2500))


def test_an_attempt_comes_back_as_it_was_written() -> None:
    row, start = an_attempt(ATTEMPT)
    assert row.uid == b"ring-id-\x07\0\0\0"
    assert (row.id, row.root, row.parent, row.group, row.run) == (
        pack_id("task-1"), pack_id("root-1"), pack_id("parent-1"), b"", b"r" * 16
    )  # fmt: skip
    assert (row.task, row.queue, row.worker, row.pid) == ("shop.charge", "payments", "celery@a", 42)
    assert (row.state, row.reason, row.flags, row.retries, row.priority) == (2, 1, 2, 2, 9)
    assert (row.published_us, row.started_us, row.wait_us, row.runtime_us, row.cpu_us) == (900, 1000, 100, 500, 40)
    assert (row.rss_kib, row.growth_kib, row.workflow, row.step) == (2048, -8, "daily", "shop.charge")
    assert (row.exception, row.message, row.traceback) == ("ValueError", "no money", "line 1")
    assert (row.routing_key, row.result_size, row.hold_us, row.hold_error_us) == ("payments.eu", 4, 5000, 2500)
    assert (row.read_bytes, row.write_bytes, row.switches, row.involuntary_switches) == (4096, 512, 3, 1)
    assert row.fingerprint == fingerprint("ValueError", "no money", "line 1")
    assert (start.serial, start.slot) == (7, 3)


def test_a_routing_key_that_is_the_queue_is_not_written_down_a_second_time() -> None:
    assert layout.pack_series("t", "q", "w", "q") == layout.pack_series("t", "q", "w")


def test_a_publish_comes_back_as_it_was_written() -> None:
    row = decode.publish(PUBLISH)
    assert (row.id, row.task, row.queue, row.published_us, row.due_us, row.retries, row.workflow) == (
        pack_id("task-1"), "shop.charge", "payments", 900, 950, 2, "daily"
    )  # fmt: skip


def test_a_fact_comes_back_as_it_was_written() -> None:
    fact = decode.fact(FACT)
    assert (fact.state, fact.reason, fact.serial, fact.at_us) == (State.REVOKED, Reason.TERMINATED, 7, 999)
    assert fact.names == ("shop.charge", "payments", "daily", "payments.eu")
    assert fact.error == ("ValueError", "no money", "line 1")


DECODERS: list[tuple[Callable[[bytes], Any], bytes]] = [
    (an_attempt, ATTEMPT), (decode.publish, PUBLISH), (decode.fact, FACT), (decode.begun, BEGIN)
]  # fmt: skip


@pytest.mark.parametrize(("read", "whole"), DECODERS)
def test_a_payload_that_is_cut_anywhere_is_a_value_error_or_a_row(read: Callable[[bytes], Any], whole: bytes) -> None:
    for size in range(len(whole)):
        try:
            read(whole[:size])
        except ValueError:
            continue
        assert size > len(whole) - len(ERROR), f"{size} of {len(whole)} bytes were taken for a whole payload"


@pytest.mark.parametrize("read", [read for read, _ in DECODERS])
@given(data=st.binary(max_size=300))
def test_any_bytes_are_a_row_or_a_value_error(read: Callable[[bytes], Any], data: bytes) -> None:
    with contextlib.suppress(ValueError):
        read(data)


@pytest.mark.parametrize(("read", "whole"), DECODERS)
@given(data=st.data())
def test_a_changed_byte_is_a_row_or_a_value_error(
    read: Callable[[bytes], Any], whole: bytes, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(whole) - 1))
    changed = bytearray(whole)
    changed[at] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ValueError):
        read(bytes(changed))
