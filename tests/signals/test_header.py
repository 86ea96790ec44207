"""The one header that travels with a message."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from celery_monitor.signals import header


@given(st.integers(0, 2**62), st.binary(min_size=16, max_size=16), st.text(max_size=100))
def test_what_was_stamped_is_read(published_us: int, run: bytes, workflow: str) -> None:
    text = header.encode(published_us, run, workflow)
    assert header.decode(text) == (published_us, run, workflow)
    assert header.published_us(text) == published_us


@given(st.text() | st.binary() | st.integers() | st.none() | st.text().map(lambda t: "1" + t))
def test_a_header_of_somebody_else_is_none_of_ours_and_raises_nothing(text: object) -> None:
    found = header.decode(text)
    assert found is None or len(found.run) == 16


def test_an_unnamed_run_costs_less_than_eighty_bytes_on_the_wire() -> None:
    text = header.encode(2**60, b"\xff" * 16, "")
    assert len(f'"{header.NAME}": "{text}", '.encode()) <= 80
