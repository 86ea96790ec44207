"""Turns a record's payload into the row that is stored; raises ValueError for bytes that are not what they claim."""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Final, NamedTuple

from celery_monitor.agent.fingerprint import fingerprint
from celery_monitor.model import Attempt, Publish
from celery_monitor.signals.layout import (
    BEGIN,
    END,
    FACT,
    NO_ERROR,
    PUBLISH,
    UNREAD,
    read_texts,
    unpack_ids,
    unpack_unread,
    waited,
)
from celery_monitor.signals.record import Flag, ResultSize

NO_TEXTS = ("", "", "")
Names = tuple[str, str, str, str]
"""Task, queue, workflow, and the routing key where it is not the queue's name."""
_NO_NAMES: Final = ("", "", "", "")
UNHELD: Final = (-1, 0)
"""A hold that nobody knows: us, and by how much that may be wrong."""
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
    names: Names
    end: int  # offset behind it
    labels: str = ""  # those that are counted, as `signals.labels` writes them


class Fact(NamedTuple):
    """What a worker's parent heard of an execution."""

    state: int
    reason: int
    flags: int
    serial: int
    at_us: int
    ids: list[bytes]
    names: Names
    error: tuple[str, str, str]


@lru_cache(maxsize=10_000)
def labels_of(raw: bytes) -> str:
    """Return the labels in a series block that are counted, "" for none."""
    parts = raw.split(b"\x00", 4)
    return parts[4].decode("utf-8", "replace") if len(parts) > 4 else ""


@lru_cache(maxsize=10_000)
def names_of(raw: bytes) -> Names:
    """Return the texts of a series block."""
    parts = raw.decode("utf-8", "replace").split("\x00")
    return (parts[0], parts[1], parts[2], parts[3] if len(parts) > 3 else "") if len(parts) > 2 else _NO_NAMES


def begun(data: bytes, at: int = 0) -> Begun:
    """Decode the BEGIN part at an offset."""
    try:
        serial, slot, flags, retries, priority, started, published, wait = _unpack_begin(data, at)
        ids, published, wait, more, at = _origin(data, at + BEGIN.size, started, published, wait)
        raw, at = read_texts(data, at)
    except (struct.error, IndexError) as error:
        raise ValueError(f"an attempt's beginning of {len(data)} bytes is cut off") from error
    return Begun._make((
        serial, slot, flags | more, retries, priority, started, published, wait, ids, names_of(raw), at, labels_of(raw),
    ))  # fmt: skip


def _origin(data: bytes, at: int, started: int, published: int, wait: int) -> tuple[list[bytes], int, int, int, int]:
    """Return ids, publish time, wait, what else they say as flags, and the offset behind the ids."""
    if data[at : at + 2] != UNREAD:
        ids, end = unpack_ids(data, at)
        return ids, published, wait, 0, end
    ids, published, end = unpack_unread(data, at)
    return ids, max(published, 0), *waited(started, published), end


def attempt(
    data: bytes, ring_id: bytes, worker: str, pid: int, hold: tuple[int, int] = UNHELD
) -> tuple[Attempt, Begun]:
    """Decode an ATTEMPT payload: the row and its beginning."""
    try:
        (
            state, reason, size, runtime, cpu, rss, growth, read, written, switches, involuntary,
            serial, slot, flags, retries, priority, started, published, wait,
        ) = _unpack_attempt(data, 0)  # fmt: skip
        ids, published, wait, more, at = _origin(data, _ATTEMPT_BYTES, started, published, wait)
        flags |= more
    except (struct.error, IndexError) as error:
        raise ValueError(f"an attempt of {len(data)} bytes is cut off") from error
    raw, at = read_texts(data, at)
    names = task, queue, workflow, routing_key = names_of(raw)
    counted = labels_of(raw)
    raw = b"" if data[at:] == NO_ERROR else read_texts(data, at)[0]
    failure = _error(raw) if raw else NO_TEXTS
    row = Attempt._make((
        *ids, ring_id + serial.to_bytes(4, "little"), task, queue, worker, pid, state, reason, flags, retries, priority,
        published, started, wait, runtime, cpu, rss, growth, workflow, task if workflow else "", *failure,
        routing_key, size, *hold, fingerprint(*failure) if raw else "", read, written, switches, involuntary,
    ))  # fmt: skip
    start = Begun._make((
        serial, slot, flags, retries, priority, started, published, wait, ids, names, at, counted,
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
    task, queue, workflow, _ = names_of(raw)
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
    parts = raw.decode("utf-8", "replace").split("\x00", 2)
    return (parts[0], parts[1], parts[2]) if len(parts) == 3 else NO_TEXTS


def unstarted(told: Fact, worker: str, uid: bytes) -> Attempt:
    """Return the row of an execution that ended without a body."""
    task, queue, workflow, routing_key = told.names
    return Attempt._make((
        *told.ids, uid, task, queue, worker, 0, told.state, told.reason, told.flags | Flag.UNSTARTED, 0, 0, 0,
        told.at_us, -1, -1, -1, 0, 0, workflow, task if workflow else "", *told.error,
        routing_key, int(ResultSize.NONE), *UNHELD, fingerprint(*told.error), -1, -1, -1, -1,
    ))  # fmt: skip
