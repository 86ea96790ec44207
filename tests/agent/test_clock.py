"""How far our clock is from the store's is known, give or take half of the time that the answer took."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from celery_monitor.agent.clock import Clock
from celery_monitor.store import lease
from celery_monitor.store.connection import Store


class Wire:
    """Two clocks and a wire between them; the times are in us."""

    def __init__(self, ahead: int) -> None:
        self.ahead, self.now, self.there, self.back = ahead, 1_000_000_000, 0, 0

    def ours(self) -> int:
        return self.now + self.ahead

    def store(self) -> int:
        self.now += self.there
        told = self.now
        self.now += self.back
        return told


@given(st.integers(-(10**9), 10**9), st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), min_size=1))
def test_the_true_offset_is_within_the_error_however_long_the_ways_are(ahead: int, ways: list[tuple[int, int]]) -> None:
    wire = Wire(ahead)
    clock = Clock(wire.ours, lambda: wire.now)
    for n, (wire.there, wire.back) in enumerate(ways):
        clock.look(wire.store, 100.0 * n)
    assert abs(clock.offset_us - ahead) <= clock.error_us + 1


def test_the_store_is_asked_once_in_a_minute() -> None:
    asked = []
    clock = Clock()
    for now in (0.0, 59.0, 61.0):
        clock.look(lambda: asked.append(1) or 5, now)  # type: ignore[func-returns-value]
    assert len(asked) == 2


def test_a_clock_that_is_set_is_believed_at_the_next_look() -> None:
    wire = Wire(0)
    clock = Clock(wire.ours, lambda: wire.now)
    clock.look(wire.store, 0.0)
    wire.ahead, wire.there, wire.back = 60_000_000, 5000, 5000
    clock.look(wire.store, 100.0)
    assert abs(clock.offset_us - 60_000_000) <= clock.error_us


def test_a_clock_that_is_set_between_two_looks_is_looked_at_at_once() -> None:
    wire = Wire(0)
    clock = Clock(wire.ours, lambda: wire.now)
    clock.look(wire.store, 0.0)
    wire.ahead = -60_000_000
    clock.look(wire.store, 1.0)
    assert abs(clock.offset_us + 60_000_000) <= clock.error_us


def test_a_real_server_on_this_machine_has_our_clock(store: Store) -> None:
    clock = Clock()
    clock.look(lambda: lease.now_us(store), 0.0)
    assert abs(clock.offset_us) <= clock.error_us + 2000
