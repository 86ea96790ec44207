"""Turns a record's payload into the row that is stored; raises ValueError for bytes that are not what they claim."""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Any, NamedTuple

from celery_monitor.model import Attempt, Publish
from celery_monitor.signals.layout import BEGIN, END, FACT, PUBLISH, read_texts, unpack_ids
from celery_monitor.signals.record import Flag

NO_TEXTS = ("", "", "")


class Begun(NamedTuple):
    """The BEGIN part of an attempt, decoded."""

    serial: int
    slot: int
    flags: int
    retries: int
    priority: int
    wait_le: int
    wait_bin: int
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
        fixed = BEGIN.unpack_from(data, at)
        ids, at = unpack_ids(data, at + BEGIN.size)
        raw, at = read_texts(data, at)
    except (struct.error, IndexError) as error:
        raise ValueError(f"an attempt's beginning of {len(data)} bytes is cut off") from error
    return Begun._make((*fixed, ids, names_of(raw), at))


def attempt(data: bytes, ring_id: bytes, worker: str, pid: int) -> tuple[Attempt, Begun, tuple[int, int, int]]:
    """Decode an ATTEMPT payload: the row, its beginning, and the buckets (runtime_le, runtime bin, cpu bin)."""
    try:
        state, reason, le, run_bin, cpu_bin, runtime, cpu, rss, growth = END.unpack_from(data, 0)
    except struct.error as error:
        raise ValueError(f"an attempt of {len(data)} bytes is cut off") from error
    start = begun(data, END.size)
    raw, _ = read_texts(data, start.end)
    error_texts = tuple(raw.decode("utf-8", "replace").split("\x00", 2)) if raw else NO_TEXTS
    row = _row(start, ring_id, worker, pid, state, reason, runtime, cpu, rss, growth, error_texts)
    return row, start, (le, run_bin, cpu_bin)


def _row(
    start: Begun, ring_id: bytes, worker: str, pid: int, state: int, reason: int, runtime: int, cpu: int,
    rss: int, growth: int, error: tuple[str, ...],
) -> Attempt:  # fmt: skip
    task, queue, workflow = start.names
    uid = ring_id + start.serial.to_bytes(4, "little")
    return Attempt._make((
        *start.ids, uid, task, queue, worker, pid, state, reason, start.flags,
        start.retries, start.priority, start.published_us, start.started_us, start.wait_us, runtime, cpu, rss, growth,
        workflow, task if workflow else "", *error,
    ))  # fmt: skip


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
    parts: Any = tuple(text.decode("utf-8", "replace").split("\x00", 2)) if text else NO_TEXTS
    return Fact(state, reason, flags, serial, at_us, ids, names_of(raw), parts if len(parts) == 3 else NO_TEXTS)


def unstarted(told: Fact, worker: str, uid: bytes) -> Attempt:
    """Return the row of an execution that ended without a body."""
    task, queue, workflow = told.names
    return Attempt._make((
        *told.ids, uid, task, queue, worker, 0, told.state, told.reason, told.flags | Flag.UNSTARTED, 0, 0, 0,
        told.at_us, -1, -1, -1, 0, 0, workflow, task if workflow else "", *told.error,
    ))  # fmt: skip
