"""Waits: begun and ended in a task or by run id from anywhere, and never left open by an attempt that is over."""

from __future__ import annotations

from typing import Any

import pytest

from celery_monitor import wait, wait_begin, wait_end
from celery_monitor.details import Wait
from celery_monitor.signals import process
from celery_monitor.signals.record import pack_id
from celery_monitor.store.rows.waits import join
from tests.signals.recorder import Recorder

RUN = "0b9e2f6c-1111-4222-8333-444455556666"


def paired(rows: list[Wait]) -> Wait:
    """Return the whole wait that the fold makes of a beginning and an end."""
    begun, ended = rows
    left, whole = join(begun, ended)
    assert left is None
    assert whole is not None
    return whole


def test_a_wait_in_a_task_is_open_while_it_lasts(recorder: Recorder) -> None:
    open_then: list[Any] = []

    def work() -> None:
        with wait("approval"):
            open_then.extend(recorder.read()["waits"])

    task_id = recorder.run(work)
    (begun,) = open_then
    (ended,) = recorder.read()["waits"]
    assert (begun.ended_us, begun.outcome, begun.at_us) == (0, "", begun.begun_us)
    whole = paired([begun, ended])
    assert (whole.name, whole.outcome, whole.id, whole.uid) == (
        "approval", "done", pack_id(task_id), recorder.attempts[0].uid
    )  # fmt: skip
    assert whole.ended_us >= whole.begun_us == begun.begun_us


def test_an_outcome_can_be_said_and_an_exception_is_one(recorder: Recorder) -> None:
    def work() -> None:
        with wait("approval") as w:
            w.set(outcome="approved", by="anna")
        with wait("payment"):
            raise TimeoutError

    recorder.run(work)
    ends = [row for row in recorder.read()["waits"] if row.ended_us]
    assert [(row.name, row.outcome, row.ended_by) for row in ends] == [
        ("approval", "approved", "anna"), ("payment", "error", "")
    ]  # fmt: skip
    assert recorder.attempts[0].exception == "TimeoutError"
    assert len({row.key for row in ends}) == 2


def test_a_wait_that_its_attempt_leaves_open_is_abandoned_with_it(recorder: Recorder) -> None:
    def work() -> None:
        wait("approval").__enter__()
        wait("payment").__enter__()

    recorder.run(work)
    rows = recorder.read()["waits"]
    assert sorted((row.name, row.outcome) for row in rows if row.ended_us) == [
        ("approval", "abandoned"), ("payment", "abandoned")
    ]  # fmt: skip


def test_a_wait_by_run_is_begun_and_ended_anywhere(recorder: Recorder) -> None:
    wait_begin(RUN, "approval")
    recorder.run(lambda: wait_end(RUN, "approval", outcome="approved", by="anna"))
    whole = paired(recorder.read()["waits"])
    assert (whole.run, whole.id, whole.uid, whole.name) == (pack_id(RUN), b"", b"", "approval")
    assert (whole.outcome, whole.ended_by) == ("approved", "anna")
    assert whole.ended_us >= whole.begun_us > 0


def test_waits_of_other_runs_and_names_are_others(recorder: Recorder) -> None:
    for run, name in [(RUN, "a"), (RUN, "b"), ("other", "a")]:
        wait_begin(run, name)
    assert len({row.key for row in recorder.read()["waits"]}) == 3


@pytest.mark.parametrize("run_id", ["", None, 17, b"short"])
def test_a_wrong_run_id_is_noted_and_harms_nobody(recorder: Recorder, run_id: Any) -> None:
    wait_begin(run_id, "approval")
    wait_end(run_id, "approval")
    assert recorder.read()["waits"] == []
    assert recorder.caught == {"wait_begin without a run id: ValueError": 1, "wait_end without a run id: ValueError": 1}


def test_an_outcome_carries_no_secret(recorder: Recorder) -> None:
    wait_end(RUN, "approval", outcome="password=hunter2", by="https://anna:pw@shop")
    (row,) = recorder.read()["waits"]
    assert (row.outcome, row.ended_by) == ("password=[redacted]", "https://[redacted]@shop")


def test_without_a_monitor_nothing_is_recorded(recorder: Recorder) -> None:
    process.place.start_agent = None
    with wait("approval"):
        wait_begin(RUN, "approval")
        wait_end(RUN, "approval")
    assert process.me.writer is None
