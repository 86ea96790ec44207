"""Statistics of workflows, spans, waits and measures; waits that are open; everything about one label."""

from __future__ import annotations

from typing import Any

import pytest

from celery_monitor.details import Wait
from celery_monitor.errors import BadRequest
from celery_monitor.model import Batch, Cell
from celery_monitor.query.reader import Reader
from celery_monitor.query.times import iso
from celery_monitor.signals.record import State
from celery_monitor.store import inbox
from celery_monitor.store.connection import Store
from celery_monitor.store.fold import fold
from tests.analytics.rows import RUN, SECOND, us
from tests.query.runs import NOW_US, Filled, order

SERIES = {
    "workflow": ("workflow", "daily"),
    "fetch": ("step", "daily", "shop.fetch"),
    "charts": ("step", "daily", "shop.charts"),
    "other": ("step", "by hand", "shop.mail"),
    "span": ("span", "web_search", "tool"),
    "wait": ("wait", "approval"),
    "measure": ("measure", "tokens", "sum", ""),
    "label": ("label", "session", "s1"),
}


def cell(*seconds: float, failed: int = 0, retried: int = 0) -> Cell:
    """Return a cell of executions that took so long."""
    made = Cell()
    made.counts = {State.SUCCESS: len(seconds) - failed, State.FAILURE: failed, State.RETRY: retried}
    for value in seconds:
        made.runtime.add(round(value * SECOND))
    return made


@pytest.fixture(params=["tail", "folded"])
def reader(store: Store, request: pytest.FixtureRequest) -> Reader:
    """A reader of cells ten seconds old, in the inbox or in a tier."""
    made = Batch(b"boot-of-an-agent", 1, "host-a", NOW_US)
    cells = {
        "workflow": cell(8.0, 10.0, failed=1, retried=3),
        "fetch": cell(1.0, 1.0, retried=1),
        "charts": cell(2.0, 4.0, failed=1),
        "other": cell(0.5),
        "span": cell(0.2, 0.4, 0.6, failed=1),
        "wait": cell(60.0),
        "measure": cell(512.0, 488.0),
        "label": cell(3.0),
    }
    cells["workflow"].turnaround.add(9 * SECOND)
    made.metrics.cells = {NOW_US // 10_000_000 * 10 - 10: {SERIES[name]: of for name, of in cells.items()}}
    inbox.send(store, made, None)
    if request.param == "folded":
        fold(store, NOW_US)
    return Reader(store)


def test_a_workflow_counts_its_runs_and_one_without_any_its_attempts(reader: Reader) -> None:
    found = reader.workflows("1h", NOW_US)
    daily, by_hand = found["workflows"]
    assert daily == {
        "workflow": "daily", "counts": "runs", "execution_count": 2, "success_count": 1, "failure_count": 1,
        "retry_count": 3, "success_rate": 0.5, "total_seconds": 18.0, "min_seconds": 8.0, "max_seconds": 10.0,
        "avg_seconds": 9.0, "p50_seconds": pytest.approx(8.0, rel=0.02), "p95_seconds": pytest.approx(10.0, rel=0.02),
        "p99_seconds": pytest.approx(10.0, rel=0.02), "last_execution_at": daily["last_execution_at"],
        "turnaround_seconds": {"avg": 9.0, "p50": 9.0, "p95": 9.0}, "sampled": False, "spark": daily["spark"],
    }  # fmt: skip
    assert daily["spark"][-1] == sum(daily["spark"]) == 2
    assert iso(NOW_US - 20 * SECOND) < daily["last_execution_at"] <= iso(NOW_US)
    assert (by_hand["workflow"], by_hand["counts"], by_hand["execution_count"]) == ("by hand", "attempts", 1)
    assert by_hand["turnaround_seconds"]["p50"] is None
    assert found["window"]["seconds"] == 3600


def test_steps_have_their_share_of_their_workflows_time(reader: Reader) -> None:
    found = reader.workflow_steps("daily", "1h", NOW_US)
    assert found is not None
    assert [(s["step"], s["share"], s["execution_count"], s["retry_count"]) for s in found["steps"]] == [
        ("shop.charts", 0.75, 2, 0),
        ("shop.fetch", 0.25, 2, 1),
    ]
    one = reader.workflow("daily", "1h", NOW_US)
    assert one is not None
    assert (one["steps"], one["counts"], one["runs"]) == (found["steps"], "runs", [])
    assert reader.workflow("nobody", "1h", NOW_US) is None
    assert reader.workflow_steps("nobody", "1h", NOW_US) is None


def test_windows_are_clamped_and_say_so(reader: Reader) -> None:
    assert reader.workflows("365d", NOW_US)["window"]["clamped"] == "365d is longer than anything is kept: 92d"
    with pytest.raises(BadRequest, match="window: '5x'"):
        reader.spans("5x", NOW_US)


def test_spans_and_measures_have_statistics_of_their_own(reader: Reader) -> None:
    (span,) = reader.spans("1h", NOW_US)["spans"]
    assert (span["span"], span["kind"], span["execution_count"], span["failure_count"]) == ("web_search", "tool", 3, 1)
    assert (span["total_seconds"], span["success_rate"]) == (1.2, pytest.approx(0.666667))
    (measure,) = reader.measures("1h", NOW_US)["measures"]
    assert (measure["measure"], measure["kind"], measure["unit"]) == ("tokens", "sum", None)
    assert (measure["count"], measure["sum"], measure["avg"], measure["max"]) == (2, 1000.0, 500.0, 512.0)


class TestWaits:
    def wait(self, number: int, begun: float, ended: float | None = None, name: str = "approval") -> Wait:
        end = us(ended) if ended else 0
        key = number.to_bytes(16, "big")
        return Wait(
            b"", RUN, b"", key, name, "", "daily", end or us(begun), us(begun), end, "approved" if end else "", "anna"
        )  # fmt: skip

    def test_open_ones_come_first_with_their_age_then_the_newest_that_ended(self, store: Store, reader: Reader) -> None:
        waits = [
            self.wait(1, 10, 900),
            self.wait(2, 20, 950),
            self.wait(3, 30),
            self.wait(4, 40),
            self.wait(5, 1, 2, "x"),
        ]
        Filled(store).send(waits=waits)

        found = reader.waits(now_us=NOW_US)
        assert [(w["state"], w["age_seconds"]) for w in found["waits"]] == [
            ("open", 960.0), ("open", 970.0), ("ended", 930.0), ("ended", 890.0), ("ended", 1.0),
        ]  # fmt: skip
        assert (found["open"], found["statistics"][0]["wait"]) == (2, "approval")
        assert found["waits"][2] | {"outcome": "approved", "ended_by": "anna", "wait": "approval"} == found["waits"][2]
        assert [w["state"] for w in reader.waits(state="open", now_us=NOW_US)["waits"]] == ["open", "open"]
        assert [w["wait"] for w in reader.waits(name="x", now_us=NOW_US)["waits"]] == ["x"]
        assert reader.summary("1h", NOW_US)["waits"] == {"open": 2}

    def test_they_are_paged(self, store: Store, reader: Reader) -> None:
        waits = [self.wait(n, n, None if n % 2 else 500 + n) for n in range(1, 10)]
        Filled(store).send(waits=waits)

        found, cursor = [], None
        while True:
            page = reader.waits(limit=2, cursor=cursor, now_us=NOW_US)
            found += [(w["state"], w["begun_at"]) for w in page["waits"]]
            cursor = page["next"]
            if cursor is None:
                break

        assert found == [("open", iso(us(n))) for n in (9, 7, 5, 3, 1)] + [("ended", iso(us(n))) for n in (8, 6, 4, 2)]


class TestLabels:
    def labelled(self, filled: Filled, number: int, **fields: Any) -> None:
        s = order(number, at=number, **fields)
        s.label("session=s1&user=u1", at=number)
        s.rows.labels[:] = [told._replace(run=s.rows.run) for told in s.rows.labels]
        filled.take(s)
        if number < 3:
            filled.settle(s)

    def test_a_session_is_found_again_with_its_runs_outcomes_and_tasks(self, store: Store, reader: Reader) -> None:
        filled = Filled(store)
        self.labelled(filled, 1)
        self.labelled(filled, 2, end=State.FAILURE)
        self.labelled(filled, 3)

        found = reader.label("session", "s1", window="1h", limit=2, now_us=NOW_US)

        assert found is not None
        assert (found["first_at"], found["last_at"]) == (iso(us(1)), iso(us(5)))
        assert (found["run_count"], found["outcomes"]) == (3, {"SUCCEEDED": 2, "FAILED": 1})
        assert found["tasks"] == [{"task": "shop.a", "runs": 3}, {"task": "shop.b", "runs": 3}]
        assert [run["started_at"] for run in found["runs"]] == [iso(us(3.1)), iso(us(2.1))]
        assert found["statistics"]["execution_count"] == 1
        assert (reader.label("user", "u1", now_us=NOW_US) or {})["statistics"] is None
        assert reader.label("session", "nobody", now_us=NOW_US) is None

    def test_a_label_of_one_execution_leads_to_its_run(self, store: Store, reader: Reader) -> None:
        filled = Filled(store)
        s = order(1)
        s.label("user=u7", at=1, name="a1")
        s.rows.labels[:] = [told._replace(run=s.rows.run) for told in s.rows.labels]
        filled.take(s)
        found = reader.label("user", "u7", now_us=NOW_US)
        assert found is not None
        assert (found["run_count"], found["execution_count"]) == (1, 1)

    def test_keys_that_are_not_indexed_are_refused(self, reader: Reader) -> None:
        with pytest.raises(BadRequest, match="monitor_identity_labels has correlation, session, user"):
            reader.label("colour", "red", now_us=NOW_US)
