r"""What a ring holds: the states, reasons and flags of an attempt, and the bytes of each kind of record.

All integers are little endian; times are microseconds since the epoch; 0 means unknown for a point in time, -1 for a
duration. A record is an envelope (`ENVELOPE`: adler32 of the payload, payload length, kind, version) and a payload. A
reader that meets a kind or version it does not know skips it by its length and counts it.

Ids travel as bytes: 16 raw bytes for a canonical UUID, otherwise ``\x00`` and the UTF-8 text (see `pack_id`).
"""

from __future__ import annotations

import enum
import hashlib
from bisect import bisect_left
from math import ceil, log
from struct import Struct
from typing import Final

VERSION: Final = 1
ENVELOPE: Final = Struct("<IHBB")
MAX_PAYLOAD: Final = 20 * 1024


class Kind(enum.IntEnum):
    """What a record is."""

    PAD = 0  # the rest of the ring up to its end; the next record starts at offset 0
    ATTEMPT = 1  # a complete end of one attempt
    PUBLISH = 2  # one message handed to the broker
    FACT = 3  # what the worker's parent heard about an execution
    LABELS = 4  # labels of a run or an execution, and what a run is called
    PLAN = 5  # steps that a published message plans
    SPAN = 6  # a named part of an attempt that has ended
    WAIT = 7  # the beginning or the end of a wait for something outside
    MEASURE = 8  # a number that was reported
    LOG = 9  # a log record that was emitted inside an attempt
    CONTENT = 10  # arguments or result of an attempt, when asked for
    TRAFFIC = 11  # network traffic and calls of I/O of an attempt, when asked for
    FIRE = 12  # a beat has sent an entry


class State(enum.IntEnum):
    """How an attempt or an execution ended; values are stored and never renumbered."""

    STARTED = 0
    SUCCESS = 1
    FAILURE = 2
    RETRY = 3
    REVOKED = 4
    EXPIRED = 5
    IGNORED = 6
    REPLACED = 7
    REJECTED = 8
    LOST = 9
    INTERRUPTED = 10
    UNREGISTERED = 11
    BAD_MESSAGE = 12
    STORE_FAILED = 13
    NEVER_PUBLISHED = 14


class Reason(enum.IntEnum):
    """Why it ended so: a timeout is never only FAILURE; values are stored and never renumbered."""

    OK = 0
    ERROR = 1
    SOFT_TIMEOUT = 2
    HARD_TIMEOUT = 3
    KILLED = 4
    OUT_OF_MEMORY = 5
    WORKER_LOST = 6
    WORKER_GONE = 7  # the worker is silent, perhaps with its host
    REDELIVERED = 8  # so is it, and the broker has given the message to another one
    SHUTDOWN = 9
    REVOKED = 10
    TERMINATED = 11
    EXPIRED = 12
    REJECTED = 13
    REQUEUED = 14
    IGNORED = 15
    REPLACED = 16
    RETRY = 17
    BACKEND = 18
    UNKNOWN_TASK = 19
    UNDECODABLE = 20
    PREDECESSOR = 21
    MAX_RETRIES = 22
    SYSTEM_EXIT = 23
    PARENT_GONE = 24  # the worker's main process was found dead on its host


def name_of(kind: type[enum.IntEnum], value: int) -> str:
    """Return the name of a stored value; a newer release may have written one that this one does not know.

    >>> name_of(State, 9), name_of(State, 99)
    ('LOST', 'UNKNOWN_99')
    """
    known = kind._value2member_map_.get(value)
    return str(getattr(known, "name", f"UNKNOWN_{value}"))


class ResultSize(enum.IntEnum):
    """How large a successful attempt's result was when it was stored; values are stored and never renumbered."""

    UNKNOWN = 0
    NONE = 1  # it returned None, or nothing of it was stored
    UP_TO_1_KIB = 2
    UP_TO_10_KIB = 3
    UP_TO_100_KIB = 4
    UP_TO_1_MIB = 5
    OVER_1_MIB = 6


class Flag(enum.IntFlag):
    """What else is known of an attempt; values are stored and never renumbered."""

    EAGER = 1  # ran in the caller: apply() or task_always_eager
    REDELIVERED = 2  # the broker had given the message out before
    INFRASTRUCTURE = 4  # machinery (ours, celery.chord_unlock, ...): in nobody's totals
    FOREIGN = 8  # the publisher had no Monitor: publish time unknown, run derived here
    SKEWED = 16  # the clocks of publisher and worker contradict each other; the wait was clamped to 0
    UNSTARTED = 32  # no body ran: revoked or expired while waiting, unregistered, undecodable
    CONTINUES = 64  # this run continues an earlier one (a task that re-schedules itself)
    PARTIAL_RUN = 1 << 14  # kept alone: of its run nothing else is, as the store has room for some runs only
    UNATTRIBUTED = 128  # CPU or memory cannot be told apart from other attempts of the process


GAMMA: Final = 1.02 / 0.98
_PER_LOG: Final = 1.0 / log(GAMMA)
RUNTIME_LE: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""prometheus_client's default buckets in seconds; celery-exporter's `celery_task_runtime` uses them."""
WAIT_LE: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
"""celery-exporter's buckets of `celery_task_queue_wait_time` in seconds."""
_RUNTIME_US: Final = tuple(round(le * 1e6) for le in RUNTIME_LE)
_SIZES: Final = (1024, 10 * 1024, 100 * 1024, 1024 * 1024)
_WAIT_US: Final = tuple(round(le * 1e6) for le in WAIT_LE)


def bin_of(value: int) -> int:
    """Return the log bucket of a whole value (us or KiB): the least i with ``GAMMA**i >= value``; -1 for 0 and less.

    The mid value ``2 * GAMMA**i / (GAMMA + 1)`` is within 2 % of every value of bucket i (DDSketch, Masson et al. 2019,
    Proposition 1, alpha = 0.02).

    >>> [bin_of(v) for v in (0, 1, 1000, 1_000_000)]
    [-1, 0, 173, 346]
    """
    return ceil(log(value) * _PER_LOG) if value > 0 else -1


def runtime_le(us: int) -> int:
    """Return the index of the first bucket of `RUNTIME_LE` that holds a duration, ``len(RUNTIME_LE)`` for +Inf."""
    return bisect_left(_RUNTIME_US, us)


def wait_le(us: int) -> int:
    """Return the index of the first bucket of `WAIT_LE` that holds a duration, ``len(WAIT_LE)`` for +Inf."""
    return bisect_left(_WAIT_US, us)


def size_class(size: int) -> int:
    """Return the `ResultSize` of so many bytes.

    >>> ResultSize(size_class(1024)).name, ResultSize(size_class(1025)).name
    ('UP_TO_1_KIB', 'UP_TO_10_KIB')
    """
    return 2 + bisect_left(_SIZES, size)


_from_hex = bytes.fromhex
LONGEST_ID: Final = 251
"""Bytes of a packed id: its length is one byte in a record."""
_BEGINNING: Final = 180
"""Bytes of a long id that are kept beside its digest."""


def pack_id(text: str) -> bytes:
    r"""Return an id as bytes: 16 for a canonical UUID, else a zero byte and the text; a long one is abbreviated.

    >>> pack_id("0b9e2f6c-1111-4222-8333-444455556666").hex()
    '0b9e2f6c111142228333444455556666'
    >>> pack_id("order-17")
    b'\x00order-17'
    """
    try:
        if len(text) == 36 and text[8:24:5] == "----" and text == text.lower():
            try:
                raw = _from_hex(text.replace("-", ""))
            except ValueError:
                raw = b""
            if len(raw) == 16:
                return raw
        packed = b"\x00" + text.encode("utf-8", "replace")
    except (AttributeError, TypeError):  # publishers may give a UUID itself, other clients a number
        return pack_id(str(text))
    if len(packed) > LONGEST_ID:
        return b"\x00" + short(text).encode("utf-8", "replace")
    return packed + b"\x00" if len(packed) == 16 else packed  # 16 bytes mean a UUID


def short(text: str) -> str:
    r"""Return a long id as its beginning and a digest of the whole; that is a short one, and the same in any form.

    >>> short("x" * 1000)[-40:], len(pack_id("名" * 200)) <= LONGEST_ID
    ('xxxxxxx…c9b2bd4ff487864c29fb41fab3e8187e', True)
    >>> pack_id(unpack_id(pack_id("x" * 1000))) == pack_id("x" * 1000) != pack_id("x" * 999)
    True
    """
    raw = text.encode("utf-8", "replace")
    beginning = raw[:_BEGINNING].decode("utf-8", "ignore")
    return f"{beginning}…{hashlib.blake2b(raw, digest_size=16).hexdigest()}"


def unpack_id(raw: bytes) -> str:
    r"""Return the text of an id that `pack_id` made; empty for no id.

    >>> unpack_id(pack_id("0b9e2f6c-1111-4222-8333-444455556666")), unpack_id(b"\x00order-17"), unpack_id(b"")
    ('0b9e2f6c-1111-4222-8333-444455556666', 'order-17', '')
    """
    if len(raw) == 16:
        h = raw.hex()
        return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"
    text = raw[1:-1] if len(raw) == 17 and raw[-1] == 0 else raw[1:]
    return text.decode("utf-8", "replace")


def fixed_id(raw: bytes) -> bytes:
    """Return 16 bytes for any packed id: itself, or a BLAKE2b digest when it is a text (run ids, index keys)."""
    return raw if len(raw) == 16 else hashlib.blake2b(raw, digest_size=16).digest()
