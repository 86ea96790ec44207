"""Log records of all executions, newest first."""

from __future__ import annotations

from typing import Any

import pytest

from celery_monitor.details import Log
from celery_monitor.errors import BadRequest
from celery_monitor.query import log_search
from celery_monitor.query.reader import Reader
from celery_monitor.query.times import iso
from celery_monitor.signals.record import unpack_id
from celery_monitor.store.connection import Store
from tests.query.runs import NOW_US, Filled
from tests.store.batches import attempt, task_id

SECOND = 1_000_000


def log(n: int, message: str, **fields: Any) -> Log:
    values = {
        "id": task_id(n), "run": b"", "uid": b"ring-id-" + n.to_bytes(4, "little"), "level": 30, "logger": "shop",
        "message": message, "extra": "", "exception": "", "task": "shop.charge", "workflow": "", "worker": "celery@a",
        "at_us": NOW_US - n * SECOND,
    }  # fmt: skip
    return Log(**{**values, **fields})


def messages(reader: Reader, **filters: Any) -> list[str]:
    """Return all pages together."""
    found: list[str] = []
    cursor = None
    while True:
        page = reader.logs(now_us=NOW_US, cursor=cursor, **filters)
        found += [row["message"] for row in page["logs"]]
        cursor = page["next"]
        if cursor is None:
            return found


@pytest.fixture(params=["tail", "blocks", "both"])
def reader(store: Store, request: pytest.FixtureRequest) -> Reader:
    filled = Filled(store)
    rows = [
        log(1, "gateway is slow"),
        log(2, "card declined", level=40, task="shop.refund"),
        log(3, "Gateway is DOWN", level=50, run=task_id(77)),
        log(4, "retrying", extra='{"gateway": "eu"}'),
        log(5, "bye", exception="Traceback ... TimeoutError"),
    ]
    for n, row in enumerate(rows):
        folded = {"tail": False, "blocks": True, "both": n % 2 == 0}[request.param]
        filled.send(folded=folded, logs=[row], attempts=[attempt(n + 50, at_us=row.at_us)])
    return Reader(store)


def test_records_come_newest_first(reader: Reader) -> None:
    assert messages(reader) == ["gateway is slow", "card declined", "Gateway is DOWN", "retrying", "bye"]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"level": "error"}, ["card declined", "Gateway is DOWN"]),
        ({"task": "shop.refund"}, ["card declined"]),
        ({"text": "GATEWAY"}, ["gateway is slow", "Gateway is DOWN", "retrying"]),
        ({"text": "timeouterror"}, ["bye"]),
        ({"run": unpack_id(task_id(77))}, ["Gateway is DOWN"]),
        ({"run": unpack_id(task_id(4)), "level": "INFO"}, ["retrying"]),
        ({"since": iso(NOW_US - 3 * SECOND), "until": iso(NOW_US - 2 * SECOND)}, ["card declined", "Gateway is DOWN"]),
        ({"text": "nothing says this"}, []),
    ],
)
def test_filters(reader: Reader, filters: dict[str, str], expected: list[str]) -> None:
    assert messages(reader, **filters) == expected
    assert messages(reader, **filters, limit=1) == expected


def test_records_of_one_microsecond_are_all_shown_once(store: Store) -> None:
    filled = Filled(store)
    filled.send(logs=[log(1, f"m{n}") for n in range(7)] + [log(1, "m3")])
    assert sorted(messages(Reader(store), limit=2)) == [f"m{n}" for n in range(7)]


def test_a_text_that_nothing_has_ends_a_page_and_the_cursor_goes_on(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled = Filled(store)
    monkeypatch.setattr(log_search, "SEARCHED", 100)
    for block in range(6):
        filled.send(logs=[log(600 - 100 * block - n, "chatter") for n in range(100)], folded=False)
    filled.send(logs=[log(599, "the needle")], folded=False)
    reader = Reader(store)
    first = reader.logs(text="needle", now_us=NOW_US)
    assert first["logs"] == []
    assert first["next"] is not None
    assert messages(reader, text="needle") == ["the needle"]


def test_a_bad_level_is_refused(store: Store) -> None:
    with pytest.raises(BadRequest, match="WARNING"):
        Reader(store).logs(level="loud")
