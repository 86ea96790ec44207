"""What is said of a hold contains the truth, and is exact when the parent notes what it receives."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_monitor.agent.holds import Holds
from celery_monitor.model import Attempt
from celery_monitor.signals import received
from celery_monitor.signals.record import pack_id
from tests.store.batches import attempt

SECOND = 1_000_000
SINCE = 1_000 * SECOND


@pytest.fixture
def noted() -> Iterator[None]:
    """Nothing is remembered from one test to the next."""
    received.times.clear()
    yield
    received.times.clear()


def started(task_id: str, at_us: int) -> Attempt:
    return attempt(1, id=pack_id(task_id), started_us=at_us)


def as_drained(holds: Holds, row: Attempt) -> Attempt:
    """Do what the drain does with a row."""
    row = row._replace(hold_us=holds.default[0], hold_error_us=holds.default[1])
    if row.id in holds.seen or row.started_us < holds.recent_us or holds.exact:
        return holds.of(row)
    return row


def bounds(row: Attempt) -> tuple[int, int]:
    return row.hold_us - row.hold_error_us, row.hold_us + row.hold_error_us


@given(
    gaps=st.lists(st.integers(1, 20), min_size=1, max_size=30),
    came=st.floats(0, 200, allow_nan=False),
    held=st.floats(0, 100, allow_nan=False),
    ran=st.floats(0, 300, allow_nan=False),
)
def test_the_truth_lies_within_the_error(gaps: list[int], came: float, held: float, ran: float) -> None:
    holds = Holds(SINCE)
    began, ended = came + held, came + held + ran
    at, last = 0.0, 0.0
    for gap in gaps:
        at += gap
        if at > ended:
            break
        last = at
        holds.look(["t"] if came <= at < began else [], SINCE + round(at * SECOND))
    holds.drained(SINCE + round(ended * SECOND))
    row = as_drained(holds, started("t", SINCE + round(began * SECOND)))
    least, most = bounds(row)
    assert least - 2 <= held * SECOND <= most + 2
    widest = max(*gaps, ended - last)
    assert row.hold_error_us <= (widest / 2 + 0.1) * SECOND


def test_a_retry_that_comes_in_while_its_attempt_runs_is_held_anew() -> None:
    holds = Holds(SINCE)
    holds.look(["t"], SINCE + 5 * SECOND)
    holds.look([], SINCE + 10 * SECOND)  # started at 7
    holds.look(["t"], SINCE + 15 * SECOND)  # the retry, which starts at 18
    first = as_drained(holds, started("t", SINCE + 7 * SECOND))
    second = as_drained(holds, started("t", SINCE + 18 * SECOND))
    assert bounds(first) == (2 * SECOND, 7 * SECOND)
    assert bounds(second) == (3 * SECOND, 8 * SECOND)
    assert not holds.seen


def test_a_look_that_did_not_see_all_proves_nothing_of_the_rest() -> None:
    holds = Holds(SINCE)
    holds.look(["other"], SINCE + 5 * SECOND, complete=False)
    holds.drained(SINCE + 6 * SECOND)
    row = as_drained(holds, started("t", SINCE + 6 * SECOND))
    assert bounds(row) == (0, 6 * SECOND)


def test_without_looks_nothing_is_known() -> None:
    holds = Holds()
    holds.look(["t"], SINCE)
    holds.drained(SINCE)
    assert as_drained(holds, started("t", SINCE + 1)).hold_us == -1


def test_what_is_remembered_is_bounded() -> None:
    holds = Holds(SINCE)
    for n in range(10):
        holds.look([f"t-{n}-{i}" for i in range(5000)], SINCE + n)
    assert len(holds.seen) == 20_000


@pytest.mark.usefixtures("noted")
def test_what_the_parent_noted_is_exact() -> None:
    holds = Holds(SINCE)
    received.on_task_received(SimpleNamespace(id="t"))
    (came,) = received.times["t"]
    row = as_drained(holds, started("t", came + 1234))
    assert (row.hold_us, row.hold_error_us) == (1234, 0)
    assert not received.times, "it is forgotten with its attempt"


@pytest.mark.usefixtures("noted")
def test_each_of_overlapping_messages_of_one_id_has_its_own_time() -> None:
    received.times["t"] = [SINCE, SINCE + 10]
    assert received.take("t", SINCE + 5) == SINCE
    assert received.take("t", SINCE + 12) == SINCE + 10
    assert received.take("t", SINCE + 12) is None


@pytest.mark.usefixtures("noted")
def test_messages_that_never_start_are_forgotten_oldest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(received, "MOST", 3)
    for n in range(5):
        received.on_task_received(SimpleNamespace(id=f"t-{n}"))
    assert list(received.times) == ["t-2", "t-3", "t-4"]
