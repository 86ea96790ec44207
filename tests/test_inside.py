"""What tasks record inside themselves arrives in the store, from a real worker's children, and no secret with it."""

from __future__ import annotations

import contextlib
import zlib
from typing import Any

import pytest

from celery_monitor.details import ROWS
from celery_monitor.signals.record import pack_id
from celery_monitor.store import columns, fold, lease, meta
from celery_monitor.store.connection import Store
from celery_monitor.store.waits import open_waits
from tests.conftest import WorkerFactory
from tests.inside_app import SECRETS
from tests.signals.apart import apart
from tests.waiting import until


def publish() -> tuple[list[str], str]:
    from tests.inside_app import publish

    return publish()


def stored(store: Store) -> dict[str, list[Any]]:
    """Fold, and return every row by table."""
    meta.check(store)
    fold.fold(store, lease.now_us(store))
    found: dict[str, list[Any]] = {name: [] for name in (*ROWS, "attempts")}
    for number in store.client.hkeys(store.keys.block_info):
        blob = columns.Blob(store.client.get(store.keys.block(int(number))))
        for name, rows in found.items():
            schema = columns.SCHEMAS[name]
            picked = blob.columns(name)
            make = ROWS.get(name)
            rows += [make._make(row) if make else row for row in columns.to_rows(schema, picked)]
    return found


def dumped(store: Store) -> list[bytes]:
    """Return every value of ours in the server, as it lies there and with what is compressed in it unpacked."""
    client, found = store.client, []
    readers = {
        b"string": lambda key: [client.get(key)],
        b"hash": lambda key: [part for pair in client.hgetall(key).items() for part in pair],
        b"zset": lambda key: client.zrange(key, 0, -1),
        b"stream": lambda key: [v for _, fields in client.xrange(key) for pair in fields.items() for v in pair],
        b"set": lambda key: list(client.smembers(key)),
        b"list": lambda key: client.lrange(key, 0, -1),
    }
    for key in client.scan_iter("cm:*"):
        found += [key, *readers[client.type(key)](key)]
    return found + [part for value in found for part in inflated(value)]


def leaks(values: list[bytes]) -> list[bytes]:
    """Return what stands before each secret that is in a value."""
    found = [(value, value.find(secret.encode())) for value in values for secret in SECRETS]
    return [value[max(at - 60, 0) : at] for value, at in found if at >= 0]


def inflated(value: bytes) -> list[bytes]:
    parts = []
    at = value.find(b"\x78")
    while at >= 0:
        with contextlib.suppress(zlib.error):
            parts.append(zlib.decompressobj().decompress(value[at:]))
        at = value.find(b"\x78", at + 1)
    return parts


@pytest.fixture
def told(worker: WorkerFactory, redis_url: str, runtime_dir: str) -> tuple[dict[str, list[Any]], list[str], str, Store]:
    """What the store holds when a prefork worker has run one task of each kind; the ids and the run."""
    env = {
        "CELERY_BROKER_URL": redis_url, "CELERY_RESULT_BACKEND": redis_url, "CELERY_MONITOR_RUNTIME_DIR": runtime_dir
    }  # fmt: skip
    process = worker("tests.inside_app:app", concurrency=2, options=["-l", "INFO"])
    ids, run = apart(publish, env=env)
    store = Store.open(redis_url, "inside")
    before_fold: list[bytes] = []

    def complete() -> dict[str, list[Any]] | None:
        before_fold.extend(dumped(store))
        rows = stored(store)
        whole = len(rows["attempts"]) >= 3 and len(rows["logs"]) >= 3 and len(rows["measures"]) >= 4
        return rows if whole and len(rows["waits"]) >= 2 and len(rows["contents"]) >= 3 else None

    rows = until(complete, seconds=60, step=0.2, what="all rows are in the store")
    process.ask_to_stop()
    assert process.stop() == 0
    assert leaks(before_fold) == []
    return rows, ids, run, store


def test_all_that_tasks_record_arrives_and_no_secret_with_it(
    told: tuple[dict[str, list[Any]], list[str], str, Store],
) -> None:
    rows, ids, run_id, store = told
    agent, fails, private = map(pack_id, ids)
    run = pack_id(run_id)
    uid = {row[columns_at("id")]: row[columns_at("uid")] for row in rows["attempts"]}

    spans = {row.name: row for row in rows["spans"]}
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
    assert {row.workflow for row in rows["spans"]} == {"support"}

    measures = [(row.name, row.value, row.kind, row.unit, row.id, row.run) for row in rows["measures"]]
    assert sorted(measures) == [
        ("cost", 0.02, "sum", "EUR", agent, run), ("score", 0.9, "gauge", "", b"", run),
        ("tokens", 88.0, "sum", "", agent, run), ("tokens", 512.0, "sum", "", agent, run),
    ]  # fmt: skip

    waits = {row.name: row for row in rows["waits"]}
    assert (waits["approval"].outcome, waits["approval"].ended_by, waits["approval"].uid) == (
        "approved", "anna", uid[agent]
    )  # fmt: skip
    assert (waits["payment"].outcome, waits["payment"].ended_by, waits["payment"].run) == ("paid", "the bank", run)
    assert all(row.ended_us >= row.begun_us > 0 for row in rows["waits"])
    assert open_waits(store) == []

    logs = sorted((row.logger, row.level, row.message, row.extra, row.id) for row in rows["logs"])
    assert logs == [
        ("inside", 20, "on the way with token=[redacted]", "", fails),
        ("inside", 30, "card [redacted]", "", agent),
        ("inside.library", 30, "password=[redacted]", '{"api_key":"[redacted]","order":17}', agent),
    ]

    contents = sorted((row.arguments, row.result) for row in rows["contents"])
    assert contents == [
        ("", '{"token":"[redacted]","order":17,"employee":"[redacted]"}'),
        ('{"order":17,"password":"[redacted]","pin":"[redacted]"}', ""),
        ('{"password":"[redacted]"}', ""),
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
    assert leaks(everything) == []


@pytest.mark.parametrize("pool", ["solo", "prefork", "threads", "gevent"])
def test_logs_are_kept_where_the_user_has_set_up_logging(
    worker: WorkerFactory, redis_url: str, runtime_dir: str, pool: str
) -> None:
    env = {
        "CELERY_BROKER_URL": redis_url, "CELERY_RESULT_BACKEND": redis_url, "CELERY_MONITOR_RUNTIME_DIR": runtime_dir,
        "OWN_LOGGING": "1",
    }  # fmt: skip
    worker("tests.inside_app:app", pool=pool, concurrency=2, env=env)
    apart(publish, env=env)
    store = Store.open(redis_url, "inside")

    def kept() -> set[str]:
        return {row.message for row in stored(store)["logs"]}

    wanted = {"card [redacted]", "password=[redacted]", "on the way with token=[redacted]"}
    until(lambda: kept() == wanted, seconds=60, step=0.2, what="three lines are in the store")


def columns_at(name: str) -> int:
    return list(columns.ATTEMPTS.columns).index(name)
