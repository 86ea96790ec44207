"""Ends counted by label: from the labels in a message or given in its body, to the cells of a batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery
from celery.app.trace import build_tracer

from celery_monitor import label
from celery_monitor.agent import labelled, tally
from celery_monitor.agent.instance import Instance
from celery_monitor.agent.journal import Journal
from celery_monitor.details import Labelled
from celery_monitor.model import Attempt, Cell, Metrics
from celery_monitor.signals import header, labels, process
from celery_monitor.signals.record import State
from celery_monitor.store.rollups.lifetime import MOST_VALUES, OTHER
from tests.signals.recorder import recording

SECOND_US = 1_000_000


@pytest.fixture
def instance() -> Iterator[Instance]:
    """An instance that drains what this process records, with statistics of two keys."""
    labels.use(counted=["tenant", "size"])
    with recording():
        process.open_writer()
        journal = Journal.create(None, process.me.instance, {})
        yield Instance(process.me.instance, journal, None, "celery@here", 64 << 20)
    labels.use()


def run(body: Any, task_id: str, text: str | None = None, name: str = "shop.pay") -> None:
    """Run a body as a task whose message carried this header."""
    app: Any = Celery("labelled", broker="memory://", backend=None, set_as_current=False)
    task = app.task(body, name=name, ignore_result=True, shared=False, typing=False)
    request = {"id": task_id, "delivery_info": {"routing_key": "q"}, "is_eager": False, header.NAME: text}
    build_tracer(name, task, app=app)(task_id, [], {}, request)


def cells(metrics: Metrics) -> dict[tuple[str, ...], Cell]:
    """Return the sums of all buckets' cells of labels."""
    found: dict[tuple[str, ...], Cell] = {}
    for row in metrics.cells.values():
        for series, cell in row.items():
            if series[0] == "label":
                found.setdefault(series, Cell()).merge(cell)
    return found


def flushed(instance: Instance) -> Any:
    """Drain, and return the batch."""
    instance.drain(process.me.kept, 1e6, 1_700_000_000 * SECOND_US)
    flush = instance.next_flush()
    assert flush is not None
    instance.acknowledged()
    return flush.batch


def test_ends_are_counted_by_the_listed_labels_of_their_run_and_their_own(instance: Instance) -> None:
    def nothing() -> None:
        """Do nothing."""

    def grows() -> None:
        label("size", "L")
        label("session", "s1")
        raise LookupError

    stamped = header.encode(1_700_000_000 * SECOND_US, b"r" * 16, header.tail("w", "session=s0&tenant=a"))
    run(nothing, "one", stamped)
    run(grows, "two", stamped, "shop.grow")
    run(nothing, "three")
    batch = flushed(instance)
    found = cells(batch.metrics)
    assert {series: (cell.ended, cell.failed, cell.runtime.count) for series, cell in found.items()} == {
        ("label", "tenant", "a"): (2, 1, 2),
        ("label", "size", "L"): (1, 1, 1),
    }
    assert [Labelled._make(row).labels for row in batch.details["labels"]] == ["size=L", "session=s1&size=L"]
    assert {row.task: row.workflow for row in batch.attempts} == {"shop.pay": "", "shop.grow": "w"}
    assert not instance.details


def test_rows_of_labels_wait_in_memory_within_the_bound_while_the_store_is_away(instance: Instance) -> None:
    instance._most_rows = 30

    def talks() -> None:
        for n in range(20):
            label("n", n)

    run(talks, "one")
    instance.drain(process.me.kept, 1e6, 1_700_000_000 * SECOND_US)
    instance.spill()
    assert len(instance.details["labels"]) == 10
    assert instance.details["labels"][-1].labels == "n=19", "the oldest go"
    assert instance.losses()["execution_buffer_full"] == 10
    assert instance.more


def test_of_too_many_values_the_rest_are_one() -> None:
    counted, metrics = labelled.Labelled(), Metrics()
    for n in range(MOST_VALUES + 20):
        row = attempt(n)
        counted.note(row.uid, counted.series(f"tenant=t{n}"))
        counted.count(metrics, row)
    found = cells(metrics)
    assert len(found) == MOST_VALUES + 1
    assert found["label", "tenant", OTHER].ended == 20


def test_a_correction_is_booked_under_the_same_labels() -> None:
    counted, metrics = labelled.Labelled(), Metrics()
    row = attempt(1, State.INTERRUPTED)
    counted.note(row.uid, counted.series("tenant=a"))
    counted.count(metrics, row)
    counted.correct(metrics, row, row._replace(state=int(State.LOST)))
    (cell,) = cells(metrics).values()
    assert {state: n for state, n in cell.counts.items() if n} == {State.LOST: 1}


def test_machinery_is_in_nobodys_statistics() -> None:
    counted, metrics = labelled.Labelled(), Metrics()
    row = attempt(1)._replace(flags=tally.INFRASTRUCTURE)
    counted.note(row.uid, counted.series("tenant=a"))
    counted.count(metrics, row)
    assert cells(metrics) == {}


def attempt(n: int, state: State = State.SUCCESS) -> Attempt:
    """Return an end."""
    at = 1_700_000_000 * SECOND_US
    uid = b"ring-id." + n.to_bytes(4, "little")
    return Attempt(
        b"i" * 16, b"", b"", b"", b"", uid, "t", "q", "w", 1, int(state), 0, 0, 0, 0, at, at, 0, 1000, 10, 0, 0, "", "",
        "", "", "",
    )  # fmt: skip
