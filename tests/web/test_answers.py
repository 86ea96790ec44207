"""Parameters that are checked before the store is asked, and what a client is told of failures."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from celery_monitor.errors import BadRequest, ConfigurationError, StoreRefused, StoreTooNew, StoreUnreachable
from celery_monitor.web import answers


class AskedError(Exception):
    """The reader was asked; carries with what."""


class NoReader:
    """Raises what it is asked."""

    def __getattr__(self, verb: str) -> Any:
        def ask(*args: object, **kwargs: object) -> None:
            raise AskedError(verb, args, kwargs)

        return ask


@pytest.mark.parametrize(
    ("answer", "params", "code", "says"),
    [
        (answers.summary, {"windw": "1h"}, "unknown_parameter", "windw: unknown parameter; accepted: window"),
        (answers.health, {"window": "1h"}, "unknown_parameter", "accepted: none"),
        (answers.summary, {"window": "1" * 600}, "bad_window", "600 characters"),
        (answers.executions, {"limit": "501"}, "bad_limit", "from 1 to 500"),
        (answers.executions, {"limit": "-1"}, "bad_limit", "'-1'"),
        (answers.executions, {"limit": "1e3"}, "bad_limit", "whole number"),
        (answers.executions, {"order": "task"}, "unknown_parameter", "task, state"),
        (answers.runs, {"task": "x"}, "unknown_parameter", "accepted: workflow, state, label, worker"),
        (answers.runs, {"limit": "0"}, "bad_limit", "from 1 to 500"),
        (answers.run, {"id": "x", "window": "1h"}, "unknown_parameter", "accepted: limit, form"),
        (answers.run, {"id": "x", "limit": "501"}, "bad_limit", "from 1 to 500"),
        (answers.run, {"id": "x", "limit": "10001", "form": "columns"}, "bad_limit", "from 1 to 10000"),
        (answers.run_logs, {"id": "x", "label": "a:b"}, "unknown_parameter", "accepted: level, limit, cursor"),
        (
            answers.label,
            {"id": "user", "value": "u1", "by": "x"},
            "unknown_parameter",
            "accepted: window, since, until, limit",
        ),
        (answers.execution, {"id": "x", "limit": "1"}, "unknown_parameter", "accepted: none"),
        (answers.task, {"id": "x", "task": "y"}, "unknown_parameter", "accepted: window"),
        (answers.failures, {"worker": "w"}, "unknown_parameter", "accepted: window, since, until, task, limit"),
        (answers.quantiles, {"measure": "wait"}, "bad_series", "task:shop.charge"),
        (answers.logs, {"limit": "0"}, "bad_limit", "from 1 to 500"),
        (answers.hosts, {"window": "1h"}, "unknown_parameter", "accepted: none"),
        (answers.workers, {"by": "cpu"}, "unknown_parameter", "accepted: window, since, until"),
    ],
)
def test_bad_input_is_refused_with_the_accepted_form(
    answer: answers.Answer[bytes], params: dict[str, str], code: str, says: str
) -> None:
    with pytest.raises(BadRequest) as raised:
        answer(NoReader(), params)
    assert raised.value.code == code
    assert says in raised.value.message


def test_parts_of_a_path_are_no_parameters_of_a_query() -> None:
    assert answers.joined(["user", "u1"], {"limit": "5"}) == {"id": "user", "value": "u1", "limit": "5"}
    with pytest.raises(BadRequest, match="id: is no parameter"):
        answers.joined([], {"id": "x"})


class Nothing:
    """Knows nothing of anything."""

    def __getattr__(self, verb: str) -> Any:
        return lambda *args, **kwargs: None


@pytest.mark.parametrize(
    "answer", [answers.run, answers.workflow, answers.workflow_steps, answers.label, answers.task, answers.failure]
)
def test_what_nothing_is_known_of_is_not_found(answer: answers.Answer[bytes]) -> None:
    with pytest.raises(answers.NotFound, match="nothing is recorded of 'x"):
        answer(Nothing(), {"id": "x", "value": "y"})


@pytest.mark.parametrize(
    ("answer", "params", "asked"),
    [
        (answers.runs, {"label": "user:u1", "limit": "5"}, ("runs", (), {"label": "user:u1", "limit": 5})),
        (answers.run, {"id": "r", "limit": "9"}, ("run", ("r",), {"limit": 9})),
        (
            answers.run,
            {"id": "r", "limit": "10000", "form": "columns"},
            ("run", ("r",), {"limit": 10_000, "form": "columns"}),
        ),
        (answers.run_logs, {"id": "r", "level": "error"}, ("run_logs", ("r",), {"level": "error"})),
        (answers.execution_logs, {"id": "e"}, ("execution_logs", ("e",), {})),
        (answers.workflow, {"id": "daily", "window": "1h"}, ("workflow", ("daily",), {"window": "1h"})),
        (answers.waits, {"state": "open", "window": "1h"}, ("waits", (), {"state": "open", "window": "1h"})),
        (answers.label, {"id": "user", "value": "u1"}, ("label", ("user", "u1"), {})),
        (answers.task, {"id": "a.b", "window": "1h"}, ("task", ("a.b",), {"window": "1h"})),
        (answers.failures, {"task": "a.b", "limit": "3"}, ("failures", (), {"task": "a.b", "limit": 3})),
        (answers.failure, {"id": "9f"}, ("failure", ("9f",), {})),
        (answers.quantiles, {"series": "all", "q": "1"}, ("quantiles", (), {"series": "all", "q": "1"})),
        (answers.workers, {"window": "6h"}, ("workers", (), {"window": "6h"})),
        (answers.worker, {"id": "celery@a", "window": "6h"}, ("worker", ("celery@a",), {"window": "6h"})),
        (answers.hosts, {}, ("hosts", (), {})),
        (answers.host, {"id": "a"}, ("host", ("a",), {})),
        (answers.resources, {"by": "io"}, ("resources", (), {"by": "io"})),
        (answers.logs, {"text": "x", "level": "error"}, ("logs", (), {"text": "x", "level": "error"})),
    ],
)
def test_each_path_asks_the_reader_its_question(answer: answers.Answer[bytes], params: Any, asked: Any) -> None:
    with pytest.raises(AskedError) as raised:
        answer(NoReader(), params)
    assert raised.value.args == asked


def test_good_input_reaches_the_reader() -> None:
    with pytest.raises(AskedError) as raised:
        answers.executions(NoReader(), {"task": "shop.charge", "limit": "10"})
    assert raised.value.args == ("executions", (), {"task": "shop.charge", "limit": 10})


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (BadRequest("bad_window", "window: 5x"), 400, "bad_window"),
        (answers.NotFound("id: nothing"), 404, "not_found"),
        (StoreUnreachable("refused"), 503, "store_unreachable"),
        (StoreRefused("wrong password"), 503, "store_refused"),
        (StoreTooNew("schema 9"), 503, "store_too_new"),
        (ConfigurationError("monitor_url: missing"), 503, "configuration"),
    ],
)
def test_each_failure_has_its_status_and_code(error: Exception, status: int, code: str) -> None:
    problem = answers.problem(error)
    assert (problem.status, problem.code) == (status, code)
    assert json.loads(problem.body())["error"]["message"] == str(error)


def test_a_fault_of_our_own_is_logged_and_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        problem = answers.problem(KeyError("secret"))
    assert problem.status == 500
    assert "secret" not in problem.message
    assert "secret" in caplog.text


def test_json_has_no_numbers_that_are_none() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        answers.dumps({"p95": float("nan")})
