"""What a user's own log lines tell of the task they come from."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import logging.config
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from celery_monitor import span, workflow
from celery_monitor.errors import ConfigurationError
from celery_monitor.logs import ContextFilter, JsonFormatter
from tests.signals.recorder import Recorder, recording

LOG = logging.getLogger("users.own")


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with recording() as found:
        yield found


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What a handler that is configured as the docs say has written."""
    stream = io.StringIO()
    logging.config.dictConfig({
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"celery_monitor": {"()": "celery_monitor.logs.ContextFilter"}},
        "formatters": {
            "json": {"()": "celery_monitor.logs.JsonFormatter"},
            "plain": {"format": "%(task_id)s|%(run_id)s|%(workflow)s|%(worker)s|%(trace_id)s|%(message)s"},
        },
        "handlers": {
            "json": {"class": "logging.StreamHandler", "stream": stream, "formatter": "json"},
            "plain": {
                "class": "logging.StreamHandler", "stream": stream, "formatter": "plain", "filters": ["celery_monitor"],
            },
        },
        "loggers": {"users.own": {"handlers": ["plain", "json"], "level": "INFO", "propagate": False}},
    })  # fmt: skip
    yield stream
    LOG.handlers.clear()
    LOG.propagate = True


def test_a_line_of_a_task_tells_which_task_and_run(recorder: Recorder, lines: io.StringIO) -> None:
    task_id = recorder.run(lambda: LOG.info("hello %s", "anna", extra={"order": 17}), name="shop.greet")
    run = recorder.read() and recorder.attempts[0]
    plain, as_json = lines.getvalue().splitlines()
    said = json.loads(as_json)
    own, run_id, name, worker, trace, message = plain.split("|")
    assert (own, name, worker, message) == (task_id, "", "h@here", "hello anna")
    assert run
    assert (said["task_id"], said["task_name"], said["run_id"], said["order"]) == (task_id, "shop.greet", run_id, 17)
    assert (said["message"], said["levelname"]) == ("hello anna", "INFO")
    assert trace == run_id.replace("-", "")
    assert len(trace) == 32


def test_a_line_of_a_thread_to_which_a_task_has_handed_its_context_tells_the_same(
    recorder: Recorder, lines: io.StringIO
) -> None:
    async def work() -> None:
        with span("plan"):
            await asyncio.to_thread(LOG.info, "from a thread")

    task_id = recorder.run(lambda: asyncio.run(work()), name="shop.greet")
    said = json.loads(lines.getvalue().splitlines()[1])
    assert (said["task_id"], said["task_name"], said["message"]) == (task_id, "shop.greet", "from a thread")
    assert said["trace_id"] == said["run_id"].replace("-", "") != ""


def test_a_line_outside_tasks_tells_the_open_workflow_or_nothing(recorder: Recorder, lines: io.StringIO) -> None:
    LOG.info("outside")
    with workflow("daily") as w:
        LOG.info("within")
    plain = [line for line in lines.getvalue().splitlines() if "|" in line]
    assert plain == ["|||||outside", f"|{w.run_id}|daily||{w.run_id.replace('-', '')}|within"]


def test_a_field_that_the_user_gives_stays(lines: io.StringIO) -> None:
    LOG.info("mine", extra={"workflow": "my own"})
    assert "|my own|" in lines.getvalue()


def test_the_trace_id_is_opentelemetrys_where_there_is_one(lines: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    class Trace:
        trace_id, is_valid = 0xABC, True

        def get_current_span(self) -> Any:
            return self

        def get_span_context(self) -> Any:
            return self

    monkeypatch.setitem(sys.modules, "opentelemetry.trace", Trace())  # type: ignore[arg-type]
    LOG.info("traced")
    assert f"|{'abc':0>32}|traced" in lines.getvalue()


def test_without_python_json_logger_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pythonjsonlogger", "pythonjsonlogger.json", "pythonjsonlogger.jsonlogger"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigurationError, match=r"pip install 'celery-monitor\[logs\]'"):
        JsonFormatter()
    assert ContextFilter().filter(logging.makeLogRecord({}))
