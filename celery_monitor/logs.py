"""For the user's own log handlers: which task, run, workflow and worker a line is of, and lines as JSON.

.. code-block:: python

    "filters": {"celery_monitor": {"()": "celery_monitor.logs.ContextFilter"}},
    "formatters": {"json": {"()": "celery_monitor.logs.JsonFormatter"}},

A filter belongs on a handler: on a logger it sees only what is logged to that very logger.
"""

from __future__ import annotations

import logging
import sys
from typing import Any, Final

from billiard.exceptions import SoftTimeLimitExceeded
from celery._state import get_current_task

from celery_monitor.errors import ConfigurationError
from celery_monitor.signals import attempts, context, owner
from celery_monitor.signals.inside import unpack_owner
from celery_monitor.signals.record import unpack_id

FIELDS: Final = ("task_id", "task_name", "run_id", "workflow", "worker", "trace_id")
"""What the filter adds to a record, each a text and empty where there is none."""


def fields() -> dict[str, str]:
    """Return what is known of the task, or outside tasks of the open workflow, that runs here.

    `trace_id` is that of OpenTelemetry's current span where there is one, else the run's id: 32 hex digits, as W3C
    Trace Context has it.
    """
    attempt = attempts.current()
    if attempt is not None:
        task = get_current_task()
        worker = getattr(task.request, "hostname", None) if task is not None else None
        about = (attempt.id, attempt.task, attempt.run, attempt.workflow, str(worker or ""))
    else:
        about = _of_thread() or _of_context()
    task_id, name, run, workflow, hostname = about
    return {
        "task_id": task_id, "task_name": name, "run_id": unpack_id(run) if run else "", "workflow": workflow,
        "worker": hostname, "trace_id": _traced() or run.hex(),
    }  # fmt: skip


def _of_thread() -> tuple[str, str, bytes, str, str] | None:
    """Return the same of the task that has handed its context to this thread; None where none has."""
    mine = owner.handed()
    if mine is None:
        return None
    known, _ = unpack_owner(mine.block, 0)
    return unpack_id(known.id), known.task, known.run, known.workflow, ""


def _of_context() -> tuple[str, str, bytes, str, str]:
    scope = context.active(None)
    return ("", "", scope.run, scope.name, "") if scope is not None else ("", "", b"", "", "")


def _traced() -> str:
    """Return the trace id of OpenTelemetry's current span, "" where there is none or nobody has imported it."""
    trace: Any = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return ""
    try:
        found = trace.get_current_span().get_span_context()
        known = f"{found.trace_id:032x}" if found.is_valid else ""
    except SoftTimeLimitExceeded:
        raise
    except Exception:  # noqa: BLE001 - another library's state must not cost a log line
        known = ""
    return known


class ContextFilter(logging.Filter):
    """Adds `FIELDS` to every record that passes; lets every record pass.

    A field that a record has already, by ``extra``, stays.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the fields."""
        _add(record)
        return True


def _add(record: logging.LogRecord) -> None:
    try:
        known = fields()
    except SoftTimeLimitExceeded:
        raise
    except Exception:  # noqa: BLE001 - a line without our fields is better than no line
        known = dict.fromkeys(FIELDS, "")
    about = record.__dict__
    for name, value in known.items():
        about.setdefault(name, value)


class JsonFormatter(logging.Formatter):
    """Formats records as one JSON object each, with `FIELDS` and ``extra``, by python-json-logger; needs no filter.

    Parameters:
        fmt: which fields come first; ``"%(asctime)s %(levelname)s %(name)s %(message)s"`` by default.
        options: what python-json-logger's formatter takes beside it.

    Raises:
        ConfigurationError: python-json-logger is not installed; the message says what to install.
    """

    def __init__(
        self, fmt: str = "%(asctime)s %(levelname)s %(name)s %(message)s", datefmt: str | None = None, **options: Any
    ) -> None:
        super().__init__()
        self._inner = _formatter()(fmt, datefmt, **options)

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        _add(record)
        return str(self._inner.format(record))


def _formatter() -> Any:
    try:
        from pythonjsonlogger.json import JsonFormatter as Formatter  # noqa: PLC0415 - an optional dependency
    except ImportError as error:
        raise ConfigurationError(
            "celery_monitor.logs.JsonFormatter needs python-json-logger 3.1 or newer: "
            "pip install 'celery-monitor[logs]'"
        ) from error
    return Formatter
