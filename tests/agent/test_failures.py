from __future__ import annotations

from celery_monitor.agent import failures, tally
from celery_monitor.model import Metrics
from celery_monitor.signals.record import Flag, State
from tests.query.counted import FINGERPRINT, failed


def counts(metrics: Metrics) -> dict[tuple[str, ...], dict[int, int]]:
    """Return the counts of all series of failures."""
    (cells,) = metrics.cells.values()
    return {series: cell.counts for series, cell in cells.items() if series[0].startswith("failure")}


def test_an_end_counts_by_what_it_is_and_where_it_was() -> None:
    metrics = Metrics()
    tally.count(metrics, failed(1, 0))
    once = {State.FAILURE: 1}
    assert counts(metrics) == {
        ("failure", FINGERPRINT, "PaymentDeclined", "card * declined"): once,
        ("failure_task", "shop.charge", "payments", FINGERPRINT): once,
        ("failure_worker", "celery@a", FINGERPRINT): once,
    }


def test_an_end_that_is_replaced_is_taken_back() -> None:
    metrics, row = Metrics(), failed(1, 0, state=int(State.INTERRUPTED), exception="SystemExit")
    tally.count(metrics, row)
    better = row._replace(state=int(State.FAILURE), exception="WorkerLostError", fingerprint="f" * 16)
    tally.correct(metrics, row, better)
    found = counts(metrics)
    assert found["failure", FINGERPRINT, "SystemExit", "card * declined"] == {State.INTERRUPTED: 0}
    assert found["failure", "f" * 16, "WorkerLostError", "card * declined"] == {State.FAILURE: 1}


def test_kinds_beyond_the_bound_of_a_batch_count_together() -> None:
    metrics = Metrics()
    for n in range(failures.MOST + 5):
        tally.count(metrics, failed(n, 0, fingerprint=f"{n:016x}", exception=f"E{n}"))
    found = {series: n[State.FAILURE] for series, n in counts(metrics).items() if series[0] == "failure"}
    assert len(found) == failures.MOST + 1
    assert found["failure", "(other)", "(other)", "(other)"] == 5
    assert sum(found.values()) == failures.MOST + 5


def test_machinery_and_ends_without_an_exception_are_no_failures() -> None:
    metrics = Metrics()
    tally.count(metrics, failed(1, 0, flags=int(Flag.INFRASTRUCTURE)))
    tally.count(metrics, failed(2, 0, exception="", fingerprint="", state=int(State.LOST)))
    assert counts(metrics) == {}
