"""What tasks record inside themselves arrives in the store, from a real worker's children, and no secret with it."""

from __future__ import annotations

import contextlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from celery_monitor import prometheus
from celery_monitor.details import ROWS
from celery_monitor.errors import BadRequest
from celery_monitor.query.reader import Reader
from celery_monitor.signals.record import pack_id
from celery_monitor.store import fold, lease, meta
from celery_monitor.store.connection import Store
from celery_monitor.store.encoding import columns
from celery_monitor.store.encoding.blob import Blob
from celery_monitor.store.rows.waits import open_waits
from celery_monitor.web import answers
from tests.conftest import WorkerFactory
from tests.dump import dumped, leaks
from tests.inside_app import CARD, SECRETS
from tests.signals.apart import apart
from tests.store.shelved import stored_blocks
from tests.waiting import until


def publish() -> tuple[list[str], str]:
    from tests.inside_app import publish

    return publish()


def stored(store: Store) -> dict[str, list[Any]]:
    """Fold, and return every row by table."""
    meta.check(store)
    fold.fold(store, lease.now_us(store))
    found: dict[str, list[Any]] = {name: [] for name in (*ROWS, "attempts")}
    for raw in stored_blocks(store):
        blob = Blob(raw)
        for name, rows in found.items():
            schema = columns.SCHEMAS[name]
            picked = blob.columns(name)
            make = ROWS.get(name)
            rows += [make._make(row) if make else row for row in columns.to_rows(schema, picked)]
    return found


def answered(store: Store, words: list[str]) -> dict[str, bytes]:
    """Return what the API answers at every path, with any of these words for what is in braces."""
    reader, found = Reader(store), {}
    for path, answer in answers.PATHS.items():
        for word in words:
            params = {name: {"id": word, "value": "s1"}[name] for name in re.findall(r"\{(\w+)\}", path)}
            with contextlib.suppress(BadRequest, answers.NotFound):
                found[path.format(**params)] = answer(reader, params)
    return found


@pytest.fixture
def told(
    worker: WorkerFactory, redis_url: str, runtime_dir: str, tmp_path: Path
) -> tuple[dict[str, list[Any]], list[str], str, Store]:
    """What the store holds when a prefork worker has run one task of each kind; the ids and the run."""
    env = {
        "CELERY_BROKER_URL": redis_url, "CELERY_RESULT_BACKEND": redis_url, "CELERY_MONITOR_RUNTIME_DIR": runtime_dir,
        "OUR_LOG": str(tmp_path / "ours.log"),
    }  # fmt: skip
    process = worker("tests.inside_app:app", concurrency=2, options=["-l", "INFO"], env=env)
    ids, run = apart(publish, env=env)
    store = Store.open(redis_url, "inside")
    before_fold: list[bytes] = []

    def complete() -> dict[str, list[Any]] | None:
        before_fold.extend(dumped(store))
        rows = stored(store)
        whole = len(rows["attempts"]) >= 4 and len(rows["logs"]) >= 3 and len(rows["measures"]) >= 5
        return rows if whole and len(rows["waits"]) >= 3 and len(rows["contents"]) >= 5 else None

    rows = until(complete, seconds=60, step=0.2, what="all rows are in the store")
    process.ask_to_stop()
    assert process.stop() == 0
    assert leaks(before_fold, SECRETS) == []
    return rows, ids, run, store


def test_all_that_tasks_record_arrives_and_no_secret_with_it(
    told: tuple[dict[str, list[Any]], list[str], str, Store], tmp_path: Path
) -> None:
    rows, ids, run_id, store = told
    agent, fails, private = map(pack_id, ids)
    run = pack_id(run_id)
    uid = {row[columns_at("id")]: row[columns_at("uid")] for row in rows["attempts"]}

    spans = {row.name: row for row in rows["spans"]}
    hidden = spans.pop("password=[redacted]")
    assert (hidden.workflow, hidden.kind, hidden.api) == (
        "login password=[redacted]", "token=[redacted]", "https://[redacted]@api"
    )  # fmt: skip
    assert set(spans) == {"plan", "web_search", "fetch", "db", "look up"}
    assert (spans["web_search"].parent, spans["fetch"].parent) == (spans["plan"].number, spans["plan"].number)
    search = spans["web_search"]
    assert (search.id, search.run, search.uid, search.kind) == (agent, run, uid[agent], "tool")
    assert (search.api, search.api_status, search.api_us, search.failed) == ("duckduckgo", 200, 250_000, 0)
    assert search.attributes == '{"card":"[redacted]","results":7,"authorization":"[redacted]"}'
    assert (spans["fetch"].failed, spans["fetch"].message) == (1, "GET https://[redacted]@shop failed")
    assert (spans["db"].id, spans["db"].exception) == (fails, "ValueError")
    assert (spans["look up"].exception, spans["look up"].message, spans["look up"].attributes) == (
        "LookupError",
        "",
        "",
    )
    assert {row.workflow for row in spans.values()} == {"support"}

    every = [(row.name, row.value, row.kind, row.unit, row.id, row.run) for row in rows["measures"]]
    measures = [row for row in every if "redacted" not in row[0]]
    assert [row[:4] for row in every if row not in measures] == [
        ("token=[redacted]", 1.0, "sum", "password=[redacted]")
    ]  # fmt: skip
    assert sorted(measures) == [
        ("cost", 0.02, "sum", "EUR", agent, run), ("score", 0.9, "gauge", "", b"", run),
        ("tokens", 88.0, "sum", "", agent, run), ("tokens", 512.0, "sum", "", agent, run),
    ]  # fmt: skip

    waits = {row.name: row for row in rows["waits"]}
    assert (waits["approval"].outcome, waits["approval"].ended_by, waits["approval"].uid) == (
        "approved", "anna", uid[agent]
    )  # fmt: skip
    assert (waits["payment"].outcome, waits["payment"].ended_by, waits["payment"].run) == ("paid", "the bank", run)
    assert (waits["token=[redacted]"].outcome, waits["token=[redacted]"].ended_by) == (
        "password=[redacted]", "https://[redacted]@bank"
    )  # fmt: skip
    assert all(row.ended_us >= row.begun_us > 0 for row in rows["waits"])
    assert open_waits(store) == []

    logs = sorted((row.logger, row.level, row.message, row.extra, row.id) for row in rows["logs"])
    assert logs == [
        ("inside", 20, "on the way with token=[redacted]", "", fails),
        ("inside", 30, "card [redacted]", "", agent),
        ("inside.library", 30, "password=[redacted]", '{"api_key":"[redacted]","order":17}', agent),
    ]

    contents = sorted((row.arguments, row.result) for row in rows["contents"] if row.id in {agent, fails})
    assert contents == [
        ("", '{"token":"[redacted]","order":17,"employee":"[redacted]"}'),
        ('{"order":17,"password":"[redacted]","pin":"[redacted]"}', ""),
        ('{"password":"[redacted]","note":"' + "n" * 199 + '…"}', ""),
    ]
    texts = {
        row[columns_at("id")]: (row[columns_at("message")], row[columns_at("traceback")]) for row in rows["attempts"]
    }
    assert texts[fails][0] == (
        "no login with password=[redacted] and {'api_key': '[redacted]'}, card [redacted]"
    )  # fmt: skip
    assert "in fails" in texts[fails][1]
    assert texts[private] == ("", "")
    last = max((row for row in rows["labels"] if row.id == agent), key=lambda row: (row.at_us, row.labels.count("=")))
    assert last.labels == "email=[excluded]&session=s1&token=[redacted]"

    everything = dumped(store)
    assert any(b"duckduckgo" in value for value in everything), "the dump is looked into"
    assert leaks(everything, SECRETS) == []

    found = answered(store, [*ids, run_id, "support", "session", "inside.agent"])
    (attempt,) = json.loads(found[f"/executions/{ids[0]}"])["attempts"]
    assert attempt["arguments"] == {"order": 17, "password": "[redacted]", "pin": "[redacted]"}
    assert attempt["result"] == {"token": "[redacted]", "order": 17, "employee": "[redacted]"}
    (attempt,) = json.loads(found[f"/executions/{ids[1]}"])["attempts"]
    assert (attempt["arguments"], attempt["result"]) == ({"password": "[redacted]", "note": "n" * 199 + "…"}, None)
    assert {f"/runs/{run_id}/logs", "/labels/session/s1", "/workflows/support/steps", "/spans"} < found.keys()
    assert leaks(found.values(), SECRETS) == []
    scraped, _ = prometheus.render(Reader(store))
    assert b'celery_monitor_label_task_succeeded_total{label="tier",value="token=[redacted]"} 1.0' in scraped
    assert leaks([scraped], SECRETS) == []

    ours = (tmp_path / "ours.log").read_text()
    assert "celery-monitor: label failed and is left out (logged once): ValueError: password=[redacted]" in ours
    assert "measure(password=[redacted]" in ours
    assert leaks([ours.encode()], SECRETS) == []


@pytest.mark.parametrize("pool", ["solo", "prefork", "threads", "gevent"])
def test_logs_are_kept_where_the_user_has_set_up_logging(
    worker: WorkerFactory, redis_url: str, runtime_dir: str, pool: str
) -> None:
    env = {
        "CELERY_BROKER_URL": redis_url, "CELERY_RESULT_BACKEND": redis_url, "CELERY_MONITOR_RUNTIME_DIR": runtime_dir,
        "OWN_LOGGING": "1",
    }  # fmt: skip
    process = worker("tests.inside_app:app", pool=pool, concurrency=2, env=env, options=["-n", "w@h"])
    ids, run = apart(publish, env=env)
    store = Store.open(redis_url, "inside")

    def kept() -> set[str]:
        return {row.message for row in stored(store)["logs"]}

    wanted = {"card [redacted]", "password=[redacted]", "on the way with token=[redacted]"}
    until(lambda: kept() == wanted, seconds=60, step=0.2, what="three lines are in the store")
    lines = [json.loads(line) for line in process.log.splitlines() if line.startswith("{")]
    (line,) = (line for line in lines if line.get("message") == f"card {CARD}")  # the user's own log is the user's
    about = {"task_id": ids[0], "task_name": "inside.agent", "run_id": run, "workflow": "support", "worker": "w@h"}
    assert {key: line.get(key) for key in about} == about


def columns_at(name: str) -> int:
    return list(columns.ATTEMPTS.columns).index(name)
