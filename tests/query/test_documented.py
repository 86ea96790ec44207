"""The examples in docs/api.md have the fields that the reader answers with, no more and no fewer."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

import pytest

from celery_monitor.query.reader import Reader
from celery_monitor.signals.record import State
from celery_monitor.store.connection import Store
from tests.analytics.rows import Scenario
from tests.parts import ROOT
from tests.query.counted import FINGERPRINT, counted, failed, hand_in
from tests.query.runs import NOW_US, Filled, log
from tests.store.batches import attempt


def examples(heading: str) -> list[Any]:
    """Return the JSON examples below a heading of the page."""
    page = (ROOT / "docs/api.md").read_text()
    section = re.split(r"^## ", page.split(f"## `GET {heading}`", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    return [json.loads(one) for one in re.findall(r"```json\n(.+?)\n```", section, re.DOTALL)]


@pytest.fixture
def told(store: Store) -> str:
    """A run in which a bit of everything happened; returns its id."""
    s = Scenario()
    s.publish("a")
    a = s.ran("a", 0.5, 2)
    for n in range(4):
        s.ran(f"x{n}", 2, 3, parent="a")
    s.plan("c", after="a", at=999)
    s.span(a, 1, 1, 1.5)
    s.wait(0.5, None)
    s.measure(512.0)
    s.ran("f", 3, 4, State.FAILURE, parent="a")
    s.label("session=s1&user=u1")
    filled = Filled(store)
    run = filled.take(s)
    filled.send(logs=[log(30, "hello", 1, a)])
    return run


def same(found: Any, documented: Any, free: Iterable[str] = ()) -> None:
    """Compare the keys of objects, at every depth where both have some; at the first one both must."""
    assert found
    _same(found, documented, free)


def _same(found: Any, documented: Any, free: Iterable[str]) -> None:
    if isinstance(documented, dict) and "…" not in documented and documented and isinstance(found, dict):
        assert found.keys() == documented.keys()
        for key in documented.keys() - set(free):
            _same(found[key], documented[key], free)
    if isinstance(documented, list) and documented and found:
        _same(found[0], documented[0], free)


def test_runs(store: Store, told: str) -> None:
    reader, free = Reader(store), {"labels", "states"}
    (row,) = examples("/runs")
    same(reader.runs(now_us=NOW_US)["runs"][0], row, free)
    one, columns = examples("/runs/{id}")
    found = reader.run(told, limit=2, now_us=NOW_US)
    assert found is not None
    for key in one.keys() - {"…", *row}:
        _same(found[key], one[key], free)
    assert found.keys() == row.keys() | one.keys() - {"…"}
    told_in_columns = reader.run(told, form="columns", now_us=NOW_US)
    assert told_in_columns is not None
    same(told_in_columns["executions"], columns, {"labels"})


def test_executions(store: Store, told: str) -> None:
    reader = Reader(store)
    (one,) = examples("/executions/{id}")
    (row, *_) = reader.executions(run=told, state="FAILURE", now_us=NOW_US)["executions"]
    same(row, one, {"arguments", "result"})
    same(reader.execution(row["id"], NOW_US), one, {"arguments", "result"})


def test_logs(store: Store, told: str) -> None:
    (page,) = examples("/runs/{id}/logs` and `GET /executions/{id}/logs")
    found = Reader(store).run_logs(told, now_us=NOW_US)
    assert found["logs"]
    same(found, page)


def test_waits_and_labels(store: Store, told: str) -> None:
    reader = Reader(store)
    (page,) = examples("/waits?state=open")
    found = reader.waits(now_us=NOW_US)
    assert found["waits"]
    same(found, page)
    (one,) = examples("/labels/{key}/{value}")
    same(reader.label("session", "s1", now_us=NOW_US), one, {"outcomes"})


def test_tasks_failures_quantiles_and_logs(store: Store) -> None:
    rows = [attempt(n, at_us=NOW_US - n * 1_000_000) for n in range(100)]
    rows += [attempt(n, at_us=NOW_US - 5000 * 1_000_000) for n in range(100, 102)]
    rows += [failed(200 + n, 5, worker="celery@b", workflow="daily", at_us=NOW_US) for n in range(6)]
    hand_in(store, counted(1, rows), now_us=NOW_US)
    reader = Reader(store)
    (page,) = examples("/tasks?window=24h")
    same(reader.task_names("1h", NOW_US), page, {"errors"})
    (one,) = examples("/tasks/{name}?window=24h")
    found = reader.task("shop.charge", "1h", NOW_US)
    assert found is not None
    for key in one.keys() - {"…"}:
        _same(found[key], one[key], ())
    assert found.keys() == {"window"} | one.keys() - {"…"} | page["tasks"][0].keys()
    (kinds,) = examples("/failures?window=24h")
    same(reader.failures("1h", now_us=NOW_US), kinds)
    (one,) = examples("/failures/{fingerprint}?window=24h")
    found = reader.failure(FINGERPRINT, "1h", NOW_US)
    assert found is not None
    for key in one.keys() - {"…"}:
        _same(found[key], one[key], ())
    assert found.keys() == {"window"} | one.keys() - {"…"} | kinds["failures"][0].keys()
    (asked,) = examples("/quantiles?series=task:shop.charge&measure=runtime&q=0.5,0.9,0.999&window=24h")
    same(reader.quantiles("task:shop.charge", "runtime", "0.5,0.9,0.999", "1h", NOW_US), asked)


def test_searched_logs(store: Store, told: str) -> None:
    (page,) = examples("/logs")
    found = Reader(store).logs(now_us=NOW_US)
    assert found["logs"]
    same(found, page)
