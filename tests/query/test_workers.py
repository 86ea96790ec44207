"""The state of a worker, and why; its figures with the recorded fleet; the hosts that the fleet runs on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from celery_monitor.agent import tally
from celery_monitor.agent.usage import FAILED_GROWTH
from celery_monitor.alerts.ledger import firing
from celery_monitor.analytics.leaks import Growth
from celery_monitor.errors import BadRequest
from celery_monitor.live_state import AgentState
from celery_monitor.model import Batch
from celery_monitor.query import hosts as hosts_page
from celery_monitor.query import resources, workers
from celery_monitor.query.reader import Reader
from celery_monitor.store import fold, inbox, lease, live
from celery_monitor.store import workers as book
from celery_monitor.store.connection import Store
from tests import fleet
from tests.query.test_documented import examples, same

SECOND = 1_000_000
NOW_US = 1_800_000_000 * SECOND


def agent(**more: Any) -> AgentState:
    """A worker with 4 slots and one task, that took nothing for 70 s."""
    state = fleet.worker(NOW_US, prefetched={}, prefetch_limit=16, taken_us=NOW_US - 70 * SECOND)
    return {**state, **more}  # type: ignore[typeddict-item]


def waits(*least: float) -> dict[str, list[tuple[int, float]]]:
    """Backlogs of the queue `payments`, sampled every 10 s until now."""
    first = NOW_US - 10 * SECOND * (len(least) - 1)
    return {"payments": [(first + 10 * SECOND * n, each) for n, each in enumerate(least)]}


def state(waiting: dict[str, list[tuple[int, float]]], **more: Any) -> str:
    return workers.condition(agent(**more), NOW_US, waiting)[0]


def test_a_worker_that_takes_nothing_while_its_queue_is_never_empty_is_a_zombie() -> None:
    found, why = workers.condition(agent(), NOW_US, waits(5, 7, 9, 8, 7, 6, 9, 9, 9))
    assert found == "zombie"
    assert why == "it took nothing for 70 s with 3 free slots, and payments never emptied"


def test_how_long_its_queue_was_empty_before_does_not_matter() -> None:
    idle = agent(taken_us=NOW_US - 3600 * SECOND, slots=2)
    assert workers.condition(idle, NOW_US, waits(*[0] * 50, 1, 2, 3, 4, 5, 6)) == ("ok", None)
    found, why = workers.condition(idle, NOW_US, waits(*[0] * 50, 1, 2, 3, 4, 5, 6, 7))
    assert found == "zombie"
    assert why == "it took nothing for 60 s with 1 free slot, and payments never emptied"


@pytest.mark.parametrize(
    ("waiting", "more"),
    [
        (waits(5, 7, 9, 5, 0, 9, 8, 7), {}),  # somebody empties it: there was nothing left to take
        (waits(5, 7, 9, 8, 7, 6, 9, 0), {}),
        (waits(9), {}),  # one sample is no proof
        (waits(5, 7, 9), {}),  # for 20 s, no minute
        ({"others": waits(*[9] * 8)["payments"]}, {}),
        (waits(*[9] * 8), {"taken_us": NOW_US - 10 * SECOND}),
        (waits(*[9] * 8), {"slots": 1}),
        (waits(*[9] * 8), {"prefetched": {"payments": 15}}),  # it may hold no more: a rate limit does that
        (waits(*[9] * 8), {"taken_us": NOW_US - 10 * SECOND + 60 * SECOND, "clock_us": 60 * SECOND, "clock_error_us": 1,
                           "at_us": NOW_US}),
    ],
)  # fmt: skip
def test_a_worker_that_has_nothing_to_take_or_no_room_is_none(
    waiting: dict[str, list[tuple[int, float]]], more: dict[str, Any]
) -> None:
    assert state(waiting, **more) != "zombie"


def test_a_clock_that_is_off_by_more_than_five_seconds_is_a_state_of_its_own() -> None:
    assert state({}, clock_us=4_900_000) == "ok"
    assert workers.condition(agent(clock_us=-7_500_000), NOW_US, {}) == (
        "skewed",
        "its clock is 7.5 s behind the store's",
    )
    assert state({}, clock_us=7_000_000, clock_error_us=3_000_000) == "ok"  # the answer took too long to tell


def test_silence_is_lost_and_a_goodbye_is_none() -> None:
    silent = NOW_US - 60 * SECOND
    assert workers.condition(agent(at_us=silent), NOW_US, {}) == (
        "lost",
        "silent for 60 s, and it said no goodbye",
    )
    assert workers.condition(agent(at_us=silent, goodbye=True), NOW_US, {}) == ("stopped", "it said goodbye")


def test_a_warning_says_which_alerts_about_the_worker_or_its_host_fire() -> None:
    alerts = [
        {"rule": "host_memory", "subject": "a", "state": "firing", "severity": "warning", "text": "a: 91 % used"},
        {"rule": "host_cpu", "subject": "a", "state": "pending", "severity": "warning", "text": "a: busy"},
        {"rule": "success_share", "subject": "celery@a", "state": "firing", "severity": "warning", "text": "a task"},
    ]
    assert workers.condition(agent(), NOW_US, {}, firing(alerts)) == ("warning", "a: 91 % used")
    assert workers.condition(agent(), NOW_US, {}, firing(alerts[1:])) == ("ok", None)
    overdue = {"rule": "worker_lost", "subject": "celery@a", "state": "firing", "severity": "critical", "text": "late"}
    assert workers.condition(agent(), NOW_US, {}, firing([overdue, *alerts])) == ("warning", "late; a: 91 % used")


@pytest.fixture
def recorded(store: Store) -> Iterator[Reader]:
    """The small fleet, one of its children at work, one dead; a worker that is gone since hours."""
    fleet.record(store)
    now_us = lease.now_us(store)
    process = {
        "pid": 901, "cpu_percent": 50.0, "rss_bytes": 100, "uss_bytes": 60, "threads": 1, "fds": 9, "switches": 3,
        "involuntary_switches": 1, "read_bytes": 0, "written_bytes": 4096, "started_us": now_us - 50 * SECOND,
    }  # fmt: skip
    more = {
        "children": [process, {**process, "pid": 902}], "main": {**process, "pid": 812}, "build": "abc123",
        "exits": {"recycled": 3, "SIGKILL": 1}, "prefetch_limit": 16, "taken_us": now_us,
        "deaths": [{"pid": 900, "at_us": now_us, "exit": "SIGKILL", "code": -9,
                    "running": [{"id": "i0", "task": "shop.mail", "started_us": now_us}]}],
    }  # fmt: skip
    inbox.send(store, None, fleet.worker(now_us, **more))
    beat = fleet.worker(now_us, role="beat", hostname="beat@a", boot="cd" * 16, running=[], children=[])
    inbox.send(store, None, beat)
    batch = Batch(bytes.fromhex(fleet.BOOT), 2, "a", now_us)
    for name, value in (("cpu_percent", 61.0), ("rss_bytes", 500.0), ("busy", 1.0), ("slots", 4.0)):
        tally.gauge(batch.metrics, ("worker", "celery@a"), name, value, now_us)
    tally.gauge(batch.metrics, ("host", "a"), "cpu_percent", 70.0, now_us)
    inbox.send(store, batch, None)
    fold.fold(store, now_us)
    old = fleet.worker(now_us - 7200 * SECOND, hostname="celery@old", boot="ef" * 16, running=[], build="abc")
    book.write(store, [*live.agents(store), old], now_us, 86_400.0)
    yield Reader(store)


def test_rows_keep_what_the_summary_says_and_add_slots_lives_and_ends(recorded: Reader, store: Store) -> None:
    now_us = lease.now_us(store)
    row, gone = recorded.workers("1h", now_us)["workers"]
    (plain,) = recorded.summary("1h", now_us)["workers"]
    assert {key: row[key] for key in plain} == plain
    assert (row["slots"], row["busy"], row["free"], row["prefetched"], row["prefetch_limit"]) == (4, 1, 3, 3, 16)
    assert (row["exits"], row["build"], row["restarts"]) == ({"recycled": 3, "SIGKILL": 1}, "abc123", 0)
    assert (gone["worker"], gone["state"], gone["build"], gone["uptime_seconds"]) == ("celery@old", "lost", "abc", None)
    assert gone.keys() == row.keys()


def test_one_worker_shows_what_each_child_runs_and_how_the_others_ended(recorded: Reader) -> None:
    found = recorded.worker("celery@a", "1h")
    assert found is not None
    first, second = found["children"]
    assert (first["pid"], first["task"]["task"], first["uss_bytes"]) == (901, "shop.mail", 60)
    assert second["task"] is None
    (death,) = found["deaths"]
    assert (death["exit"], death["running"][0]["task"]) == ("SIGKILL", "shop.mail")
    assert found["totals"]["ended"] == 140
    series = found["series"]
    assert sum(series["ended"]) == 140
    assert len({len(points) for points in series.values()}) == 1
    assert [value for value in series["cpu_percent"] if value is not None] == [61.0]
    assert [value for value in series["runtime_p95"] if value is not None] == [pytest.approx(0.08, rel=0.02)]
    assert len(found["lives"]) == 1
    assert recorded.worker("celery@unknown", "1h") is None


def test_of_a_worker_that_is_forgotten_nobody_knows_whether_it_said_goodbye(recorded: Reader, store: Store) -> None:
    store.client.delete(store.keys.live, store.keys.workers)
    found = recorded.worker("celery@a", "1h")
    assert found
    assert (found["state"], found["note"]) == ("stopped", "only its history is left")


def test_one_run_that_failed_is_one_run() -> None:
    def told(runs: int) -> str:
        return str(resources._note(Growth(20, 0.0, 0.0, beside=runs), {FAILED_GROWTH: 300.0 * runs}))

    assert told(1).startswith("a run that did not succeed took 300 KiB and is left out: ")
    assert told(2).startswith("2 runs that did not succeed took 300 KiB each and are left out: ")


def test_a_host_is_counted_once_with_its_processes_by_role(recorded: Reader, store: Store) -> None:
    (row,) = recorded.hosts()["hosts"]
    assert (row["host"], row["state"], row["workers"]) == ("a", "ok", ["celery@a"])
    assert {role: of["count"] for role, of in row["processes"].items() if of["count"]} == {
        "worker": 1, "child": 2, "beat": 1,
    }  # fmt: skip
    assert row["processes"]["child"] == {"count": 2, "cpu_percent": 100.0, "rss_bytes": 200}
    apart = fleet.worker(
        lease.now_us(store), hostname="celery@c", host="c", boot="aa" * 16, cpu_percent=3.0, rss_bytes=7
    )
    inbox.send(store, None, apart)
    both = recorded.hosts()
    assert [each["host"] for each in both["hosts"]] == ["a", "c"]
    assert both["processes"]["child"] == row["processes"]["child"]
    assert both["processes"]["worker"] == {"count": 2, "cpu_percent": 53.0, "rss_bytes": 107}
    found = recorded.host("a", "1h")
    assert found is not None
    assert [value for value in found["series"]["cpu_percent"] if value is not None] == [70.0]
    assert recorded.host("b", "1h") is None


def test_what_a_worker_that_is_gone_said_of_its_host_is_told_only_where_nobody_else_is_left() -> None:
    machine: Any = agent()["machine"]
    gone = agent(boot="01", at_us=NOW_US - 900 * SECOND, goodbye=True, machine={**machine, "cpu_percent": 99.0})
    web = agent(boot="02", role="producer", hostname="web@a", machine={**machine, "cpu_percent": 7.0})
    (row,) = hosts_page.rows([gone, web], NOW_US)
    assert (row["state"], row["cpu_percent"]) == ("ok", 7.0)
    (row,) = hosts_page.rows([gone], NOW_US)
    assert (row["state"], row["cpu_percent"]) == ("gone", 99.0)


def test_the_documented_examples_have_these_fields(recorded: Reader) -> None:
    (page,) = examples("/workers?window=1h")
    (row, _), (plain,) = recorded.workers("1h")["workers"], recorded.summary("1h")["workers"]
    documented = page["workers"][0]
    assert row.keys() - plain.keys() == documented.keys() - {"…", "worker", "state"}
    (one,) = examples("/workers/{hostname}?window=1h")
    found = recorded.worker("celery@a", "1h")
    assert found is not None
    assert found.keys() - row.keys() == one.keys() - {"…", "worker", "state"}
    same({key: found[key] for key in one.keys() - {"…"}}, {key: one[key] for key in one.keys() - {"…"}}, {"children"})
    assert found["children"][0].keys() == one["main"].keys()
    (hosts,) = examples("/hosts")
    same({"hosts": recorded.hosts()["hosts"]}, {"hosts": hosts["hosts"]}, {"processes", "limits"})
    assert recorded.hosts()["hosts"][0]["processes"].keys() == hosts["hosts"][0]["processes"].keys()
    (resources,) = examples("/resources?by=cpu&window=24h")
    same(recorded.resources("cpu", "1h"), resources)


def test_tasks_are_ranked_by_what_is_asked_for(recorded: Reader) -> None:
    rows = recorded.resources("time", "1h")["tasks"]
    assert [row["task"] for row in rows] == ["shop.charge", "shop.mail"]
    assert rows[0]["runtime_seconds"]["total"] == pytest.approx(8.0)
    assert rows[0]["runtime_seconds"]["share"] == pytest.approx(100 / 140, abs=1e-3)
    with pytest.raises(BadRequest, match="give one of cpu, memory, growth, io, network, time"):
        recorded.resources("money")
