"""Questions of the JSON API (`docs/api.md`) and their answers as bytes; nothing of HTTP servers."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple, TypeVar

from celery_monitor.errors import (
    BadRequest,
    ConfigurationError,
    MonitorError,
    StoreError,
    StoreRefused,
    StoreTooNew,
)

log = logging.getLogger(__name__)

_BETWEEN: Final = ("window", "since", "until")
_MOST: Final = 500  # rows of any list
MOST_IN_COLUMNS: Final = 10_000  # executions of a run
MAX_VALUE_LENGTH: Final = 512  # of a parameter in characters; task names are capped at 200 when they are recorded


class NotFound(MonitorError):  # noqa: N818 - named after the HTTP answer it becomes
    """Nothing is recorded by the id that was asked for; the answer is 404."""


class Problem(NamedTuple):
    """What went wrong, as a client sees it."""

    status: int
    code: str
    message: str

    def body(self) -> bytes:
        """Return the error object of the API."""
        return dumps({"error": {"code": self.code, "message": self.message}})


def dumps(value: object) -> bytes:
    """Return strict JSON.

    Raises:
        ValueError: a number is NaN or infinite; the reader has to say None.
    """
    return json.dumps(value, allow_nan=False, separators=(",", ":")).encode("ascii")


def summary(reader: Any, params: Mapping[str, str]) -> bytes:
    """Answer ``/summary``."""
    _only(params, _BETWEEN)
    return dumps(reader.summary(**params))


class Live(NamedTuple):
    """A summary's JSON, and the part of it whose change is news."""

    body: bytes
    facts: dict[str, Any]


def live(reader: Any, params: Mapping[str, str]) -> Live:
    """Answer the live feed: ``/summary`` and what of it does not change by the mere passing of time."""
    _only(params, ("window",))
    found = reader.summary(**params)
    facts = {key: value for key, value in found.items() if key not in ("generated_at", "window", "health")}
    facts["notes"] = found["health"]["notes"]
    return Live(dumps(found), facts)


def health(reader: Any, params: Mapping[str, str]) -> bytes:
    """Answer ``/health``."""
    _only(params, ())
    return dumps(reader.health())


_ABOUT: Final = ("task", "state", "reason", "queue", "worker", "run", "fingerprint")
FILTERS: Final = (*_ABOUT, "since", "until", "limit", "cursor")


def executions(reader: Any, params: Mapping[str, str]) -> bytes:
    """Answer ``/executions``."""
    _only(params, FILTERS)
    filters: dict[str, str | int] = dict(params)
    if "limit" in params:
        filters["limit"] = _limit(params["limit"])
    return dumps(reader.executions(**filters))


def execution(reader: Any, params: Mapping[str, str]) -> bytes:
    """Answer ``/executions/{id}``; `params` holds the id alone."""
    _asked(params, ())
    found = reader.execution(params["id"])
    if found is None:
        raise NotFound(f"id: no execution {params['id']!r} is recorded (never seen, or expired)")
    return dumps(found)


T = TypeVar("T")
Answer = Callable[[Any, Mapping[str, str]], T]
RUN_FILTERS: Final = ("workflow", "state", "label", "worker", "since", "until", "limit", "cursor")
_LOG_FILTERS: Final = ("level", "limit", "cursor")
LOG_SEARCH: Final = ("level", "task", "text", "run", "since", "until", "limit", "cursor")
_WAIT_FILTERS: Final = ("state", "name", "window", "since", "until", "limit", "cursor")


def runs(reader: Any, params: Mapping[str, str]) -> bytes:
    """Answer ``/runs``."""
    return dumps(reader.runs(**_asked(params, RUN_FILTERS)))


def run(reader: Any, params: Mapping[str, str]) -> bytes:
    """Answer ``/runs/{id}``."""
    most = MOST_IN_COLUMNS if params.get("form") == "columns" else _MOST
    return _found(reader.run(params["id"], **_asked(params, ("limit", "form"), most)), "run", params["id"])


def run_logs(reader: Any, params: Mapping[str, str]) -> bytes:
    """Answer ``/runs/{id}/logs``."""
    return dumps(reader.run_logs(params["id"], **_asked(params, _LOG_FILTERS)))


def execution_logs(reader: Any, params: Mapping[str, str]) -> bytes:
    """Answer ``/executions/{id}/logs``."""
    return dumps(reader.execution_logs(params["id"], **_asked(params, _LOG_FILTERS)))


def workflows(reader: Any, params: Mapping[str, str]) -> bytes:
    """Answer ``/workflows``."""
    return dumps(reader.workflows(**_asked(params, _BETWEEN)))


def workflow(reader: Any, params: Mapping[str, str]) -> bytes:
    """Answer ``/workflows/{name}``."""
    return _found(reader.workflow(params["id"], **_asked(params, _BETWEEN)), "workflow", params["id"])


def workflow_steps(reader: Any, params: Mapping[str, str]) -> bytes:
    """Answer ``/workflows/{name}/steps``."""
    return _found(reader.workflow_steps(params["id"], **_asked(params, _BETWEEN)), "workflow", params["id"])


def waits(reader: Any, params: Mapping[str, str]) -> bytes:
    """Answer ``/waits``."""
    return dumps(reader.waits(**_asked(params, _WAIT_FILTERS)))


def spans(reader: Any, params: Mapping[str, str]) -> bytes:
    """Answer ``/spans``."""
    return dumps(reader.spans(**_asked(params, _BETWEEN)))


def measures(reader: Any, params: Mapping[str, str]) -> bytes:
    """Answer ``/measures``."""
    return dumps(reader.measures(**_asked(params, _BETWEEN)))


def queues(reader: Any, params: Mapping[str, str]) -> bytes:
    """Answer ``/queues``."""
    return dumps(reader.queues(**_asked(params, _BETWEEN)))


def queue(reader: Any, params: Mapping[str, str]) -> bytes:
    """Answer ``/queues/{name}``."""
    return _found(reader.queue(params["id"], **_asked(params, _BETWEEN)), "queue", params["id"])


def waiting(reader: Any, params: Mapping[str, str]) -> bytes:
    """Answer ``/queues/{name}/waiting``."""
    return _found(reader.waiting(params["id"], **_asked(params, ("limit",))), "queue", params["id"])


def schedule(reader: Any, params: Mapping[str, str]) -> bytes:
    """Answer ``/schedule``."""
    return dumps(reader.schedule(**_asked(params, _BETWEEN)))


def label(reader: Any, params: Mapping[str, str]) -> bytes:
    """Answer ``/labels/{key}/{value}``."""
    key, value = params["id"], params["value"]
    return _found(reader.label(key, value, **_asked(params, (*_BETWEEN, "limit"))), "label", f"{key}={value}")


def tasks(reader: Any, params: Mapping[str, str]) -> bytes:
    """Answer ``/tasks``."""
    return dumps(reader.task_names(**_asked(params, _BETWEEN)))


def task(reader: Any, params: Mapping[str, str]) -> bytes:
    """Answer ``/tasks/{name}``."""
    return _found(reader.task(params["id"], **_asked(params, _BETWEEN)), "task", params["id"])


def failures(reader: Any, params: Mapping[str, str]) -> bytes:
    """Answer ``/failures``."""
    return dumps(reader.failures(**_asked(params, (*_BETWEEN, "task", "limit"))))


def failure(reader: Any, params: Mapping[str, str]) -> bytes:
    """Answer ``/failures/{fingerprint}``."""
    return _found(reader.failure(params["id"], **_asked(params, _BETWEEN)), "fingerprint", params["id"])


def quantiles(reader: Any, params: Mapping[str, str]) -> bytes:
    """Answer ``/quantiles``."""
    asked = _asked(params, ("series", "measure", "q", *_BETWEEN))
    if "series" not in asked:
        raise BadRequest("bad_series", "series: is missing; give one like task:shop.charge")
    return dumps(reader.quantiles(**asked))


def logs(reader: Any, params: Mapping[str, str]) -> bytes:
    """Answer ``/logs``."""
    return dumps(reader.logs(**_asked(params, LOG_SEARCH)))


def workers(reader: Any, params: Mapping[str, str]) -> bytes:
    """Answer ``/workers``."""
    return dumps(reader.workers(**_asked(params, _BETWEEN)))


def worker(reader: Any, params: Mapping[str, str]) -> bytes:
    """Answer ``/workers/{hostname}``."""
    return _found(reader.worker(params["id"], **_asked(params, _BETWEEN)), "worker", params["id"])


def hosts(reader: Any, params: Mapping[str, str]) -> bytes:
    """Answer ``/hosts``."""
    _asked(params, ())
    return dumps(reader.hosts())


def host(reader: Any, params: Mapping[str, str]) -> bytes:
    """Answer ``/hosts/{name}``."""
    return _found(reader.host(params["id"], **_asked(params, _BETWEEN)), "host", params["id"])


def resources(reader: Any, params: Mapping[str, str]) -> bytes:
    """Answer ``/resources``."""
    return dumps(reader.resources(**_asked(params, ("by", *_BETWEEN))))


PATHS: Final[Mapping[str, Answer[bytes]]] = {
    "/summary": summary,
    "/health": health,
    "/executions": executions,
    "/executions/{id}": execution,
    "/executions/{id}/logs": execution_logs,
    "/runs": runs,
    "/runs/{id}": run,
    "/runs/{id}/logs": run_logs,
    "/workflows": workflows,
    "/workflows/{id}": workflow,
    "/workflows/{id}/steps": workflow_steps,
    "/tasks": tasks,
    "/tasks/{id}": task,
    "/failures": failures,
    "/failures/{id}": failure,
    "/quantiles": quantiles,
    "/logs": logs,
    "/waits": waits,
    "/spans": spans,
    "/measures": measures,
    "/workers": workers,
    "/workers/{id}": worker,
    "/hosts": hosts,
    "/hosts/{id}": host,
    "/resources": resources,
    "/labels/{id}/{value}": label,
    "/queues": queues,
    "/queues/{id}": queue,
    "/queues/{id}/waiting": waiting,
    "/schedule": schedule,
}
"""Path below the API's root to what answers it; a part in braces comes as a parameter of that name."""
_PARTS: Final = ("id", "value")


def joined(parts: Iterable[str], query: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters of a question: those of its query, and the parts of its path under their names.

    Raises:
        BadRequest: the query has a name of a part.
    """
    for name in _PARTS:
        if name in query:
            raise BadRequest("unknown_parameter", f"{name}: is no parameter; it is a part of the path")
    return {**query, **dict(zip(_PARTS, parts, strict=False))}


def _asked(params: Mapping[str, str], known: tuple[str, ...], most: int = _MOST) -> dict[str, Any]:
    """Return the parameters that are no parts of the path, when they are of the known ones."""
    asked: dict[str, Any] = {name: value for name, value in params.items() if name not in _PARTS}
    _only(asked, known)
    if "limit" in asked:
        asked["limit"] = _limit(asked["limit"], most)
    return asked


def _found(row: dict[str, Any] | None, what: str, name: str) -> bytes:
    if row is None:
        raise NotFound(f"{what}: nothing is recorded of {name[:200]!r} (never seen, or expired)")
    return dumps(row)


def problem(error: BaseException) -> Problem:
    """Return what a client is told of an exception; one of our own making is logged with its traceback."""
    if isinstance(error, NotFound):
        return Problem(404, "not_found", str(error))
    if isinstance(error, BadRequest):
        return Problem(400, error.code, error.message)
    if isinstance(error, ConfigurationError):
        return Problem(503, "configuration", str(error))
    if isinstance(error, StoreTooNew):
        return Problem(503, "store_too_new", str(error))
    if isinstance(error, StoreRefused):
        return Problem(503, "store_refused", str(error))
    if isinstance(error, StoreError):
        return Problem(503, "store_unreachable", str(error))
    log.error("celery-monitor: an answer failed", exc_info=error)
    return Problem(500, "internal", f"{type(error).__name__}; the traceback is in Flower's log")


def _only(params: Mapping[str, str], known: tuple[str, ...]) -> None:
    for name, value in params.items():
        if name not in known:
            accepted = ", ".join(known) or "none"
            raise BadRequest("unknown_parameter", f"{name[:100]}: unknown parameter; accepted: {accepted}")
        if len(value) > MAX_VALUE_LENGTH:
            raise BadRequest(f"bad_{name}", f"{name}: {len(value)} characters; give at most {MAX_VALUE_LENGTH}")


def _limit(text: str, most: int = _MOST) -> int:
    # isdecimal accepts other scripts' digits and int() reads them, so nothing but a number passes.
    if not text.isdecimal() or not 1 <= int(text) <= most:
        raise BadRequest("bad_limit", f"limit: {text[:20]!r}; give a whole number from 1 to {most}")
    return int(text)
