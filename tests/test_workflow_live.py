"""Workflows, spans, waits, measures and logs across processes: real workers, real clients, one reader."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from celery_monitor import prometheus
from celery_monitor.query.reader import Reader
from celery_monitor.store.connection import Store
from tests.conftest import WorkerFactory
from tests.dump import dumped, leaks
from tests.signals.apart import apart
from tests.waiting import until

APP = "tests.flow_app:app"


def call(name: str, *args: Any, **named: Any) -> Any:
    return getattr(import_module("tests.flow_app"), name)(*args, **named)


def start_all(runs: list[tuple[str, dict[str, str]]]) -> list[str]:
    return [call("start", name, **labels) for name, labels in runs]


class Live:
    """The store of the app, and clients in processes of their own."""

    def __init__(self, url: str) -> None:
        self.env = {"CELERY_BROKER_URL": url, "CELERY_RESULT_BACKEND": url}
        self.store = Store.open(url, "flow")
        self.reader = Reader(self.store)

    def client(self, name: str, *args: Any, env: dict[str, str] | None = None) -> Any:
        """Return what a function of the app returns in a process of its own."""
        return apart(call, name, *args, env=self.env | (env or {}))

    def run(self, run_id: str, state: str, seconds: float = 60) -> dict[str, Any]:
        """Return a run when it has come to a state."""

        def there() -> dict[str, Any] | None:
            found = self.reader.run(run_id)
            return found if found and found["state"] == state else None

        return until(there, seconds=seconds, step=0.2, what=f"{run_id} is {state}") or {}


@pytest.fixture
def live(redis_url: str) -> Iterator[Live]:
    made = Live(redis_url)
    yield made
    made.store.close()


def test_name_labels_and_description_reach_what_is_published_later_in_other_processes(
    worker: WorkerFactory, live: Live
) -> None:
    worker(APP, concurrency=1, queues=["celery", "here"])
    worker(APP, concurrency=1, queues=["there"])
    asked = [("report", {"session": "s-1", "user": "anna@shop.example", "tier": tier}) for tier in ("free", "paid")]
    asked.append(("other", {"session": "s-2", "user": "anna@shop.example"}))
    runs = apart(start_all, asked, env=live.env)
    found = [live.run(run, "SUCCEEDED") for run in runs]

    report = found[0]
    assert Counter(e["task"] for e in report["executions"]) == {"flow.first": 1, "flow.second": 1, "flow.third": 1}
    assert (report["workflow"], report["totals"]["workers"]["count"]) == ("report", 2)
    assert report["description"] == "d" * 999 + "…"
    user = report["labels"].pop("user")
    assert report["labels"] == {"session": "s-1", "tier": "free"}
    assert all(e["labels"]["step"] == "first" for e in report["executions"]), "a task's label goes to its children too"
    assert (len(user), found[1]["labels"]["user"], found[2]["labels"]["user"]) == (16, user, user)

    session = live.reader.label("session", "s-1") or {}
    assert {run["id"] for run in session["runs"]} == set(runs[:2])
    assert session["tasks"] == [{"task": name, "runs": 2} for name in ("flow.first", "flow.second", "flow.third")]
    assert (live.reader.label("user", user) or {})["run_count"] == 3
    assert live.reader.label("session", "s-3") is None
    assert live.client("runs_of", "anna@shop.example") == 3, "who has the key finds them by the value"
    assert live.client("runs_of", "bob@shop.example") == 0
    until(
        lambda: [row["id"] for row in live.reader.runs(label="tier:paid")["runs"]] == [runs[1]],
        seconds=60, what="the one run of this tier is listed",
    )  # fmt: skip
    until(
        lambda: (live.reader.label("user", user) or {})["outcomes"] == {"SUCCEEDED": 3},
        seconds=60, what="each run of this user is over",
    )  # fmt: skip
    scraped, _ = prometheus.render(live.reader)
    assert b'celery_monitor_label_task_succeeded_total{label="tier",value="free"} 3.0' in scraped
    assert leaks([*dumped(live.store), scraped], ["anna@shop"]) == [], "the value never left the client"


def test_a_run_without_a_name_is_named_after_its_shape(worker: WorkerFactory, live: Live) -> None:
    worker(APP, concurrency=1, queues=["celery", "here"])
    ids = live.client("unnamed")

    def named() -> bool:
        rows = [live.reader.execution(task_id) or {} for task_id in ids]
        runs = [live.reader.run(row["run_id"]) or {} for row in rows if row]
        return [(run["workflow"], run["known"]) for run in runs if run] == [
            ("flow.third (chain)", 2), ("flow.third (group)", 2), ("flow.third (chord)", 3), (None, 1),
        ]  # fmt: skip

    until(named, seconds=60, step=0.2, what="four runs with the names of their shapes")


def test_each_time_that_a_task_comes_again_is_a_run_that_continues_the_one_before(
    worker: WorkerFactory, live: Live
) -> None:
    worker(APP, concurrency=1)
    first = live.client("watch")

    def over() -> list[dict[str, Any]]:
        rows = live.reader.runs(workflow="watch")["runs"]
        found = [live.reader.run(row["id"]) or {} for row in rows]
        return found if len(found) == 3 and all(run.get("state") == "SUCCEEDED" for run in found) else []

    found = until(over, seconds=60, step=0.2, what="three runs are over")
    after = {run["continues_run_id"]: run for run in found}
    chained = [after[None], after[first], after[after[first]["id"]]]
    assert chained[0]["id"] == first
    assert [(run["known"], run["labels"]) for run in chained] == [(1, {"tier": "free"})] * 3


def test_a_wait_begun_in_a_task_is_open_until_another_process_ends_it_and_a_run_that_is_over_takes_measures(
    worker: WorkerFactory, live: Live
) -> None:
    worker(APP, concurrency=1, queues=["celery", "here"])
    run = live.client("ask")
    opened = until(lambda: live.reader.waits(state="open")["waits"], seconds=60, what="the wait is open")
    assert [(w["wait"], w["run_id"], w["workflow"]) for w in opened] == [("approval", run, "ask")]
    assert opened[0]["age_seconds"] >= 0
    assert live.reader.summary()["waits"] == {"open": 1}
    live.run(run, "RUNNING")
    until(lambda: live.reader.summary()["runs"] == {"active": 1}, seconds=60, what="the run that waits is active")

    live.client("approve", run)
    until(
        lambda: (live.reader.run(run) or {})["known"] == 2, seconds=60, what="what came of the approval is in the run"
    )
    over = live.run(run, "SUCCEEDED")
    assert (over["workflow"], [e["task"] for e in over["executions"]]) == ("ask", ["flow.asks", "flow.third"])
    (ended,) = over["waits"]
    assert (ended["state"], ended["outcome"], ended["ended_by"]) == ("ended", "approved", "anna")
    assert over["totals"]["waits"] == [{"wait": "approval", "count": 1, "open": 0, "seconds": ended["age_seconds"]}]
    assert live.reader.summary()["waits"] == {"open": 0}
    until(lambda: live.reader.summary()["runs"] == {"active": 0}, seconds=60, what="no run is active")

    live.client("rate", run)
    until(lambda: (live.reader.run(run) or {})["measures"], seconds=60, what="the measure is there")
    (stars,) = live.run(run, "SUCCEEDED")["measures"]
    assert (stars["measure"], stars["kind"], stars["last"], stars["count"]) == ("stars", "gauge", 4.0, 1)


def test_a_wait_whose_worker_is_killed_is_abandoned(worker: WorkerFactory, live: Live, tmp_path: Path) -> None:
    killed = worker(APP, concurrency=1, env={"CELERY_MONITOR_CAPTURE_ARGUMENTS": "1"})
    there = tmp_path / "waits"
    run = live.client("hang", str(there))
    until(there.exists, seconds=60, what="the task waits")
    until(lambda: live.reader.waits(state="open")["waits"], seconds=60, what="the wait is open")
    killed.kill()

    worker(APP, concurrency=1, queues=["elsewhere"])
    until(lambda: not live.reader.waits(state="open")["waits"], seconds=90, step=0.2, what="nobody waits any more")
    found = live.run(run, "FAILED")
    (wait,) = found["waits"]
    assert (wait["wait"], wait["state"], wait["outcome"]) == ("delivery", "ended", "abandoned")
    (statistics,) = live.reader.waits(state="ended")["statistics"]
    assert (statistics["wait"], statistics["failure_count"]) == ("delivery", 1)
    (attempt,) = (live.reader.execution(found["executions"][0]["id"]) or {})["attempts"]
    assert (attempt["state"], attempt["arguments"]) == ("LOST", {"there": str(there)}), "known of the killed one too"


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_spans_and_measures_in_coroutines_and_threads_belong_to_their_task(
    worker: WorkerFactory, live: Live, pool: str
) -> None:
    worker(APP, pool=pool, concurrency=2)
    run, result = live.client("use_tools")
    assert result == 3
    found = live.run(run, "SUCCEEDED")
    names = {span["number"]: span["span"] for span in found["spans"]}
    assert Counter((span["span"], names.get(span["parent"])) for span in found["spans"]) == {
        ("plan", None): 1, ("fetch", "plan"): 3, ("compute", "plan"): 3, ("pool", None): 1, ("compute", "pool"): 2,
    }  # fmt: skip
    assert len({span["uid"] for span in found["spans"]}) == 1
    (tokens,) = found["measures"]
    assert (tokens["measure"], tokens["count"], tokens["sum"]) == ("tokens", 8, 233.0)


@pytest.mark.parametrize(
    ("env", "well", "badly"),
    [
        ({}, ["WARNING", "ERROR"], ["INFO", "WARNING", "ERROR"]),
        ({"CELERY_MONITOR_LOG_LEVEL": "ERROR"}, ["ERROR"], ["INFO", "WARNING", "ERROR"]),
    ],
    ids=["as it comes", "errors only"],
)
def test_log_records_are_kept_from_a_level_on_and_lesser_ones_of_what_ends_badly(
    worker: WorkerFactory, live: Live, env: dict[str, str], well: list[str], badly: list[str]
) -> None:
    worker(APP, concurrency=1, env=env)
    good, bad = live.client("say", env=env)

    def levels(task_id: str, **filters: Any) -> list[str]:
        return [row["level"] for row in live.reader.execution_logs(task_id, **filters)["logs"]]

    until(lambda: sorted(levels(bad)) == sorted(badly), seconds=60, what=f"{badly} of the bad one")
    until(lambda: levels(good) == well, seconds=60, what=f"{well} of the good one")
    assert levels(bad, level="ERROR") == ["ERROR"]
    (row,) = live.reader.execution_logs(bad, level="ERROR")["logs"]
    assert (row["message"], row["extra"], row["logger"]) == ("error of one that ends badly", {"shelf": 7}, "flow")
    execution = live.reader.execution(bad) or {}
    (attempt,) = execution["attempts"]
    assert (attempt["arguments"], attempt["result"]) == (None, None), "nobody has asked for them"
    run = execution["run_id"]
    assert sorted(r["level"] for r in live.reader.run_logs(run)["logs"]) == sorted(badly)


@pytest.mark.parametrize("env", [{"FLOW_BARE": "1"}, {"CELERY_MONITOR_ENABLED": "0"}], ids=["without", "disabled"])
def test_without_a_monitor_everything_does_nothing(worker: WorkerFactory, live: Live, env: dict[str, str]) -> None:
    process = worker(APP, concurrency=1, env=env)
    assert live.client("do_everything", env=env) == 3
    assert process.stop() == 0
    assert list(live.store.client.scan_iter("cm:*")) == []
