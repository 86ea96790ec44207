"""Every example runs, and what it published is recorded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from celery_monitor.cli.tally import recorded
from celery_monitor.query.reader import Reader
from celery_monitor.store.connection import Store
from tests.conftest import WorkerFactory
from tests.parts import ROOT
from tests.waiting import until

EXAMPLES = ROOT / "examples"


def run(code: str, folder: Path, url: str, extra: Mapping[str, str] | None = None) -> None:
    """Run a line as its README does, in the example's folder."""
    environment = {
        **os.environ,
        "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}",
        "CELERY_BROKER_URL": url,
        **(extra or {}),
    }
    subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=folder, env=environment, check=True)


def wait_for(url: str, namespace: str, expected: Mapping[str, int]) -> None:
    store = Store.open(url, namespace)
    reader = Reader(store)
    try:
        until(lambda: recorded(reader.lifetime()) == Counter(expected), seconds=30, what=f"{expected} recorded")
    finally:
        store.close()


def test_the_smallest_app_records_its_task(worker: WorkerFactory, redis_url: str) -> None:
    folder = EXAMPLES / "minimal"
    worker("tasks", cwd=folder, concurrency=1)
    run("from tasks import add; add.delay(2, 3)", folder, redis_url)
    wait_for(redis_url, "minimal", {"tasks.add": 1})


def test_a_django_project_records_its_task(worker: WorkerFactory, redis_url: str) -> None:
    folder = EXAMPLES / "django"
    environment = {"SITE_REDIS_URL": redis_url}
    worker("mysite", cwd=folder, concurrency=1, env=environment)
    code = "import django; django.setup(); from mysite.tasks import greet; greet.delay('you')"
    run(code, folder, redis_url, {"DJANGO_SETTINGS_MODULE": "mysite.settings", **environment})
    wait_for(redis_url, "mysite", {"mysite.tasks.greet": 1})


def test_the_ledger_counts_what_is_published_and_nothing_of_the_machinery(tmp_path: Path, redis_url: str) -> None:
    ledger = tmp_path / "ledger"
    code = (
        "from shop.app import app; from shop import orders, media;"
        "orders.place(1); media.upload(list(range(17)));"
        "app.send_task('celery_monitor.tick', queue='orders');"
        "app.send_task('celery.chord_unlock', queue='orders')"
    )
    run(code, EXAMPLES, redis_url, {"SHOP_LEDGER": str(ledger), "SHOP_REDIS_URL": redis_url})
    sys.path.insert(0, str(EXAMPLES))
    try:
        from shop.ledger import published
    finally:
        sys.path.remove(str(EXAMPLES))
    expected = {"shop.orders.validate": 1, "shop.media.thumbnail": 1, "celery.starmap": 2}
    assert published(ledger) == Counter(expected)


def test_the_shops_orders_and_reports_read_as_a_person_would_tell_them(worker: WorkerFactory, redis_url: str) -> None:
    env = {"SHOP_REDIS_URL": redis_url}
    worker("shop.app", cwd=EXAMPLES, concurrency=2, queues=["orders", "payments", "mail", "reports"], env=env)
    run("from shop.app import app; from shop import orders, reports; orders.place(15); reports.nightly()",
        EXAMPLES, redis_url, env)  # fmt: skip
    reader = Reader(Store.open(redis_url, "shop", identity_labels=["customer"]))
    over = {"SUCCEEDED", "FAILED", "PARTIAL"}

    def told() -> dict[str, Any] | None:
        rows = {row["workflow"]: row for row in reader.runs()["runs"] if row["state"] in over}
        return rows if len(rows) == 2 else None

    rows = until(told, seconds=60, step=0.2, what="an order and a report are over") or {}
    report = reader.run(rows["nightly_report"]["id"]) or {}
    assert (report["state"], report["description"]) == ("SUCCEEDED", "Sales by region, on the desk at eight.")
    assert Counter(e["task"] for e in report["executions"]) == {
        "shop.reports.extract": 4, "shop.reports.charts": 4, "shop.reports.publish": 1
    }  # fmt: skip
    assert report["bottleneck"]["step"] in {"shop.reports.charts", "shop.reports.extract"}
    assert Counter(span["span"] for span in report["spans"]) == {"sales": 4}

    order = reader.run(rows["order"]["id"]) or {}
    assert (order["root_task"], order["labels"]) == ("shop.orders.validate", {"customer": "c15"})
    assert order["totals"]["known"] == 5, "what a failure leaves unpublished was planned"
    assert order["totals"]["api_calls"] == order["totals"]["spans"]
    assert [row["id"] for row in (reader.label("customer", "c15") or {})["runs"]] == [order["id"]]


QUESTIONS = {
    "where is order 17?": "s-812",
    "what is the weather on 6 * 7 islands?": "s-812",
    "a refund for order 18 please": "s-812",
    "where is order 99?": "s-900",
}


@pytest.fixture
def paid(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """What the assistant's model costs for all questions, by (session, measure); from a run of it without Celery."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    from agent import model, tools

    paid: Counter[Any] = Counter()
    session = ""

    def measure(name: str, value: float, **_: Any) -> None:
        paid[session, name] += value

    monkeypatch.setattr(model, "measure", measure)
    for question, its in QUESTIONS.items():
        session = its
        model.write(question, [tools.use(step.tool, step.argument, 1) for step in model.plan(question)])
    yield paid
    for name in [name for name in sys.modules if name.partition(".")[0] == "agent"]:
        del sys.modules[name]


def test_an_assistants_session_is_found_again_with_its_tools_and_its_cost(
    worker: WorkerFactory, redis_url: str, paid: Counter[Any]
) -> None:
    env = {"AGENT_REDIS_URL": redis_url}
    worker("agent.app", cwd=EXAMPLES, concurrency=2, env=env)

    def command(module: str, *words: str) -> str:
        environment = {**os.environ, "PYTHONPATH": f"{EXAMPLES}{os.pathsep}{ROOT}", **env}
        words = (sys.executable, "-W", "error", "-m", f"agent.{module}", *words)
        return subprocess.run(words, cwd=EXAMPLES, env=environment, check=True, stdout=subprocess.PIPE).stdout.decode()

    runs = {
        question: command("ask", question, "--session", session, "--user", "anna", "--tier", "paid").strip()
        for question, session in QUESTIONS.items()
    }
    asks = runs["a refund for order 18 please"]
    until(lambda: asks in command("approve"), seconds=60, step=0.2, what="a refund waits for a person")
    command("approve", asks, "--by", "bob")

    def over() -> Any:
        found = json.loads(command("session", "s-812", "--json"))
        return found if {one["state"] for one in found["questions"]} == {"SUCCEEDED"} else None

    found = until(over, seconds=60, step=0.2, what="every question is answered")
    assert f"{found['tokens']:.0f} tokens, {found['usd']} USD" in command("session", "s-812")
    assert {one["run"]: one["question"] for one in found["questions"]} == {
        run: question for question, run in runs.items() if QUESTIONS[question] == "s-812"
    }
    assert found["tools"] == {
        "calculator (success)": 1, "order_lookup (success)": 2, "web_search (failure)": 1, "web_search (success)": 3
    }  # fmt: skip
    assert found["tokens"] == paid["s-812", "tokens"] > 0
    assert found["usd"] == pytest.approx(paid["s-812", "cost"])
    assert [(w["state"], w["run_id"], w["outcome"], w["ended_by"]) for w in found["waits"]] == [
        ("ended", asks, "approved", "bob")
    ]

    reader = Reader(Store.open(redis_url, "agent"))
    answered = until(
        lambda: (of := reader.label("session", "s-900")) and of["outcomes"] == {"SUCCEEDED": 1} and of,
        seconds=30, what="the other session is over",
    )  # fmt: skip
    assert answered["runs"][0]["labels"] == {"session": "s-900", "user": "anna", "tier": "paid"}
    assert (reader.label("user", "anna") or {})["run_count"] == len(QUESTIONS)
    spans = {row["span"]: row for row in reader.spans()["spans"]}
    assert (spans["web_search"]["execution_count"], spans["web_search"]["failure_count"]) == (5, 1)
    measures = {row["measure"]: row["sum"] for row in reader.measures()["measures"]}
    assert measures["tokens"] == paid["s-812", "tokens"] + paid["s-900", "tokens"]

    def counted() -> bool:
        rows = [row for row in reader.workflows()["workflows"] if row["counts"] == "runs"]
        return [(row["workflow"], row["success_count"]) for row in rows] == [("agent.answer", len(QUESTIONS))]

    until(counted, seconds=60, what="a run per question is counted")
