"""Runs as the API shows them: pages of what is over and of what is active, and one run with everything in it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from celery_monitor.analytics.judged import Rows, text_of
from celery_monitor.details import RunState
from celery_monitor.errors import BadRequest
from celery_monitor.query import runs
from celery_monitor.query.reader import Reader
from celery_monitor.query.times import iso
from celery_monitor.signals.record import Flag, State, pack_id, unpack_id
from celery_monitor.store.connection import Store
from tests.analytics.rows import Scenario, id_, us
from tests.query.runs import NOW_US, Filled, log, order
from tests.store.batches import task_id


@pytest.fixture
def filled(store: Store) -> Filled:
    return Filled(store)


def pages(store: Store, **filters: Any) -> Iterator[list[str]]:
    reader, cursor = Reader(store), None
    while True:
        found = reader.runs(now_us=NOW_US, cursor=cursor, **filters)
        yield [run["id"] for run in found["runs"]]
        cursor = found["next"]
        if cursor is None:
            return


def listed(store: Store, **filters: Any) -> list[str]:
    return [one for page in pages(store, **filters) for one in page]


def settled(filled: Filled, number: int, at: float = 0.0, **fields: Any) -> str:
    s = order(number, at, **fields)
    run = filled.take(s)
    filled.settle(s)
    return run


class TestPages:
    def test_what_is_over_and_what_is_active_come_newest_first(self, filled: Filled) -> None:
        old, new = settled(filled, 1, at=10), settled(filled, 2, at=20)
        open_ = Scenario()
        open_.publish("z", 5)
        active = filled.take(open_)

        assert listed(filled.store) == [active, new, old]
        assert list(pages(filled.store, limit=1)) == [[active], [new], [old]]

    def test_a_row_shows_what_a_run_came_to(self, filled: Filled) -> None:
        settled(filled, 1, end=State.FAILURE)

        (row,) = Reader(filled.store).runs(now_us=NOW_US)["runs"]

        assert row | {"labels": None} == {
            "id": text_of(task_id(1)), "workflow": "order", "root_task": "shop.a", "state": "FAILED",
            "progress": 1.0, "published_at": iso(us(0)), "started_at": iso(us(0.1)), "ended_at": iso(us(2)),
            "duration_seconds": 1.9, "turnaround_seconds": 2.0, "known": 2, "completed": 2, "failed": 1, "errors": 1,
            "retries": 0, "queue_wait_seconds": 0.02, "cpu_seconds": 0.002, "memory_peak_bytes": 2 * 1024 * 1024,
            "span_count": 0,
            "bottleneck": {"step": "shop.a", "duration_seconds": 0.9, "percentage_of_total": 47.37}, "labels": None,
            "continues_run_id": None, "revision": 1, "sampled": None, "partial_run": False,
            "tasks": ["shop.a", "shop.b"], "workers": ["celery@a"], "queues": ["default"],
        }  # fmt: skip

    def test_filters_let_through_what_they_name(self, filled: Filled) -> None:
        one = settled(filled, 1, at=10)
        two = settled(filled, 2, at=20, workflow="report", worker="celery@b")
        three = settled(filled, 3, at=30, end=State.FAILURE)
        store = filled.store

        assert listed(store, workflow="report") == listed(store, worker="celery@b") == [two]
        assert listed(store, state="failed") == [three]
        assert listed(store, state="SUCCEEDED", since=iso(us(15))) == [two]
        assert listed(store, until=iso(us(15))) == [one]
        assert listed(store, workflow="nobody") == listed(store, state="RUNNING") == []

    @pytest.mark.parametrize("key", ["session", "colour"])
    def test_runs_are_found_by_label_whether_it_is_indexed_or_not(self, filled: Filled, key: str) -> None:
        found = []
        for number in range(1, 7):
            s = order(number, at=number)
            s.rows.labels.clear()
            s.label(f"{key}=s{number % 2}&user=a%26b+c", at=number)
            s.rows.labels[:] = [told._replace(run=s.rows.run) for told in s.rows.labels]
            run = filled.take(s, folded=number < 6)
            if number < 4:
                filled.settle(s)
            found.append(run)

        # The last one is not folded: nobody counts it as active yet.
        assert set(listed(filled.store, label=f"{key}:s1")) == {found[0], found[2], found[4]}
        assert set(listed(filled.store, label="user:a&b+c")) >= set(found[:5])

    def test_a_run_that_was_over_and_is_open_again_stands_there_once(self, filled: Filled) -> None:
        s = order(1)
        run = filled.take(s)
        filled.settle(s)
        late = Scenario()
        late.publish("z", 500, parent="b1", run=s.rows.run)
        filled.take(late)

        (row,) = Reader(filled.store).runs(now_us=NOW_US)["runs"]

        assert (row["id"], row["state"], row["known"], row["revision"]) == (run, "RUNNING", 3, 2)

    def test_only_the_last_revision_of_a_run_is_shown(self, filled: Filled) -> None:
        s = order(1)
        run = filled.take(s)
        filled.settle(s)
        s.ran("z", 3, 50, parent="b1", run=s.rows.run)
        filled.send(attempts=s.rows.attempts[-1:])
        filled.settle(s, revision=2)

        assert listed(filled.store) == [run]
        assert Reader(filled.store).runs(now_us=NOW_US)["runs"][0]["revision"] == 2

    def test_pages_neither_skip_nor_double_runs_of_one_moment(self, filled: Filled) -> None:
        for number in range(1, 24):
            settled(filled, number)
        found = listed(filled.store, limit=4)
        assert len(found) == len(set(found)) == 23

    @pytest.mark.parametrize(
        ("filters", "says"),
        [
            ({"state": "GREAT"}, "state: 'GREAT' is none; give one of RUNNING"),
            ({"label": "user"}, "label: 'user' is none; give key:value"),
            ({"cursor": "!"}, "cursor: '!' is none"),
        ],
    )
    def test_bad_filters_are_named(self, store: Store, filters: dict[str, str], says: str) -> None:
        with pytest.raises(BadRequest, match=says):
            Reader(store).runs(**filters)


class TestOne:
    def test_a_run_has_its_tree_plan_spans_waits_and_totals(self, filled: Filled) -> None:
        s = Scenario()
        s.publish("a")
        a = s.ran("a", 0.5, 2)
        s.ran("b", 2.5, 4, State.FAILURE, parent="a")
        s.plan("c", after="b", group="G")
        s.span(a, 1, 1, 1.5, api="duckduckgo", api_status=200, api_us=200_000, attributes='{"q": 1}')
        s.wait(0.5, 1.5, of=a)
        s.measure(512.0)
        s.label("user=u1", workflow="daily", description="every morning")
        s.label("step=1", name="a")
        run = filled.take(s)

        found = Reader(filled.store).run(run, now_us=NOW_US)

        assert found is not None
        json.dumps(found, allow_nan=False)
        assert (found["id"], found["workflow"], found["description"]) == (run, "daily", "every morning")
        assert (found["state"], found["progress"], found["labels"]) == ("FAILED", 0.6667, {"user": "u1"})
        first, second = found["executions"]
        assert (first["id"], first["labels"], first["on_path"]) == (unpack_id(id_("a")), {"step": "1"}, True)
        assert second["attempts"][0]["parent_uid"] == first["attempts"][0]["uid"] == a.uid.hex()
        assert second["attempts"][0]["exception"]["type"] == "ValueError"
        assert found["path"] == [first["attempts"][0]["uid"], second["attempts"][0]["uid"]]
        assert [(p["task"], p["state"], p["after_id"]) for p in found["planned"]] == [
            ("shop.c", "UNREACHED", unpack_id(id_("b")))
        ]
        assert found["spans"][0] | {"span": "search", "duration_seconds": 0.5, "api": "duckduckgo"} == found["spans"][0]
        assert (found["waits"][0]["wait"], found["waits"][0]["age_seconds"]) == ("approval", 1.0)
        assert (found["measures"][0]["measure"], found["measures"][0]["sum"]) == ("tokens", 512.0)
        assert found["totals"] | {"known": 3, "completed": 2, "failed": 1, "success_ratio": 0.5} == found["totals"]
        assert found["bottleneck"]["step"] == "shop.a"
        assert found["folded"] == []

    def test_no_execution_is_left_out_of_what_is_folded(self, store: Store, filled: Filled) -> None:
        s = Scenario()
        s.ran("a", 0, 1)
        for n in range(600):  # chains of two: 500 of the first steps are shown, and have one that is not behind each
            s.ran(f"x{n}", 1, 2, parent="a")
            s.ran(f"y{n}", 3, 4, parent=f"x{n}")
        found = Reader(store).run(filled.take(s), limit=500, now_us=NOW_US)
        assert found is not None
        assert [(f["task"], f["after"]) for f in found["folded"]] == [("shop.y", "shop.x"), ("shop.x", None)]
        assert sum(f["count"] for f in found["folded"]) + len(found["executions"]) == 1201

    def test_a_run_nobody_knows_is_none(self, store: Store) -> None:
        assert Reader(store).run("0b9e2f6c-1111-4222-8333-444455556666", now_us=NOW_US) is None

    def test_a_task_on_its_own_is_a_run_of_one(self, filled: Filled) -> None:
        s = Scenario()
        s.ran("a", 0, 1, id=pack_id("order-17"), run=b"", workflow="")
        filled.take(s)
        found = Reader(filled.store).run("order-17", now_us=NOW_US)
        assert found is not None
        assert (found["state"], found["known"], found["executions"][0]["id"]) == ("SUCCEEDED", 1, "order-17")

    def test_what_a_worker_says_it_runs_is_part_of_its_run(self, filled: Filled) -> None:
        s = Scenario()
        s.ran("a", 0, 1)
        s.running("b", 2, parent="a")
        found = Reader(filled.store).run(filled.take(s), now_us=NOW_US)
        assert found is not None
        assert [(e["state"], e["attempts"][0]["state"]) for e in found["executions"]] == [
            ("SUCCESS", "SUCCESS"),
            ("STARTED", "STARTED"),
        ]
        assert found["state"] == "RUNNING"

    def test_an_open_wait_is_shown_with_its_age(self, filled: Filled) -> None:
        s = Scenario()
        s.ran("a", 0, 1)
        s.wait(900, None)
        found = Reader(filled.store).run(filled.take(s), now_us=NOW_US)
        assert found is not None
        assert (found["state"], found["waits"][0]["state"], found["waits"][0]["age_seconds"]) == (
            "RUNNING",
            "open",
            100,
        )

    def test_thousands_of_executions_are_answered_bounded(self, filled: Filled) -> None:
        s = Scenario()
        s.ran("a", 0, 1)
        for n in range(10_000):
            s.ran(f"x{n}", 1, 2 + n % 7, State.FAILURE if n == 4711 else State.SUCCESS, parent="a", group="G")
        for at in range(0, len(s.rows.attempts), 5000):
            filled.send(attempts=s.rows.attempts[at : at + 5000])

        found = Reader(filled.store).run(text_of(s.rows.run), limit=50, now_us=NOW_US)

        assert found is not None
        assert len(json.dumps(found)) < 100_000
        assert (found["known"], len(found["executions"])) == (10_001, 50)
        assert {"a", "x4711"} <= {pack_id(e["id"]).rstrip(b".").decode() for e in found["executions"]}
        assert sum(group["count"] for group in found["folded"]) == 10_001 - 50

    def test_a_run_whose_rows_have_expired_shows_what_it_came_to(self, filled: Filled) -> None:
        s = order(1)
        run = text_of(s.rows.run)
        filled.settle(s)
        found = Reader(filled.store).run(run, now_us=NOW_US)
        assert found is not None
        assert (found["expired"], found["state"], found["known"], found["executions"]) == (True, "SUCCEEDED", 2, [])

    def test_retries_beyond_twenty_are_counted_and_the_newest_shown(self, filled: Filled) -> None:
        s = Scenario()
        for n in range(30):
            s.ran("a", n, n + 0.5, State.RETRY if n < 29 else State.SUCCESS, retries=n)
        found = Reader(filled.store).run(filled.take(s), now_us=NOW_US)
        assert found is not None
        (execution,) = found["executions"]
        assert (execution["attempt_count"], len(execution["attempts"]), execution["attempts"][-1]["retries"]) == (
            30,
            20,
            29,
        )


class TestLogs:
    def test_records_come_oldest_first_from_a_level_on_page_by_page(self, filled: Filled) -> None:
        s = order(1)
        a, b = s.rows.attempts
        run = filled.take(s)
        filled.send(logs=[log(30, "late", 1.9, b), log(20, "early", 0.2, a)])
        filled.send(logs=[log(40, "worse", 1.95, b)], folded=False)
        reader = Reader(filled.store)

        assert [r["message"] for r in reader.run_logs(run, now_us=NOW_US)["logs"]] == ["early", "late", "worse"]
        page = reader.run_logs(run, level="warning", limit=1, now_us=NOW_US)
        assert [(r["message"], r["level"]) for r in page["logs"]] == [("late", "WARNING")]
        page = reader.run_logs(run, level="warning", limit=1, cursor=page["next"], now_us=NOW_US)
        assert ([r["message"] for r in page["logs"]], page["next"]) == (["worse"], None)
        assert [r["message"] for r in reader.execution_logs(unpack_id(a.id), now_us=NOW_US)["logs"]] == ["early"]
        with pytest.raises(BadRequest, match="level: 'loud' is none; give one of DEBUG"):
            reader.run_logs(run, level="loud", now_us=NOW_US)


class TestMany:
    def test_many_runs_are_judged_at_once_as_one_by_one(self, filled: Filled) -> None:
        ids = []
        for number in range(1, 61):
            s = order(number, at=number, end=State.FAILURE if number % 3 == 0 else State.SUCCESS)
            filled.take(s, folded=number < 50)
            ids.append(s.rows.run)

        found = runs.judged(filled.store, [*ids, b"nobody-knows-it."], NOW_US)

        assert sorted(found) == sorted(ids)
        failed = [n for n, run in enumerate(ids, 1) if found[run].state is RunState.FAILED]
        assert failed == list(range(3, 61, 3))
        for run in ids[::7]:
            assert runs.judged(filled.store, [run], NOW_US)[run] == found[run]

    def test_a_block_that_is_broken_hides_only_itself(self, filled: Filled) -> None:
        filled.take(order(1))
        filled.store.client.set(filled.store.keys.executions.block(1), b"broken")
        assert runs.judged(filled.store, [task_id(1)], NOW_US) == {}


def test_machinery_is_shown_and_marked(filled: Filled) -> None:
    s = Scenario()
    s.ran("a", 0, 1)
    s.ran("u", 1, 2, flags=int(Flag.INFRASTRUCTURE), task="celery.chord_unlock")
    found = Reader(filled.store).run(filled.take(s), now_us=NOW_US)
    assert found is not None
    assert [(e["task"], e["infrastructure"]) for e in found["executions"]] == [
        ("shop.a", False),
        ("celery.chord_unlock", True),
    ]
    assert found["known"] == 1


def test_reading_many_runs_costs_microseconds_per_row(filled: Filled, record_property: Any) -> None:
    """Prints the figure; nothing hangs on it."""
    scenarios = [order(number, at=number / 100) for number in range(1, 1001)]
    tables: dict[str, list[Any]] = {"attempts": [], "publishes": [], "plans": []}
    for s in scenarios:
        for name, table in tables.items():
            table += getattr(s.rows, name)
    filled.send(**tables)
    started = time.perf_counter()
    found = runs.judged(filled.store, [s.rows.run for s in scenarios], NOW_US)
    taken = time.perf_counter() - started
    record_property("us_per_row", taken * 1e6 / sum(map(len, tables.values())))
    print(f"{taken * 1e6 / sum(map(len, tables.values())):.1f} us per row, {taken * 1e3:.0f} ms for 1000 runs")
    assert all(run.state is RunState.SUCCEEDED for run in found.values())
    assert len(found) == 1000
    assert Rows(b"x" * 16).runs == []
