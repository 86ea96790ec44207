"""Content: arguments, results and labels as JSON, bounded and redacted, whatever the objects are."""

from __future__ import annotations

import itertools
import json
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from celery_monitor.signals import calls, content
from celery_monitor.signals.record import State, pack_id
from tests.signals.recorder import Recorder


class Nasty:
    """Raises, loops and talks whatever it is asked."""

    def __repr__(self) -> str:
        raise RuntimeError("no")

    __str__ = __repr__

    def __iter__(self) -> Any:
        while True:
            yield self


class NastyDict(dict[str, Any]):
    """A mapping of the user's own kind."""

    def items(self) -> Any:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        ((1, 2.5, True, "a"), '[1,2.5,true,"a"]'),
        ({"password": {"a": 1}, "user": b"raw"}, '{"password":"[redacted]","user":"b\'raw\'"}'),
        ({1: "a", (2, 3): "b"}, '{"1":"a","…":"b"}'),
        (float("nan"), '"nan"'),
        (4111111111111111, '"[redacted]"'),
        (1700000000000000, "1700000000000000"),
        (10**4000, '"<int of 13288 bits>"'),
        (datetime(2024, 1, 2, tzinfo=timezone.utc), '"2024-01-02 00:00:00+00:00"'),
        ([Decimal("1.20"), UUID(int=1)], '["1.20","00000000-0000-0000-0000-000000000001"]'),
        (Nasty(), '"<Nasty>"'),
        (NastyDict(a=1), '"<NastyDict>"'),
        ([[[[["deep"]]]]], '[[[["…"]]]]'),
        (list(range(100)), "[" + ",".join(map(str, range(20))) + ',"… 100 in all"]'),
        ("x" * 1000, '"' + "x" * 199 + '…"'),
        ("token=abc", '"token=[redacted]"'),
    ],
    ids=itertools.count(),
)
def test_a_value_as_json(value: Any, text: str) -> None:
    assert content.text(value) == text


def test_users_reprs_are_asked_for_only_when_wanted() -> None:
    class Point:
        def __repr__(self) -> str:
            return "Point(password='hunter2')"

    assert content.text(Point()) == '"<Point>"'
    assert content.text(Point(), reprs=True) == "\"Point(password='[redacted]')\""
    assert content.text(Nasty(), reprs=True) == '"<Nasty: repr raised RuntimeError>"'


def test_a_value_that_holds_itself_ends() -> None:
    value: list[Any] = []
    value.append(value)
    assert content.text(value) == '[[[["…"]]]]'


LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(), st.builds(Nasty))
VALUES = st.recursive(
    LEAVES, lambda v: st.one_of(st.lists(v), st.dictionaries(st.text(), v), st.tuples(v, v)), max_leaves=200
)


@given(VALUES)
@settings(max_examples=200, deadline=None)
def test_any_value_becomes_json_of_a_bounded_size(value: Any) -> None:
    text = content.text(value)
    json.loads(text)
    assert len(text) < 8 * 2000


def test_arguments_are_named_so_that_secrets_are_known(recorder: Recorder) -> None:
    content.use(arguments=True, results=True)
    calls.connect()

    def login(user: str, password: str, *rest: int, remember: bool = False) -> dict[str, str]:
        return {"token": "hunter2", "user": user}

    task_id = recorder.run(login, "anna", "hunter2", 7, remember=True, name="login")
    called, returned = recorder.read()["contents"]
    assert called.arguments == '{"user":"anna","password":"[redacted]","2":7,"remember":true}'
    assert returned.result == '{"token":"[redacted]","user":"anna"}'
    assert (called.result, returned.arguments) == ("", "")
    assert {called.uid, returned.uid} == {recorder.attempts[0].uid}
    assert {called.id, returned.id} == {pack_id(task_id)}


def test_arguments_are_those_of_the_call_not_what_the_body_made_of_them(recorder: Recorder) -> None:
    content.use(arguments=True, results=True)
    calls.connect()

    def fails(items: list[int]) -> None:
        items.clear()
        raise ValueError

    recorder.run(fails, [1, 2])
    assert [(row.arguments, row.result) for row in recorder.read()["contents"]] == [('{"items":[1,2]}', "")]
    assert recorder.attempts[0].state == State.FAILURE


def test_nothing_is_kept_by_default_nor_of_excluded_tasks(recorder: Recorder) -> None:
    calls.connect()
    recorder.run(lambda a: a, 1)
    content.use(arguments=True, results=True, tasks=["billing.*"])
    calls.connect()
    recorder.run(lambda a: a, 1, name="billing.charge")
    assert recorder.read()["contents"] == []
    recorder.run(lambda a: a, 1)
    assert len(recorder.read()["contents"]) == 2


def test_the_value_of_an_excluded_label_is_not_kept(recorder: Recorder) -> None:
    content.use(labels=["email"])
    assert content.label("email", "anna@shop") == content.EXCLUDED
    assert content.label("user", "token=abc") == "token=[redacted]"
    assert content.label("password", "abc") == "[redacted]"
    assert content.label("session", "abc") == "abc"
