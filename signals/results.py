"""Tells how large results are when they are stored: the result backend's own encoding is listened to, never repeated.

Celery's backends of keys and values (Redis, memcached, files, S3, ...), SQLAlchemy and Cassandra turn a result into
text or bytes by `encode`; what the others do with it (RPC, MongoDB's BSON) stays unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Final

from billiard.exceptions import SoftTimeLimitExceeded
from celery._state import _task_stack  # type: ignore[attr-defined]

from celery_monitor.signals import guard
from celery_monitor.signals.record import ResultSize, size_class
from celery_monitor.signals.requests import top

ENCODED: Final = "_celery_monitor_encoded"
"""Where a request keeps bare results that were encoded while it ran: pairs of the value and the size of its bytes."""
_MOST: Final = 16
_MOST_STORED: Final = 1024
_stored: dict[str, int] = {}
"""Task id to the bytes of its result with what Celery puts around it, until its attempt ends."""


def class_of(task: Any, about: Mapping[str, Any], result: Any) -> int:
    """Return the `ResultSize` of a result that is not None, at the end of its attempt."""
    stored = _stored.pop(about.get("id") or "", None)
    if stored is not None:
        return size_class(stored)
    for value, size in reversed(about.get(ENCODED, ())):
        if value is result:
            return size_class(size)
    return int(ResultSize.NONE if _nowhere(task, about) else ResultSize.UNKNOWN)


def _nowhere(task: Any, about: Mapping[str, Any]) -> bool:
    """Tell whether a result is stored nowhere: it is ignored, the caller has it, or there is no backend."""
    ignored = about.get("ignore_result")
    if task.ignore_result if ignored is None else ignored:
        return True
    if about.get("is_eager") and not task.store_eager_result:
        return True
    from celery.backends.base import DisabledBackend  # noqa: PLC0415 - a producer has no use for it

    return isinstance(task.backend, DisabledBackend)


def listen(app: Any) -> None:
    """Listen to the backends of an app, those it has and those it makes later: one in each thread that needs one."""
    make = getattr(app, "_get_backend", None)
    if make is None or hasattr(make, "__wrapped__"):
        return

    @wraps(make)
    def made() -> Any:
        return _overheard(make())

    app._get_backend = made  # noqa: SLF001 - the one place where an app's backends come from
    for known in (getattr(app, "_backend_cache", None), getattr(getattr(app, "_local", None), "backend", None)):
        if known is not None:
            _overheard(known)


def _overheard(backend: Any) -> Any:
    encode = getattr(backend, "encode", None)
    if encode is not None and not hasattr(encode, "__wrapped__"):
        backend.encode = _measured(encode)
    return backend


def _measured(encode: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(encode)
    def measured(data: Any, *args: Any, **kwargs: Any) -> Any:
        payload = encode(data, *args, **kwargs)
        try:
            if not isinstance(payload, (str, bytes)):
                return payload
            if type(data) is not dict or "task_id" not in data or "status" not in data:
                _note(data, payload)
            elif data["status"] == "SUCCESS" and data.get("result") is not None:
                if len(_stored) >= _MOST_STORED:
                    _stored.clear()
                _stored[data["task_id"]] = _bytes(payload)
        except SoftTimeLimitExceeded:  # as if it had struck in the encoding itself
            raise
        except Exception as error:  # noqa: BLE001 - the seam: a user's task must not notice us
            guard.note("measuring a result", error)
        return payload

    return measured


def _note(value: Any, payload: str | bytes) -> None:
    """Keep the size of a bare value with the request that runs."""
    task = top(_task_stack)
    request = top(task.request_stack) if task is not None else None
    if request is None or value is None:
        return
    known = request.__dict__.setdefault(ENCODED, [])
    if len(known) >= _MOST:
        del known[0]
    known.append((value, _bytes(payload)))


def _bytes(payload: str | bytes) -> int:
    if isinstance(payload, str) and not payload.isascii():
        return len(payload.encode("utf-8", "replace"))
    return len(payload)
