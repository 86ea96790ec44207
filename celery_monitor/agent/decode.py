"""Turns a record's payload into the row that is stored; raises ValueError for bytes that are not what they claim."""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Final, NamedTuple

from celery_monitor.model import Attempt, Publish
from celery_monitor.signals.layout import BEGIN, END, FACT, NO_ERROR, PUBLISH, read_texts, unpack_ids
from celery_monitor.signals.record import Flag

NO_TEXTS = ("", "", "")
_ATTEMPT: Final = struct.Struct(END.format + BEGIN.format.lstrip("<"))
_ATTEMPT_BYTES: Final = _ATTEMPT.size
_unpack_attempt, _unpack_begin = _ATTEMPT.unpack_from, BEGIN.unpack_from


class Begun(NamedTuple):
    """The BEGIN part of an attempt, decoded."""

    serial: int
    slot: int
    flags: int
    retries: int
    priority: int
    started_us: int
    published_us: int
    wait_us: int
    ids: list[bytes]
    names: tuple[str, str, str]  # task, queue, workflow
    end: int  # offset behind it


class Fact(NamedTuple):
    """What a worker's parent heard of an execution."""

    state: int
    reason: int
    flags: int
    serial: int
    at_us: int
    ids: list[bytes]
    names: tuple[str, str, str]
    error: tuple[str, str, str]


@lru_cache(maxsize=10_000)
def names_of(raw: bytes) -> tuple[str, str, str]:
    """Return the three texts of a series or error block."""
    parts = raw.decode("utf-8", "replace").split("\x00")
    return (parts[0], parts[1], parts[2]) if len(parts) == 3 else NO_TEXTS


def begun(data: bytes, at: int = 0) -> Begun:
    """Decode the BEGIN part at an offset."""
    try:
        fixed = _unpack_begin(data, at)
        ids, at = unpack_ids(data, at + BEGIN.size)
        raw, at = read_texts(data, at)
    except (struct.error, IndexError) as error:
        raise ValueError(f"an attempt's beginning of {len(data)} bytes is cut off") from error
    return Begun._make((*fixed, ids, names_of(raw), at))


def attempt(data: bytes, ring_id: bytes, worker: str, pid: int) -> tuple[Attempt, Begun]:
    """Decode an ATTEMPT payload: the row and its beginning."""
    try:
        (
            state, reason, runtime, cpu, rss, growth,
            serial, slot, flags, retries, priority, started, published, wait,
        ) = _unpack_attempt(data, 0)  # fmt: skip
        ids, at = unpack_ids(data, _ATTEMPT_BYTES)
    except (struct.error, IndexError) as error:
        raise ValueError(f"an attempt of {len(data)} bytes is cut off") from error
    raw, at = read_texts(data, at)
    names = task, queue, workflow = names_of(raw)
    raw = b"" if data[at:] == NO_ERROR else read_texts(data, at)[0]
    row = Attempt._make((
        *ids, ring_id + serial.to_bytes(4, "little"), task, queue, worker, pid, state, reason, flags, retries, priority,
        published, started, wait, runtime, cpu, rss, growth, workflow, task if workflow else "", *_error(raw),
    ))  # fmt: skip
    start = Begun._make((
        serial, slot, flags, retries, priority, started, published, wait, ids, names, at,
    ))  # fmt: skip
    return row, start


def publish(data: bytes) -> Publish:
    """Decode a PUBLISH payload."""
    try:
        published, due, retries, flags = PUBLISH.unpack_from(data, 0)
        ids, at = unpack_ids(data, PUBLISH.size)
        raw, _ = read_texts(data, at)
    except (struct.error, IndexError) as error:
        raise ValueError(f"a publish of {len(data)} bytes is cut off") from error
    task, queue, workflow = names_of(raw)
    return Publish._make((*ids, task, queue, published, due, retries, flags, workflow))


def fact(data: bytes) -> Fact:
    """Decode a FACT payload."""
    try:
        state, reason, flags, _pid, serial, at_us = FACT.unpack_from(data, 0)
        ids, at = unpack_ids(data, FACT.size)
        raw, at = read_texts(data, at)
        text, _ = read_texts(data, at)
    except (struct.error, IndexError) as error:
        raise ValueError(f"a fact of {len(data)} bytes is cut off") from error
    return Fact(state, reason, flags, serial, at_us, ids, names_of(raw), _error(text))


def _error(raw: bytes) -> tuple[str, str, str]:
    """Return the three texts of an error block, empty ones when it has not three."""
    if not raw:
        return NO_TEXTS
    parts = raw.decode("utf-8", "replace").split("\x00", 2)
    return (parts[0], parts[1], parts[2]) if len(parts) == 3 else NO_TEXTS


def unstarted(told: Fact, worker: str, uid: bytes) -> Attempt:
    """Return the row of an execution that ended without a body."""
    task, queue, workflow = told.names
    return Attempt._make((
        *told.ids, uid, task, queue, worker, 0, told.state, told.reason, told.flags | Flag.UNSTARTED, 0, 0, 0,
        told.at_us, -1, -1, -1, 0, 0, workflow, task if workflow else "", *told.error,
    ))  # fmt: skip
