"""A run's executions as columns say the same as the objects do."""

from __future__ import annotations

from typing import Any

import pytest

from celery_monitor.errors import BadRequest
from celery_monitor.query.reader import Reader
from celery_monitor.query.times import iso, parse_iso
from celery_monitor.signals.record import State
from celery_monitor.store.connection import Store
from tests.analytics.rows import Scenario
from tests.query.runs import NOW_US, Filled

TIMES = {"published_at", "started_at", "ended_at"}
TEXTS = {"id", "task", "state", "reason", "queue", "parent_id", "group_id", "uid", "parent_uid", "worker"}


def a_bit_of_everything() -> Scenario:
    s = Scenario()
    s.publish("a", 0.25)
    s.ran("a", 0.5, 1, State.RETRY)
    s.ran("a", 2, 3.125, hold_us=20_000)
    s.ran("b", 4, 5, State.FAILURE, parent="a", group="G", exception="ValueError", message="no")
    s.publish("w", 6, parent="a")
    s.running("r", 7, parent="b")
    s.label("attempted=twice", name="b")
    return s


def as_objects(told: dict[str, Any]) -> list[dict[str, Any]]:
    """Read columns as docs/api.md describes them."""

    def value(name: str, written: Any) -> Any:
        if name in TEXTS:
            return None if written is None else told["texts"][written]
        if name in TIMES:
            return None if written is None else iso(parse_iso("since", told["since"]) + written * 1000)
        return written

    def rows(columns: dict[str, Any]) -> list[dict[str, Any]]:
        assert len({len(column) for column in columns.values()}) == 1
        return [
            {name: value(name, one) for name, one in zip(columns, row, strict=True)}
            for row in zip(*columns.values(), strict=True)
        ]

    found = rows({name: told[name] for name in told.keys() - {"since", "texts", "attempts"}})
    for each in found:
        each["attempts"] = []
    for attempt in rows(told["attempts"]):
        found[attempt.pop("execution")]["attempts"].append(attempt)
    return found


def test_columns_say_what_objects_say(store: Store) -> None:
    run = Filled(store).take(a_bit_of_everything())
    objects, columns = (Reader(store).run(run, form=form, now_us=NOW_US) for form in ("objects", "columns"))
    assert objects
    assert columns
    assert len(objects["executions"]) == 4
    assert as_objects(columns.pop("executions")) == objects.pop("executions")
    assert columns == objects


def test_a_text_that_many_have_is_told_once(store: Store) -> None:
    s = Scenario()
    s.ran("a", 0, 1)
    for n in range(50):
        s.ran(f"x{n}", 1, 2, parent="a", group="G")
    found = Reader(store).run(Filled(store).take(s), form="columns", now_us=NOW_US)
    assert found
    texts = found["executions"]["texts"]
    assert len(texts) == len(set(texts))
    assert texts.count("shop.x") == 1


def test_ten_thousand_come_one_by_one_in_columns_alone(store: Store) -> None:
    s = Scenario()
    s.ran("a", 0, 1)
    for n in range(600):
        s.ran(f"x{n}", 1, 2, parent="a")
    run = Filled(store).take(s)
    objects, columns = (Reader(store).run(run, limit=10_000, form=f, now_us=NOW_US) for f in ("objects", "columns"))
    assert objects
    assert columns
    assert (len(objects["executions"]), len(columns["executions"]["id"])) == (500, 601)
    assert (len(objects["folded"]), columns["folded"]) == (1, [])


def test_another_form_is_refused_with_those_there_are(store: Store) -> None:
    with pytest.raises(BadRequest, match="objects, columns"):
        Reader(store).run("x", form="rows")
