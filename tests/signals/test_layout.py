"""The blocks that payloads are made of."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from celery_monitor.signals import header, layout
from celery_monitor.signals.record import MAX_PAYLOAD, fixed_id, pack_id
from celery_monitor.signals.ring import SLOT_BYTES, SLOT_HEAD

IDS = st.one_of(st.uuids().map(str), st.text(st.characters(codec="utf-8"), min_size=1, max_size=200))
MAYBE = st.none() | IDS
RUNS = st.binary(min_size=16, max_size=16)


@given(IDS, MAYBE, MAYBE, MAYBE, RUNS, st.binary(max_size=20))
def test_ids_come_back(
    own: str, root: str | None, parent: str | None, group: str | None, run: bytes, behind: bytes
) -> None:
    packed = layout.pack_ids(own, root, parent, group, run)
    ids, end = layout.unpack_ids(b"before" + packed + behind, 6)
    assert end == 6 + len(packed)
    assert ids[0] == pack_id(own)
    assert ids[1] == (b"" if not root or root == own else pack_id(root)) or pack_id(root or "") == pack_id(own)
    assert ids[2] == (pack_id(parent) if parent else b"")
    assert ids[3] == (pack_id(group) if group else b"")
    assert ids[4] == (b"" if run == fixed_id(pack_id(own)) else run)


@given(IDS)
def test_a_task_that_is_its_own_root_and_run_needs_its_id_only(own: str) -> None:
    packed = layout.pack_ids(own, own, None, None, fixed_id(pack_id(own)))
    assert layout.unpack_ids(packed, 0)[0] == [pack_id(own), b"", b"", b"", b""]


@given(st.uuids().map(str), RUNS, st.integers(1, 1 << 55), st.binary(max_size=20))
def test_an_id_and_a_header_that_are_written_as_they_came_say_the_same(
    own: str, run: bytes, published: int, behind: bytes
) -> None:
    packed = layout.pack_unread(own, header.encode(published, run, ""))
    ids, told, end = layout.unpack_unread(b"before" + packed + behind, 6)
    assert (ids, end) == (layout.unpack_ids(layout.pack_ids(own, own, None, None, run), 0)[0], 6 + len(packed))
    assert layout.unpack_ids(packed + behind, 0) == (ids, len(packed))
    assert told == published


@given(IDS, st.text(max_size=40))
def test_only_an_id_and_a_header_of_the_usual_form_are_written_as_they_came(own: str, text: str) -> None:
    packed = layout.pack_unread(own, text)
    plain = len(own) == 36 and len(text) == 33 and text[0] == "1" and (own + text).isascii()
    assert packed == (layout.UNREAD + (own + text).encode() if plain else b"")


def test_a_header_of_a_form_that_nobody_knows_says_nothing_of_the_run_and_the_publish() -> None:
    own = "0b9e2f6c-1111-4222-8333-444455556666"
    assert layout.unpack_unread(layout.pack_unread(own, "1" + "=" * 32), 0)[:2] == ([pack_id(own), *[b""] * 4], -1)


@given(st.text(max_size=300), st.text(max_size=300), st.text(max_size=300))
def test_names_come_back_cut_and_never_mixed_up(task: str, queue: str, workflow: str) -> None:
    packed = layout.pack_series(task, queue, workflow)
    raw, end = layout.read_texts(packed, 0)
    assert end == len(packed)
    expected = [t[: layout.MAX_NAME].replace("\0", "") for t in (task, queue, workflow)]
    assert raw.decode().split("\0") == [t.encode("utf-8", "replace").decode() for t in expected]


@given(st.text(max_size=300), st.text(max_size=5000), st.text(max_size=9000))
def test_an_error_is_bounded_and_has_three_parts(kind: str, message: str, traceback: str) -> None:
    raw, _ = layout.read_texts(layout.pack_error(kind, message, traceback), 0)
    assert raw.count(b"\0") == 2
    assert len(raw) <= 3 * layout.MAX_TRACEBACK


def test_a_long_traceback_keeps_its_end_where_the_error_was_raised() -> None:
    raw, _ = layout.read_texts(layout.pack_error("E", "m", "x" * 10_000 + "raised here"), 0)
    assert raw.endswith(b"raised here")


def test_the_largest_attempt_fits_into_a_record_and_its_beginning_into_a_slot() -> None:
    wide, key = "\U0001f600" * 5000, "\U0001f601" * 5000
    ids = layout.pack_ids(wide, wide + "r", wide + "p", wide + "g", b"r" * 16)
    names, error = layout.pack_series(wide, wide, wide, key), layout.pack_error(wide, wide, wide)
    assert layout.END.size + layout.BEGIN.size + len(ids) + len(names) + len(error) <= MAX_PAYLOAD
    assert layout.BEGIN.size + len(ids) + len(names) <= SLOT_BYTES - SLOT_HEAD.size


def test_an_end_written_for_another_process_reads_like_its_own() -> None:
    begun = layout.BEGIN.pack(7, 0, 0, 0, 0, 1, 2, 3)
    begun += layout.pack_ids("a", "a", None, None, b"r" * 16) + layout.pack_series("t", "q", "")
    payload = layout.pack_end(9, 4, 1000, begun, ("", "", ""))
    state, reason, _, runtime, cpu, *_ = layout.END.unpack_from(payload)
    assert (state, reason, runtime, cpu) == (9, 4, 1000, -1)
    assert payload[layout.END.size :] == begun + layout.NO_ERROR
