"""Whatever bytes lie in a ring, its reader comes to the head and what it yields is a row or a ValueError."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from celery_monitor.agent import decode, details
from celery_monitor.agent.drain import RingReader
from celery_monitor.signals import ring
from celery_monitor.signals.record import Kind
from celery_monitor.signals.writer import Writer
from tests.agent.test_decode import ATTEMPT, BEGIN, FACT, PUBLISH

RECORDS = ((Kind.ATTEMPT, ATTEMPT), (Kind.PUBLISH, PUBLISH), (Kind.FACT, FACT))


def a_ring(times: int) -> ring.Ring:
    """Return a ring with records of each kind, and an attempt that has only begun."""
    made = ring.create_anonymous(16_384, 2, b"i" * 16)
    writer = Writer(made)
    for _ in range(times):
        for kind, payload in RECORDS:
            writer.put(kind, payload)
    writer.mark(writer.take_slot(), 9, BEGIN)
    writer.settle()
    return made


def rows(made: ring.Ring) -> int:
    """Decode everything in a ring; return how many records it yielded."""
    reader, found = RingReader(made), 0
    read: dict[int, Callable[[bytes], Any]] = {
        Kind.ATTEMPT: lambda data: decode.attempt(data, made.ring_id, "celery@a", 1),
        Kind.PUBLISH: decode.publish,
        Kind.FACT: decode.fact,
    }
    for kind, payload in reader.take(10**6):
        found += 1
        with contextlib.suppress(ValueError):
            if kind in read:
                read[kind](payload)
            else:
                details.decode(kind, payload, made.ring_id, "celery@a")
    assert reader.read >= reader.head or made.number(ring.AT_HEAD) > 1 << 60, "it comes to the head"
    for _, _, begin in reader.open_attempts():
        with contextlib.suppress(ValueError):
            decode.begun(begin)
    return found


def test_a_ring_that_nobody_has_touched_yields_every_record() -> None:
    assert rows(a_ring(5)) == 15


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.integers(1, 30))
def test_bytes_that_were_changed_anywhere_cost_records_and_nothing_else(seed: int, changes: int) -> None:
    made, rng = a_ring(8), random.Random(seed)
    used = made.number(ring.AT_HEAD)
    for _ in range(changes):
        at = rng.choice((ring.PAGE + rng.randrange(2 * ring.SLOT_BYTES), made.data + rng.randrange(used)))
        made.map[at] = rng.randrange(256)

    assert rows(made) <= 24


@settings(max_examples=30)
@given(st.binary(min_size=1, max_size=2000))
def test_noise_in_the_place_of_records_yields_none(noise: bytes) -> None:
    made = ring.create_anonymous(16_384, 2, b"i" * 16)
    made.map[made.data : made.data + len(noise)] = noise
    ring.put_number(made.map, ring.AT_HEAD, len(noise))

    assert rows(made) <= len(noise) // 9
