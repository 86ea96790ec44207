"""Successes that are taken a column at a time are the rows and counters that they are one by one."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from celery_monitor.agent import decode, tally
from celery_monitor.agent.labelled import Labelled
from celery_monitor.agent.successes import Successes
from celery_monitor.model import Attempt, Metrics
from celery_monitor.signals import header, layout
from celery_monitor.signals.record import Flag, Reason, State
from celery_monitor.store import inbox

RING = b"ring-id-"
UUIDS = [f"{n:08x}-1111-4222-8333-444455556666" for n in range(4)]
IDS = st.sampled_from(UUIDS)
NAMES = [
    ("shop.charge", "payments", "daily"), ("shop.mail", "celery", ""), ("celery_monitor.tick", "q", ""),
    ("shop.charge", "payments", "daily", "payments.eu"), ("shop.mail", "celery", "", "", "tenant=a&size=L"),
]  # fmt: skip
HOLD = (300_000, 200_000)
US = st.integers(-1, 3_000_000) | st.integers(-1, 1 << 40)
HEADERS = st.builds(
    header.encode, st.integers(1 << 50, (1 << 50) + 60_000_000) | st.just(0) | st.integers(0, (1 << 64) - 1),
    st.sampled_from([b"r" * 16, layout.pack_id(UUIDS[0])]), st.just(""),
) | st.sampled_from(["1" + "=" * 32, "1" + "A" * 31 + "?"])  # fmt: skip
UNREAD = st.tuples(st.sampled_from([*UUIDS, UUIDS[1].upper(), "order 17 of the eleventh of november"]), HEADERS)
FACTS = st.fixed_dictionaries({
    "ids": st.tuples(
        IDS, st.none() | IDS, st.none() | IDS, st.none() | IDS, st.sampled_from([b"r" * 16, layout.pack_id(UUIDS[0])])
    ),
    "names": st.sampled_from(NAMES),
    "end": st.tuples(st.integers(0, 6), US.map(abs), US, st.integers(0, 1 << 20), st.integers(-5, 5), US, US, US, US),
    "begin": st.tuples(st.integers(1, 1 << 31), st.integers(0, 9), st.sampled_from([0, 2]), st.integers(0, 3)),
    "times": st.tuples(st.integers(1 << 50, (1 << 50) + 30_000_000), US),
    "unread": st.none() | UNREAD,
})  # fmt: skip


def payload(facts: dict[str, Any]) -> bytes:
    own, root, parent, group, run = facts["ids"]
    serial, slot, flags, retries = facts["begin"]
    started, wait = facts["times"]
    if facts["names"][0].startswith("celery_monitor."):
        flags |= Flag.INFRASTRUCTURE
    ids, published = layout.pack_ids(own, root, parent, group, run), max(started - wait, 0)
    if facts["unread"] is not None:
        ids, published, wait = layout.pack_unread(*facts["unread"]), 0, -1
        assert ids
    return (
        layout.END.pack(State.SUCCESS, Reason.OK, *facts["end"])
        + layout.BEGIN.pack(serial, slot, flags, retries, 5, started, published, wait)
        + ids
        + layout.pack_series(*facts["names"])
        + layout.NO_ERROR
    )


def one_by_one(payloads: list[bytes]) -> tuple[list[Attempt], Metrics]:
    metrics, rows, labelled = Metrics(), [], Labelled()
    for each in payloads:
        row, start = decode.attempt(each, RING, "celery@a", 42, HOLD)
        rows.append(row)
        tally.count(metrics, row)
        labelled.note(row.uid, labelled.series(start.labels))
        labelled.count(metrics, row)
    return rows, metrics


def dumped(metrics: Metrics) -> dict[Any, Any]:
    found = inbox.decode_metrics(inbox.encode_metrics(metrics))
    return {(bucket, series): cell.dump() for bucket, row in found.cells.items() for series, cell in row.items()}


@given(st.lists(FACTS, min_size=1, max_size=40))
def test_a_pile_of_successes_is_what_they_are_one_by_one(facts: list[dict[str, Any]]) -> None:
    payloads = [payload(each) for each in facts]
    piles, metrics = Successes(RING, "celery@a", 42, Labelled(), HOLD), Metrics()
    assert all(piles.add(each) for each in payloads)
    rows = [row for pile in piles.settle(metrics) for row in pile]
    expected, counted = one_by_one(payloads)
    assert sorted(rows) == sorted(expected)
    assert dumped(metrics) == dumped(counted)
    assert list(piles.settle(metrics)) == []


@given(st.lists(FACTS, min_size=1, max_size=20))
def test_the_newest_end_of_each_slot_is_remembered_whatever_pile_is_taken_last(facts: list[dict[str, Any]]) -> None:
    piles, newest = Successes(RING, "celery@a", 42, Labelled(), HOLD), {}
    for serial, each in enumerate(facts, 1):
        _, slot, *rest = each["begin"]
        assert piles.add(payload({**each, "begin": (serial, slot, *rest)}))
        newest[slot] = serial
    list(piles.settle(Metrics()))
    assert piles.ended == newest


WHOLE = payload({
    "ids": (UUIDS[0], UUIDS[0], UUIDS[1], None, b"r" * 16), "names": ("shop.charge", "payments", "daily"),
    "end": (2, 1, 2, 3, 4, 5, 6, 7, 8), "begin": (1, 2, 0, 0), "times": (1 << 50, 7), "unread": None,
})  # fmt: skip
AS_IT_CAME = payload({
    "ids": (UUIDS[0], None, None, None, b""), "names": ("shop.charge", "payments", "daily"),
    "end": (2, 1, 2, 3, 4, 5, 6, 7, 8), "begin": (1, 2, 0, 0), "times": (1 << 50, 7),
    "unread": (UUIDS[0], header.encode((1 << 50) - 7, layout.pack_id(UUIDS[0]), "")),
})  # fmt: skip


@given(st.sampled_from([WHOLE, AS_IT_CAME]), st.integers(0, len(AS_IT_CAME) - 1), st.integers(0, 255))
def test_a_changed_byte_is_left_to_the_decoder_of_single_ends_or_read_like_it(
    whole: bytes, at: int, value: int
) -> None:
    changed = bytearray(whole)
    changed[at % len(whole)] = value
    piles = Successes(RING, "celery@a", 42, Labelled(), HOLD)
    if piles.add(bytes(changed)):
        (rows,) = piles.settle(Metrics())
        assert rows == [decode.attempt(bytes(changed), RING, "celery@a", 42, HOLD)[0]]


def test_what_is_no_whole_success_is_refused() -> None:
    piles = Successes(RING, "celery@a", 42, Labelled(), HOLD)
    assert not any(piles.add(whole[:size]) for whole in (WHOLE, AS_IT_CAME) for size in range(len(whole)))
    assert not piles.add(WHOLE + b"x")
    assert not piles.add(bytes((State.FAILURE,)) + WHOLE[1:])
    text_ids = layout.pack_ids("text", None, None, None, b"r" * 16) + layout.pack_series("t", "q", "") + layout.NO_ERROR
    assert not piles.add(WHOLE[: layout.END.size + layout.BEGIN.size] + text_ids)
    assert list(piles.settle(Metrics())) == []
