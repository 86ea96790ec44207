"""The one header that travels with a message."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from celery_monitor.signals import header, labels

NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=100)
RUNS = st.binary(min_size=16, max_size=16)
DAY_US = 86_400_000_000


@given(st.integers(0, 2**55), RUNS, NAMES)
def test_what_was_stamped_is_read(published_us: int, run: bytes, workflow: str) -> None:
    text = header.encode(published_us, run, header.tail(workflow))
    assert header.decode(text) == (published_us, run, workflow, "")
    assert header.published_us(text) == published_us


@given(NAMES, st.dictionaries(st.sampled_from("abc"), NAMES), st.dictionaries(st.sampled_from("bcd"), NAMES))
def test_labels_of_a_run_and_of_an_execution_travel_apart(
    workflow: str, runs: dict[str, str], own: dict[str, str]
) -> None:
    text = header.encode(1, b"r" * 16, header.tail(workflow, labels.write(runs), labels.write(own)))
    found = header.decode(text)
    assert found is not None
    assert found.workflow == workflow
    assert labels.split(found.labels) == (runs, own)
    assert header.encode(1, b"r" * 16, header.tail_of(text)) == text


def test_a_header_of_the_first_form_is_read() -> None:
    """The publish time had all 8 bytes, and the name stood as it is."""
    found = header.decode("1AAYKJBgeQAAAAQIDBAUGBwgJCgsMDQ4Pdaily report (chain)")
    assert found == (1_700_000_000_000_000, bytes(range(16)), "daily report (chain)", "")


@given(st.text() | st.binary() | st.integers() | st.none() | st.text().map(lambda t: "1" + t))
def test_a_header_of_somebody_else_is_none_of_ours_and_raises_nothing(text: object) -> None:
    found = header.decode(text)
    assert found is None or len(found.run) == 16


def test_a_forged_tail_is_read_up_to_its_bound() -> None:
    found = header.decode(header.encode(1, b"r" * 16, "?" + "a=b&" * 1_000_000))
    assert found is not None
    assert len(found.labels) <= header.MAX_TAIL
    assert len(labels.read(found.labels)) <= 17


def test_an_unnamed_run_costs_less_than_eighty_bytes_on_the_wire_and_a_named_one_less_than_160() -> None:
    text = header.encode(2**55, b"\xff" * 16, "")
    assert len(f'"{header.NAME}": "{text}", '.encode()) <= 80
    named = header.encode(2**55, b"\xff" * 16, header.tail("daily_report", "session=0b9e2f6c&user=u-1234567"))
    assert len(f'"{header.NAME}": "{named}", '.encode()) <= 160


@given(st.integers(2**50, 2**54), st.integers(0, 20 * DAY_US), RUNS)
def test_the_beginning_of_a_run_is_known_within_five_hours(begun_us: int, age_us: int, run: bytes) -> None:
    now_us = begun_us + age_us
    text = header.encode(now_us, run, "", begun_us)
    assert header.decode(text) == (now_us, run, "", "")
    if header.encode(now_us, run, "")[: header.SAME_PERIOD] == text[: header.SAME_PERIOD]:
        assert begun_us >> 34 == now_us >> 34, "no mark is needed within the same period"
    else:
        assert 0 <= begun_us - header.begun_us(text) < 2**34


@given(st.integers(2**50, 2**54), st.integers(1, DAY_US))
def test_a_clock_that_was_ahead_does_not_make_a_run_old(now_us: int, ahead_us: int) -> None:
    text = header.encode(now_us, b"r" * 16, "", now_us + ahead_us)
    assert header.begun_us(text) >= now_us - 2**34
