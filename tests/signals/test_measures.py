"""Measures: what is a number is recorded with whom it belongs to, what is none is noted and never raised."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from celery_monitor import measure
from celery_monitor.signals import process
from celery_monitor.signals.record import State, pack_id
from tests.signals.recorder import Recorder, recording

RUN = "0b9e2f6c-1111-4222-8333-444455556666"


def test_a_measure_belongs_to_the_task_that_reports_it(recorder: Recorder) -> None:
    def work() -> None:
        measure("tokens", 512)
        measure("temperature", Decimal("36.6"), kind="gauge", unit="C")  # type: ignore[arg-type]
        measure("score", 0.5, kind="histogram")

    task_id = recorder.run(work, name="agent")
    rows = recorder.read()["measures"]
    assert [(row.name, row.value, row.kind, row.unit) for row in rows] == [
        ("tokens", 512.0, "sum", ""), ("temperature", 36.6, "gauge", "C"), ("score", 0.5, "histogram", "")
    ]  # fmt: skip
    assert {(row.id, row.uid, row.task) for row in rows} == {(pack_id(task_id), recorder.attempts[0].uid, "agent")}


def test_a_measure_outside_tasks_belongs_to_the_run_it_names_or_to_nobody(recorder: Recorder) -> None:
    measure("cost", 0.02, unit="EUR", run_id=RUN)
    measure("cost", 0.03)
    first, second = recorder.read()["measures"]
    assert (first.run, first.id, first.uid) == (pack_id(RUN), b"", b"")
    assert (second.run, second.id, second.uid) == (b"", b"", b"")


def test_a_task_that_counts_every_row_keeps_its_sum_and_spares_the_ring(recorder: Recorder) -> None:
    def work() -> None:
        for _ in range(10_000):
            measure("rows", 1)
            measure("bytes", 7, unit="B")

    recorder.run(work)
    rows = recorder.read()["measures"]
    assert len(rows) < 150
    assert sum(row.value for row in rows if row.name == "rows") == 10_000
    assert sum(row.value for row in rows if row.name == "bytes") == 70_000
    assert recorder.losses == {}


@pytest.mark.parametrize(
    ("given", "where"),
    [
        (("tokens", float("nan")), "measure without a number"),
        (("tokens", float("inf")), "measure without a number"),
        (("tokens", 1e13), "measure without a number"),
        (("tokens", 10**400), "measure without a number"),
        (("tokens", "512"), "measure without a number"),
        (("tokens", None), "measure without a number"),
        (("tokens", object()), "measure without a number"),
        (("tokens", 1, "average"), "measure of an unknown kind"),
        (("tokens", 1, ["sum"]), "measure"),
        (("tokens", 1, "sum", "", ""), "measure without a run id"),
    ],
)
def test_what_is_no_measure_is_noted_and_harms_nobody(recorder: Recorder, given: Any, where: str) -> None:
    recorder.run(lambda: measure(*given))
    assert recorder.read()["measures"] == []
    assert [key.split(":")[0] for key in recorder.caught] == [where]
    assert recorder.attempts[0].state == State.SUCCESS


def test_a_long_name_is_cut_and_noted(recorder: Recorder) -> None:
    measure("n" * 500, 1, unit="u" * 50)
    measure("", 1)
    first, second = recorder.read()["measures"]
    assert (first.name, first.unit, second.name) == ("n" * 99 + "…", "u" * 39 + "…", "unnamed")
    assert set(recorder.caught) == {
        "measure with a long name: ValueError", "measure unit with a long name: ValueError",
        "measure without a name: ValueError",
    }  # fmt: skip


def test_without_a_monitor_nothing_is_recorded(recorder: Recorder) -> None:
    process.place.start_agent = None
    measure("tokens", float("nan"))
    assert process.me.writer is None
    assert recorder.caught == {}


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=300),
    st.binary(max_size=20),
    st.lists(st.none()),
)  # fmt: skip


@given(st.tuples(ANYTHING, ANYTHING, ANYTHING, ANYTHING, ANYTHING))
@settings(max_examples=200, suppress_health_check=list(HealthCheck), deadline=None)
def test_whatever_it_is_given_it_raises_nothing_and_what_is_recorded_can_be_read(given: tuple[Any, ...]) -> None:
    with recording() as recorder:
        measure(*given)
        for row in recorder.read()["measures"]:
            assert abs(row.value) <= 1e12
