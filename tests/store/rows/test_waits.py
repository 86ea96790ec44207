from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_monitor.details import Wait
from celery_monitor.model import Batch
from celery_monitor.signals.record import State
from celery_monitor.store import inbox
from celery_monitor.store.connection import Store
from celery_monitor.store.fold import fold
from celery_monitor.store.keys import LATE_S
from celery_monitor.store.report import TOO_MANY_WAITS
from celery_monitor.store.rollups import tiers
from celery_monitor.store.rows import blocks, waits
from tests.store.batches import BOOT, NOW_US
from tests.store.shelved import stored_blocks

SECOND = 1_000_000


def begun(at_us: int, key: bytes = b"k" * 16, name: str = "approval") -> Wait:
    return Wait(b"", b"r" * 16, b"", key, name, "", "report", at_us, at_us, 0, "", "")


def ended(at_us: int, key: bytes = b"k" * 16, outcome: str = "done") -> Wait:
    return Wait(b"", b"r" * 16, b"", key, "approval", "", "report", at_us, 0, at_us, outcome, "anna")


def send(store: Store, n: int, *rows: Wait) -> None:
    inbox.send(store, Batch(BOOT, n, "host", NOW_US, details={"waits": list(rows)}), None)


def stored(store: Store) -> list[tuple[int, int, str]]:
    """Begin, end and outcome of every wait in the blocks."""
    found = []
    for raw in stored_blocks(store):
        table = blocks.read(raw).get("waits")
        if table:
            found += zip(table["begun_us"], table["ended_us"], table["outcome"], strict=True)
    return found


def counted(store: Store) -> dict[int, int]:
    """Counts of the wait's cell in the buckets of 10 s."""
    counts: dict[int, int] = {}
    for key in store.client.scan_iter(store.keys.tag + "r:10:*"):
        for series, cell in tiers.load(store.client.get(key)).items():
            if tuple(series) == ("wait", "approval"):
                for state, n in cell[0].items():
                    counts[state] = counts.get(state, 0) + n
    return counts


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("first", ["begin", "end"])
def test_the_two_halves_make_one_wait_in_whatever_order_they_come(store: Store, first: str, together: bool) -> None:
    halves = [begun(NOW_US - 9 * SECOND), ended(NOW_US - 2 * SECOND)]
    if first == "end":
        halves.reverse()
    if together:
        send(store, 1, *halves)
    else:
        send(store, 1, halves[0])
        fold(store, NOW_US)
        send(store, 2, halves[1])
    fold(store, NOW_US)
    fold(store, NOW_US)  # of the counters that the pairing handed in

    assert stored(store) == [(NOW_US - 9 * SECOND, NOW_US - 2 * SECOND, "done")]
    assert waits.open_waits(store) == []
    assert counted(store) == {State.SUCCESS: 1}


def test_an_open_wait_is_listed_until_it_ends(store: Store) -> None:
    send(store, 1, begun(NOW_US - 9 * SECOND), begun(NOW_US - 20 * SECOND, b"j" * 16))
    fold(store, NOW_US)
    assert [wait.key for wait in waits.open_waits(store)] == [b"j" * 16, b"k" * 16]

    send(store, 2, ended(NOW_US - SECOND, b"j" * 16, "error"))
    fold(store, NOW_US)
    fold(store, NOW_US)

    assert [wait.key for wait in waits.open_waits(store)] == [b"k" * 16]
    assert counted(store) == {State.FAILURE: 1}


@pytest.mark.parametrize("first", ["begin", "end"])
def test_an_end_whose_clock_is_behind_closes_the_wait_which_lasted_no_time(store: Store, first: str) -> None:
    halves = [begun(NOW_US - 2 * SECOND), ended(NOW_US - 6 * SECOND)]
    if first == "end":
        halves.reverse()
    for n, half in enumerate(halves, 1):
        send(store, n, half)
        fold(store, NOW_US)
    fold(store, NOW_US)

    assert stored(store) == [(NOW_US - 2 * SECOND, NOW_US - 2 * SECOND, "done")]
    assert waits.open_waits(store) == []
    assert counted(store) == {State.SUCCESS: 1}


def test_an_end_that_comes_behind_its_beginning_closes_it_however_far_the_clocks_are_apart(store: Store) -> None:
    send(store, 1, begun(NOW_US - 2 * SECOND))
    fold(store, NOW_US)
    send(store, 2, ended(NOW_US - 3600 * SECOND))
    fold(store, NOW_US)

    assert stored(store) == [(NOW_US - 2 * SECOND, NOW_US - 2 * SECOND, "done")]
    assert waits.open_waits(store) == []


def test_a_second_end_of_an_earlier_wait_closes_none_that_begins_later(store: Store) -> None:
    for n, row in enumerate([begun(NOW_US - 40 * SECOND), *[ended(NOW_US - 30 * SECOND)] * 2], 1):
        send(store, n, row)
    send(store, 4, begun(NOW_US - 20 * SECOND))
    fold(store, NOW_US)

    assert [wait.begun_us for wait in waits.open_waits(store)] == [NOW_US - 20 * SECOND]
    assert stored(store) == [(NOW_US - 40 * SECOND, NOW_US - 30 * SECOND, "done")]


def test_ends_without_a_beginning_are_bounded_and_go_with_time(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waits, "MOST_EARLY", 3)
    keys = [bytes([n]) * 16 for n in range(1, 6)]
    send(store, 1, *(ended(NOW_US - SECOND, key) for key in keys))
    report = fold(store, NOW_US)
    assert report.skipped[TOO_MANY_WAITS] == 2
    assert store.client.hlen(store.keys.waits) == 3

    later_us = NOW_US + (LATE_S + 60) * SECOND
    inbox.send(store, Batch(BOOT, 2, "host", later_us, details={"waits": [begun(later_us)]}), None)
    fold(store, later_us)
    assert store.client.hkeys(store.keys.waits) == [b"k" * 16]


def test_beyond_the_bound_a_beginning_is_left_out_and_counted(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waits, "MOST_OPEN", 2)
    send(store, 1, *(begun(NOW_US - n * SECOND, bytes([n]) * 16) for n in range(1, 6)))
    report = fold(store, NOW_US)

    assert len(waits.open_waits(store)) == 2
    assert report.skipped[TOO_MANY_WAITS] == 3


@given(st.permutations([begun(1), begun(5), ended(7), ended(9)]))
def test_beginnings_and_ends_of_one_wait_never_leave_two_open(rows: list[Wait]) -> None:
    left, whole = None, []
    for row in rows:
        left, done = waits.join(left, row)
        whole += [done] if done else []

    assert all(wait.begun_us <= wait.ended_us for wait in whole)
    assert len(whole) in {1, 2}


def test_joining_is_the_same_from_both_sides() -> None:
    for a, b in itertools.permutations([begun(3), ended(8)]):
        assert waits.join(a, b) == (None, begun(3)._replace(at_us=8, ended_us=8, outcome="done", ended_by="anna"))
