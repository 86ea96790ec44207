"""What attempts were called with and what they returned, as an execution shows it."""

from __future__ import annotations

import pytest

from celery_monitor.details import Content
from celery_monitor.model import Attempt
from celery_monitor.query.reader import Reader
from celery_monitor.signals.record import State, unpack_id
from celery_monitor.store.connection import Store
from tests.query.runs import NOW_US, Filled
from tests.store.batches import attempt, task_id

ONE, TWO = task_id(1), task_id(2)


def called(of: Attempt, arguments: str = "", result: str = "") -> Content:
    return Content(of.id, b"", of.uid, arguments, result, NOW_US)


@pytest.fixture(params=[True, False], ids=["folded", "tail"])
def reader(store: Store, request: pytest.FixtureRequest) -> Reader:
    """A reader of an execution tried twice and of one of which nothing was captured, in batches of their own."""
    filled, tries = Filled(store), [attempt(1, id=ONE, state=int(State.RETRY)), attempt(2, id=ONE, retries=1)]
    filled.send(folded=request.param, contents=[called(tries[0], '{"order":17}')])
    filled.send(folded=request.param, attempts=tries, contents=[called(tries[1], result='{"paid":true}')])
    filled.send(folded=request.param, attempts=[attempt(3, id=TWO)], contents=[called(tries[1], '{"order":18,"no')])
    return Reader(store)


def test_both_are_shown_with_their_attempt_and_null_where_nothing_was_captured(reader: Reader) -> None:
    first, second = (reader.execution(unpack_id(ONE), NOW_US) or {})["attempts"]
    assert (first["arguments"], first["result"]) == ({"order": 17}, None)
    assert (second["arguments"], second["result"]) == ('{"order":18,"no', {"paid": True}), "JSON that was cut is a text"
    (other,) = (reader.execution(unpack_id(TWO), NOW_US) or {})["attempts"]
    assert (other["arguments"], other["result"]) == (None, None)


def test_a_page_of_executions_shows_them_as_well(reader: Reader) -> None:
    (row,) = reader.executions(state="SUCCESS", limit=1, run=unpack_id(ONE), now_us=NOW_US)["executions"]
    assert [a["result"] for a in row["attempts"]] == [None, {"paid": True}]
