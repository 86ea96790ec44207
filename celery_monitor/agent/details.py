"""Turns the records of what happens in and around an attempt into rows; raises ValueError for bytes that are none."""

from __future__ import annotations

import struct
from collections.abc import Callable
from math import isfinite
from typing import Any, Final

from celery_monitor.details import Content, Fire, Labelled, Log, Measure, Plan, Span, Traffic, Wait
from celery_monitor.signals.fires import FIRE, FIRE_TEXTS
from celery_monitor.signals.inside import (
    CONTENT,
    CONTENT_TEXTS,
    KINDS,
    LOG,
    LOG_TEXTS,
    MEASURE,
    MEASURE_TEXTS,
    SPAN,
    SPAN_TEXTS,
    TRAFFIC,
    WAIT,
    WAIT_TEXTS,
    Owner,
    unpack_owner,
    unpack_texts,
)
from celery_monitor.signals.layout import LABELS, PLAN, STEP, read_texts
from celery_monitor.signals.record import Kind, fixed_id

Decoder = Callable[[bytes, bytes, str], Any]
"""Takes a payload, the id of its ring and the worker's name, and returns a row of its kind's table, or a list."""


def decode(kind: int, data: bytes, ring_id: bytes, worker: str) -> tuple[str, list[Any]] | None:
    """Return a record's table and rows, None for a kind that is none of these.

    Raises:
        ValueError: the bytes are not what they claim.
    """
    known = TABLES.get(kind)
    if known is None:
        return None
    table, decoder = known
    try:
        rows = decoder(data, ring_id, worker)
    except (struct.error, IndexError) as error:
        raise ValueError(f"a record of {len(data)} bytes for {table} is cut off") from error
    return table, rows if type(rows) is list else [rows]


def span(data: bytes, ring_id: bytes, worker: str) -> Span:
    """Decode a SPAN payload."""
    at_us, lasted, number, parent, failed, status, took = SPAN.unpack_from(data, 0)
    whose, texts = _rest(data, SPAN.size, len(SPAN_TEXTS))
    name, kind, exception, message, api, attributes = texts
    return Span(
        whose.id, _run(whose), _uid(whose, ring_id), number, parent, name, kind, whose.task, whose.workflow, worker,
        at_us, lasted, failed, exception, message, api, status, took, attributes,
    )  # fmt: skip


def wait(data: bytes, ring_id: bytes, worker: str) -> Wait:  # noqa: ARG001 - as every decoder
    """Decode a WAIT payload: a beginning, an end, or both."""
    at_us, begun, ended, key = WAIT.unpack_from(data, 0)
    whose, (name, outcome, by) = _rest(data, WAIT.size, len(WAIT_TEXTS))
    return Wait(
        whose.id, _run(whose), _uid(whose, ring_id), key, name, whose.task, whose.workflow, at_us, begun, ended,
        outcome, by,
    )  # fmt: skip


def measure(data: bytes, ring_id: bytes, worker: str) -> Measure:  # noqa: ARG001 - as every decoder
    """Decode a MEASURE payload."""
    at_us, value, kind = MEASURE.unpack_from(data, 0)
    whose, (name, unit) = _rest(data, MEASURE.size, len(MEASURE_TEXTS))
    if not isfinite(value):
        raise ValueError(f"a measure of {value}")
    return Measure(
        whose.id, _run(whose), _uid(whose, ring_id), name, KINDS[kind], unit, whose.task, whose.workflow, at_us, value
    )


def log(data: bytes, ring_id: bytes, worker: str) -> Log:
    """Decode a LOG payload."""
    at_us, level = LOG.unpack_from(data, 0)
    whose, (logger, message, extra, exception) = _rest(data, LOG.size, len(LOG_TEXTS))
    return Log(
        whose.id, _run(whose), _uid(whose, ring_id), level, logger, message, extra, exception, whose.task,
        whose.workflow, worker, at_us,
    )  # fmt: skip


def content(data: bytes, ring_id: bytes, worker: str) -> Content:  # noqa: ARG001 - as every decoder
    """Decode a CONTENT payload."""
    (at_us,) = CONTENT.unpack_from(data, 0)
    whose, (arguments, result) = _rest(data, CONTENT.size, len(CONTENT_TEXTS))
    return Content(whose.id, _run(whose), _uid(whose, ring_id), arguments, result, at_us)


def traffic(data: bytes, ring_id: bytes, worker: str) -> Traffic:  # noqa: ARG001 - as every decoder
    """Decode a TRAFFIC payload."""
    at_us, connections, sent, received, reads, writes = TRAFFIC.unpack_from(data, 0)
    whose, _ = unpack_owner(data, TRAFFIC.size)
    return Traffic(
        whose.id, _run(whose), _uid(whose, ring_id), whose.task, connections, sent, received, reads, writes, at_us
    )


def labels(data: bytes, ring_id: bytes, worker: str) -> Labelled:  # noqa: ARG001 - as every decoder
    """Decode a LABELS payload."""
    at_us, run, size = LABELS.unpack_from(data, 0)
    at = LABELS.size + size
    own = data[LABELS.size : at]
    raw, _ = read_texts(data, at)
    text, workflow, description = raw.decode("utf-8", "replace").split("\0")
    return Labelled(own, b"" if own and run == fixed_id(own) else run, text, workflow, description, at_us)


def plan(data: bytes, ring_id: bytes, worker: str) -> list[Plan]:  # noqa: ARG001 - as every decoder
    """Decode a PLAN payload: a row for each step."""
    at_us, run, count, steps = PLAN.unpack_from(data, 0)
    at, ids = PLAN.size, [b""]
    for _ in range(count):
        end = at + 1 + data[at]
        ids.append(data[at + 1 : end])
        at = end
    packed = list(STEP.iter_unpack(data[at : at + steps * STEP.size]))
    raw, _ = read_texts(data, at + steps * STEP.size)
    workflow, *names = raw.decode("utf-8", "replace").split("\0")
    names.insert(0, "")
    return [
        Plan(
            ids[own], b"" if ids[own] and run == fixed_id(ids[own]) else run, ids[after], ids[group], body, names[task],
            names[queue], workflow, times, at_us,
        )
        for own, after, group, task, queue, body, times in packed
    ]  # fmt: skip


def fire(data: bytes, ring_id: bytes, worker: str) -> Fire:
    """Decode a FIRE payload."""
    at_us, due, following, skipped, size = FIRE.unpack_from(data, 0)
    at = FIRE.size + size
    entry, task, error = unpack_texts(data, at, len(FIRE_TEXTS))
    return Fire(data[FIRE.size : at], b"", ring_id, entry, task, worker, error, at_us, due, following, skipped)


TABLES: Final[dict[int, tuple[str, Decoder]]] = {
    Kind.LABELS: ("labels", labels),
    Kind.PLAN: ("plans", plan),
    Kind.SPAN: ("spans", span),
    Kind.WAIT: ("waits", wait),
    Kind.MEASURE: ("measures", measure),
    Kind.LOG: ("logs", log),
    Kind.CONTENT: ("contents", content),
    Kind.FIRE: ("fires", fire),
    Kind.TRAFFIC: ("traffic", traffic),
}
"""Kind of record to its table (`details.ROWS`) and decoder."""


def _rest(data: bytes, at: int, count: int) -> tuple[Owner, tuple[str, ...]]:
    whose, at = unpack_owner(data, at)
    return whose, unpack_texts(data, at, count)


def _uid(whose: Owner, ring_id: bytes) -> bytes:
    return ring_id + whose.serial.to_bytes(4, "little") if whose.serial else b""


def _run(whose: Owner) -> bytes:
    """Return the run as rows keep it: empty when it is the (fixed) id itself."""
    own, run = whose.id, whose.run
    return b"" if own == run or (own and run == fixed_id(own)) else run
