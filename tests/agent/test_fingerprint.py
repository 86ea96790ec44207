"""One failure keeps its fingerprint, whatever ids, numbers and line numbers it comes with; another has its own."""

from __future__ import annotations

import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_monitor.agent.fingerprint import fingerprint, normalised
from celery_monitor.signals import layout, outcome

TEXT = "order {} of {} at {} is not payable"
IDS = st.one_of(
    st.uuids().map(str),
    st.uuids().map(lambda u: u.hex),
    st.integers().map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(str),
    st.integers(0, 2**64).map(hex),
    st.ip_addresses(v=4).map(str),
    st.datetimes().map(lambda at: at.isoformat()),
    st.text("abcdef", min_size=8, max_size=40),
    st.text(st.characters(codec="utf-8", exclude_characters="'\"`\\\n"), max_size=20).map(lambda t: f"'{t}'"),
    st.text("abc 0_'", max_size=10).map(repr),
)
LINES = st.integers(1, 99_999)
NAMES = st.text("abcdefghij_", min_size=1, max_size=12)


def trace(lines: list[int], frames: list[tuple[str, str]]) -> str:
    return "".join(
        f'  File "/srv/{file}.py", line {line}, in {name}\n    do({line})\n'
        for line, (file, name) in zip(lines, frames, strict=True)
    )


FRAMES = [("tasks", "charge"), ("gateway", "call"), ("http", "send")]


@given(st.lists(IDS, min_size=3, max_size=3), st.lists(LINES, min_size=3, max_size=3))
def test_ids_numbers_and_line_numbers_change_nothing(ids: list[str], lines: list[int]) -> None:
    usual = fingerprint("NotPayable", TEXT.format(1, 2, 3), trace([1, 2, 3], FRAMES))
    assert fingerprint("NotPayable", TEXT.format(*ids), trace(lines, FRAMES)) == usual


@given(NAMES, NAMES)
def test_another_type_is_another_failure(one: str, other: str) -> None:
    same = fingerprint(one, "no", "") == fingerprint(other, "no", "")
    assert same == (one == other)


@given(st.integers(0, 2), NAMES, NAMES)
def test_another_function_or_file_is_another_failure(at: int, file: str, name: str) -> None:
    frames = [*FRAMES]
    frames[at] = (file, name)
    same = fingerprint("E", "no", trace([1, 2, 3], frames)) == fingerprint("E", "no", trace([1, 2, 3], FRAMES))
    assert same == (frames == FRAMES)


@given(st.text("abcdefghij ", min_size=1), st.text("abcdefghij ", min_size=1))
def test_other_words_are_another_failure(one: str, other: str) -> None:
    same = fingerprint("E", one, "") == fingerprint("E", other, "")
    assert same == (normalised(one) == normalised(other))


@given(st.text(max_size=3000))
def test_any_message_has_a_short_normal_form_that_is_normal(message: str) -> None:
    once = normalised(message)
    assert len(once) <= 200
    assert len(fingerprint("E", message, message)) == 16


def test_a_list_of_any_length_is_one_value() -> None:
    assert normalised("missing: [1, 2, 3]") == normalised("missing: [17]") == "missing: [*]"
    assert normalised("unknown keys 'a', 'b'") == normalised("unknown keys 'c'")


def test_an_apostrophe_is_no_quote() -> None:
    assert normalised("can't find the user's file") == "can't find the user's file"
    assert normalised("no such name: 'O'Brien'") == "no such name: *"


def test_what_lies_in_other_folders_is_the_same_failure() -> None:
    there = trace([7], [("releases/20261121/app/tasks", "charge")])
    assert fingerprint("E", "no", there) == fingerprint("E", "no", trace([9], [("tasks", "charge")]))


def test_no_exception_has_no_fingerprint() -> None:
    assert fingerprint("", "", "") == ""


def ping(levels: int) -> None:
    pong(levels - 1) if levels > 0 else print("the line is as long as it can be, to fill a traceback", 1 // 0)


def pong(levels: int) -> None:
    ping(levels - 1) if levels > 0 else print("this one is not much shorter, for the same reason", 1 // 0)


@pytest.mark.parametrize("levels", [40, 400])
def test_a_traceback_that_was_cut_keeps_its_fingerprint(levels: int) -> None:
    def failed(n: int) -> tuple[str, str, str]:
        try:
            ping(n)
        except ZeroDivisionError as error:
            raw, _ = layout.read_texts(outcome.describe(error), 0)
            kind, message, text = raw.decode().split("\0")
            assert len(text) <= layout.MAX_TRACEBACK < len("".join(traceback.format_tb(error.__traceback__)))
            return kind, message, text
        raise AssertionError

    assert fingerprint(*failed(levels)) == fingerprint(*failed(levels + 2))
