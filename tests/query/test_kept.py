"""What a run that is over came to is reckoned once, and again when something else is heard of it."""

from __future__ import annotations

from typing import Any

from celery_monitor.analytics.judged import Rows
from celery_monitor.query.kept import Kept, version
from celery_monitor.query.reader import Reader
from celery_monitor.store.connection import Store
from tests.analytics.rows import Scenario, id_
from tests.query.runs import NOW_US, Filled

HOUR = 3_600_000_000


def asked(reader: Reader, run: str, **of: Any) -> dict[str, Any]:
    found = reader.run(run, **{"now_us": NOW_US, **of})
    assert found
    return found


def test_the_answer_about_a_run_that_is_over_is_given_again(store: Store) -> None:
    s = Scenario()
    s.ran("a", 0, 1)
    s.wait(0.5, 2)
    run, reader = Filled(store).take(s), Reader(store)
    first = asked(reader, run)
    assert asked(reader, run, now_us=NOW_US + HOUR) is first
    assert asked(reader, run, form="columns") is not first
    assert asked(Reader(store), run, now_us=NOW_US + HOUR) == first


def test_news_of_a_run_make_another_answer(store: Store) -> None:
    s, filled, reader = Scenario(), Filled(store), Reader(store)
    s.ran("a", 0, 1)
    run = filled.take(s)
    assert asked(reader, run)["known"] == 1
    late = Scenario()
    late.ran("b", 1, 2, parent="a", uid=b"another one!")
    filled.take(late)
    assert asked(reader, run)["known"] == 2
    assert asked(reader, run)["state"] == "SUCCEEDED"


def test_what_goes_on_is_reckoned_each_time(store: Store) -> None:
    s, reader = Scenario(), Reader(store)
    s.ran("a", 0, 1)
    s.wait(900, None)
    run = Filled(store).take(s)
    ages = [asked(reader, run, now_us=now)["waits"][0]["age_seconds"] for now in (NOW_US, NOW_US + HOUR)]
    assert ages == [100, 3700]


def test_a_run_that_a_worker_runs_has_no_version() -> None:
    s = Scenario()
    s.ran("a", 0, 1)
    assert version(s.rows) == version(s.rows) is not None
    s.running("b", 2)
    assert version(s.rows) is None
    assert version(Rows(id_("a"))) != version(Rows(id_("a"), labels=s.rows.labels, plans=[], attempts=s.rows.attempts))


def test_so_many_steps_are_kept_and_no_more() -> None:
    kept = Kept(most_steps=100)
    for n in range(3):
        kept.put(n, 1, {"n": n}, 40)
    assert [kept.get(n, 1) for n in range(3)] == [None, {"n": 1}, {"n": 2}]
    assert kept.get(1, 2) is None
    kept.put("more than all", 1, {}, 101)
    assert kept.get("more than all", 1) is kept.get(2, 1) is None
