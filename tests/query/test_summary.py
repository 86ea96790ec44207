from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from celery_monitor.alerts import ledger
from celery_monitor.alerts.rules import DEFAULTS
from celery_monitor.alerts.state import step
from celery_monitor.brokers.sampler import sample
from celery_monitor.errors import BadRequest, StoreTooNew
from celery_monitor.live_state import Pace
from celery_monitor.model import Batch
from celery_monitor.query.reader import Reader
from celery_monitor.signals.record import State
from celery_monitor.store import broker, inbox, live
from celery_monitor.store.connection import Store
from celery_monitor.store.fold import fold
from celery_monitor.store.report import UNDECODABLE
from tests.store.batches import NOW_US, agent, attempt, batch, cell_of, count, gauge, publish

SECOND = 1_000_000


def documented() -> dict[str, Any]:
    """The example of docs/api.md."""
    text = Path("docs/api.md").read_text("utf-8")
    found = re.search(r"```json\n(\{\n  \"namespace\".*?\n\})\n```", text, re.DOTALL)
    assert found
    example: dict[str, Any] = json.loads(found[1])
    example["tasks"][0] |= {"revoked": 0, "lost": 0}  # as in totals
    return example


def busy_shop(store: Store) -> Batch:
    """Send a batch in which everything the summary shows occurs, and the states of its agent."""
    rows = [attempt(n, at_us=NOW_US - n * SECOND) for n in range(20)]
    rows += [attempt(30, state=int(State.FAILURE), exception="PaymentDeclined", at_us=NOW_US - SECOND)]
    rows += [attempt(31, state=int(State.RETRY), at_us=NOW_US - SECOND), attempt(32, task="shop.mail", queue="mail")]
    made = batch(1, rows, [publish(n, at_us=NOW_US - n * SECOND) for n in range(33)])
    for name, workflow_rows in (("shop.fetch", rows[:5]), ("shop.charts", rows[5:20])):
        for row in workflow_rows:
            count(made, row, ("step", "daily_report", name))
    count(made, rows[0], ("workflow", "daily_report"))
    cell_of(made, NOW_US, ("infra", "celery_monitor.tick")).counts[1] = 7
    gauge(made, NOW_US - 2 * SECOND, ("queue", "payments"), backlog=212.0, oldest_s=41.0, unacked=12.0, consumers=2.0)
    gauge(made, NOW_US, ("worker", "celery@a"), busy=4.0, slots=8.0, cpu_percent=50.0)
    running = {
        "uid": "00" * 12, "id": "0b9e2f6c-1111-4222-8333-444455556666", "run": "11" * 16, "task": "shop.report",
        "queue": "payments", "pid": 901, "started_us": NOW_US - 250 * SECOND,
    }  # fmt: skip
    inbox.send(store, made, agent(running=[running]))
    pace: Pace = {
        "agents": 1, "folded_us": NOW_US - 3 * SECOND, "by": agent()["boot"], "role": "worker", "interval_s": 5.0,
        "queues": [],
    }  # fmt: skip
    live.set_pace(store, pace)
    return made


def same_shape(found: Any, documented: Any, at: str = "summary") -> None:
    """The documented keys, no more and no fewer, and values of the documented kinds."""
    if isinstance(documented, dict):
        if documented and documented.keys() != {"…"} and not at.endswith(("errors", "dropped")):
            assert found.keys() == documented.keys(), at
            for key, value in documented.items():
                same_shape(found[key], value, f"{at}.{key}")
    elif isinstance(documented, list) and documented and isinstance(documented[0], dict):
        assert found, at
        same_shape(found[0], documented[0], f"{at}[0]")
    elif isinstance(documented, str) or found is None or documented is None:
        assert found is None or isinstance(found, str | int | float), at
    elif isinstance(documented, float):
        assert isinstance(found, int | float), at
    else:
        assert isinstance(found, type(documented)), at


def test_the_summary_has_the_documented_shape(store: Store) -> None:
    busy_shop(store)
    inbox.send(store, batch(2, [attempt(40, at_us=NOW_US - 4000 * SECOND)]), None)
    state = step(DEFAULTS["backlog"], "payments", 212.0, None, NOW_US)
    assert state
    ledger.write(store, {("backlog", "payments"): state}, [])

    found = Reader(store).summary("1h", NOW_US)

    same_shape(found, documented())
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize("folded", [False, True])
def test_the_figures_are_the_same_before_and_after_the_fold(store: Store, folded: bool) -> None:
    busy_shop(store)
    if folded:
        fold(store, NOW_US)

    found = Reader(store).summary("15m", NOW_US)

    totals = found["totals"]
    assert (totals["published"], totals["ended"], totals["succeeded"]) == (33, 23, 21)
    assert (totals["failed"], totals["retried"], totals["other"], totals["running"]) == (1, 1, 0, 1)
    assert totals["success_ratio"] == round(21 / 22, 6)
    assert totals["runtime_seconds"]["p95"] == pytest.approx(0.1, rel=0.02)
    assert found["lifetime"] | {"since": None} == {
        "published": 33, "ended": 23, "succeeded": 21, "failed": 1, "retried": 1, "revoked": 0, "lost": 0,
        "since": None,
    }  # fmt: skip
    for name in ("published", "succeeded", "failed", "retried"):
        assert sum(found["series"][name]) == totals[name]
    assert max(found["series"]["backlog"], key=lambda v: v or 0) == 212.0
    assert 0.5 in found["series"]["busy_ratio"]


def test_tasks_queues_workers_and_workflows_are_told_apart(store: Store) -> None:
    busy_shop(store)

    found = Reader(store).summary("1h", NOW_US)

    charge, mail = found["tasks"]
    assert (charge["task"], charge["queues"], charge["ended"]) == ("shop.charge", ["payments"], 22)
    assert sum(charge["spark"]) == 22
    assert charge["errors"] == {"PaymentDeclined": 1}
    assert charge["memory_peak_bytes"] == 51_200 * 1024
    assert charge["last_at"] == "2025-11-20T12:00:03.000000Z"
    assert (mail["task"], mail["ended"]) == ("shop.mail", 1)
    lonely, payments = found["queues"]
    assert (lonely["queue"], lonely["backlog"], lonely["consumers"]) == ("mail", None, 0)
    assert (payments["backlog"], payments["oldest_seconds"], payments["held"], payments["unacked"]) == (
        212,
        41.0,
        3,
        12,
    )
    assert (payments["consumers"], payments["ended"], payments["spark"][-1]) == (2, 22, 212.0)
    (worker,) = found["workers"]
    assert (worker["worker"], worker["state"], worker["ended"], worker["failed"]) == ("celery@a", "ok", 23, 1)
    assert (worker["busy"], worker["prefetched"], worker["running"][0]["seconds"]) == (1, 3, 250.0)
    assert (worker["host_memory_ratio"], worker["host_disk_ratio"]) == (0.55, 0.4)
    (report,) = found["workflows"]
    assert [(s["step"], s["share"], s["ended"]) for s in report["steps"]] == [
        ("shop.charts", 0.75, 15),
        ("shop.fetch", 0.25, 5),
    ]


def test_rates_are_of_the_time_since_the_first_record_and_of_a_minute_at_least(store: Store) -> None:
    made = batch(1, [attempt(n, at_us=NOW_US - n * SECOND) for n in range(600)])
    inbox.send(store, made, agent())
    reader = Reader(store)

    told = [
        reader.summary("1h", NOW_US)["totals"],
        reader.task_names("24h", NOW_US)["tasks"][0],
        reader.task("shop.charge", "7d", NOW_US)["queues"][0],  # type: ignore[index]
    ]
    for row in told:
        assert row["rate_per_second"] * 600 == pytest.approx(600, rel=0.03)
    at_first = reader.summary("1h", NOW_US - 595 * SECOND)["totals"]
    assert at_first["rate_per_second"] == pytest.approx(at_first["ended"] / 60)


def test_infrastructure_is_in_nobodys_totals(store: Store) -> None:
    busy_shop(store)

    text = json.dumps(Reader(store).summary("1h", NOW_US))

    assert "celery_monitor.tick" not in text


def test_the_period_before_is_compared(store: Store) -> None:
    fold(store, NOW_US - 7200 * SECOND)
    inbox.send(store, batch(1, [attempt(n, at_us=NOW_US - 4000 * SECOND) for n in range(5)]), None)
    inbox.send(store, batch(2, [attempt(9)]), None)

    found = Reader(store).summary("1h", NOW_US)

    assert found["totals"]["ended"] == 1
    assert found["compare"]["ended"] == 5
    assert Reader(store).summary("15m", NOW_US)["compare"] is None


def test_the_rate_of_a_period_before_is_of_the_time_since_the_first_record(store: Store) -> None:
    """In the first hours after the installation nothing has doubled."""
    rows = [attempt(n, at_us=NOW_US - n * 10 * SECOND) for n in range(540)]
    inbox.send(store, batch(1, rows), agent())
    reader = Reader(store)
    for found in (reader.summary("1h", NOW_US), reader.task("shop.charge", "1h", NOW_US)):
        assert found
        assert found["compare"]["rate_per_second"] == pytest.approx(0.1, rel=0.02)
        assert found["compare"]["ended"] < 200


def test_a_new_store_is_empty_and_an_old_fold_is_stale(store: Store) -> None:
    reader = Reader(store)
    assert reader.summary("1h", NOW_US)["state"] == "empty"

    inbox.send(store, None, agent(role="flower"))
    assert reader.summary("1h", NOW_US)["state"] == "empty"

    busy_shop(store)
    assert reader.summary("1h", NOW_US)["state"] == "ok"

    late = reader.summary("1h", NOW_US + 31 * SECOND)
    assert late["state"] == "stale"
    assert "nothing was folded for 34 s" in late["reasons"][0]["text"]


def test_where_ticks_are_a_minute_apart_a_fold_of_a_minute_ago_is_not_old(store: Store) -> None:
    busy_shop(store)
    pace = live.pace(store)
    assert pace
    live.set_pace(store, {**pace, "folded_us": NOW_US - 65 * SECOND, "interval_s": 60.0})
    assert Reader(store).summary("1h", NOW_US)["state"] == "ok"
    assert Reader(store).summary("1h", NOW_US + 120 * SECOND)["state"] == "stale"


def test_a_broker_that_does_not_answer_is_a_reason_as_long_as_that_is_so(store: Store) -> None:
    busy_shop(store)
    app = Celery("shop", broker="amqp://127.0.0.1:1//")
    app.conf.broker_transport_options = {"max_retries": 0}
    found = sample(app, ["payments", "mail"], NOW_US)
    look: Any = {"at_us": NOW_US, "notes": {name: of.note for name, of in found.items()}, "interval_s": 10.0}
    broker.write(store, look)

    told = Reader(store).summary("1h", NOW_US)
    assert told["state"] == "warning"
    assert re.fullmatch(
        r"broker not readable: .*refused.*: what waits in the queues is not known", told["reasons"][0]["text"]
    )

    broker.write(store, {**look, "notes": {**look["notes"], "mail": "mail: no such queue"}})
    assert Reader(store).summary("1h", NOW_US)["state"] == "ok", "it answered for one"
    broker.write(store, {**look, "at_us": NOW_US - 300 * SECOND})
    assert Reader(store).summary("1h", NOW_US)["state"] == "ok", "nobody has looked since"


def test_what_was_lost_hours_ago_is_counted_and_no_warning_any_more(store: Store) -> None:
    busy_shop(store)
    lost = agent(dropped={"ring full": 3}, dropped_us=NOW_US - 60 * SECOND)
    inbox.send(store, None, lost)
    store.client.hset(store.keys.skipped, UNDECODABLE, 1)
    pace = live.pace(store)
    assert pace

    def told(undecodable_s: int, dropped_s: int) -> tuple[str, list[str], int]:
        live.set_pace(store, {**pace, "undecodable_us": NOW_US - undecodable_s * SECOND})
        inbox.send(store, None, {**lost, "dropped_us": NOW_US - dropped_s * SECOND})
        found = Reader(store).summary("1h", NOW_US)
        assert (found["health"]["skipped_entries"], found["health"]["dropped"]) == (1, {"ring full": 3})
        return found["state"], [r["text"] for r in found["reasons"]], found["checks"]["total"] - found["checks"]["ok"]

    assert told(60, 7200) == ("warning", ["1 entry could not be decoded"], 1)
    assert told(7200, 60) == ("ok", [], 1)
    assert told(7200, 7200) == ("ok", [], 0)


def test_a_firing_alert_is_the_state_of_the_whole_and_of_its_subject(store: Store) -> None:
    busy_shop(store)
    states = {}
    for rule, subject, value in (("backlog", "payments", 212.0), ("worker_lost", "celery@a", 99.0)):
        state = step(DEFAULTS[rule], subject, value, None, NOW_US)
        assert state
        states[rule, subject] = state
    ledger.write(store, states, [])

    found = Reader(store).summary("1h", NOW_US)

    assert found["state"] == "critical"
    assert [(r["state"], r["subject"]) for r in found["reasons"]] == [("critical", "celery@a"), ("warning", "payments")]
    assert {q["queue"]: q["state"] for q in found["queues"]} == {"payments": "warning", "mail": "ok"}
    assert found["workers"][0]["state"] == "warning"
    assert found["checks"]["ok"] == found["checks"]["total"] - 2


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({}, "ok"),
        ({"at_us": NOW_US - 13 * SECOND}, "ok"),
        ({"at_us": NOW_US - 14 * SECOND}, "lost"),
        ({"at_us": NOW_US - 99 * SECOND, "goodbye": True}, "stopped"),
    ],
)
def test_a_worker_is_lost_when_silent_and_stopped_when_it_said_so(store: Store, fields: dict, state: str) -> None:
    inbox.send(store, None, agent(**fields))

    assert Reader(store).summary("1h", NOW_US)["workers"][0]["state"] == state


def test_a_worker_that_was_started_again_is_listed_once(store: Store) -> None:
    inbox.send(store, None, agent(at_us=NOW_US - 90 * SECOND))
    inbox.send(store, None, agent(b"the second start", started_us=NOW_US - 5 * SECOND, pid=900))
    inbox.send(store, None, agent(b"a process of web", role="producer", hostname="producer@a"))

    (worker,) = Reader(store).summary("1h", NOW_US)["workers"]

    assert (worker["pid"], worker["state"]) == (900, "ok")


def test_health_says_what_was_dropped_and_by_whom(store: Store) -> None:
    busy_shop(store)
    inbox.send(store, None, agent(dropped={"ring full": 3}, notes=["ring in anonymous memory"]))
    inbox.send(store, None, agent(b"other-boot-bytes", dropped={"ring full": 1}, notes=["ring in anonymous memory"]))

    found = Reader(store).health(NOW_US)

    assert found["dropped"] == {"ring full": 4}
    assert found["notes"] == ["celery@a and 1 more: ring in anonymous memory"]
    assert (found["agents"], found["ticker"], found["fold_lag_seconds"]) == (2, "celery@a", 3.0)
    assert (found["schema"], found["store"]) == (1, "ok")


def test_reading_changes_nothing(store: Store) -> None:
    busy_shop(store)
    fold(store, NOW_US)
    inbox.send(store, batch(2, [attempt(50)]), None)
    before = {key: store.client.dump(key) for key in store.client.scan_iter()}
    reader = Reader(store)

    reader.summary("1h", NOW_US)
    reader.executions()
    reader.execution("0b9e2f6c-1111-4222-8333-444455556666")
    reader.lifetime(NOW_US)
    reader.queues_now(NOW_US)
    reader.health()

    assert {key: store.client.dump(key) for key in store.client.scan_iter()} == before


def test_the_small_verbs_agree_with_the_summary(store: Store) -> None:
    busy_shop(store)
    reader = Reader(store)

    assert reader.queues_now(NOW_US) == {
        "payments": {"backlog": 212.0, "oldest_s": 41.0, "unacked": 12.0, "consumers": 2.0}
    }
    assert reader.queues_now(NOW_US + 400 * SECOND) == {}
    assert reader.queue_names(NOW_US) == ["mail", "payments"]
    assert {name: cell.ended for name, cell in reader.tasks(300, NOW_US).items()} == {"shop.charge": 22, "shop.mail": 1}
    assert [a["hostname"] for a in reader.latest()] == ["celery@a"]
    assert reader.alerts() == []


def test_a_bad_window_and_a_newer_store_are_named(store: Store) -> None:
    with pytest.raises(BadRequest, match="5x"):
        Reader(store).summary("5x")
    store.client.hset(store.keys.meta, "min_read", 9)
    with pytest.raises(StoreTooNew):
        Reader(store).summary()
