"""The payloads of what happens inside a task: spans, waits, measures, logs and content.

Each is ``NUMBERS + owner + texts``: numbers of its kind, then whom it belongs to, then its texts.

* owner: ``I serial`` of the attempt in its ring (0 outside tasks), a length byte and a packed id (`record.pack_id`,
  none outside tasks), a length byte and 16 bytes of the run (or none), a series block without a queue (`layout`).
* texts: a u16 length, and as many UTF-8 texts as the kind has, with NUL between them; each is cut at its own bound.
"""

from __future__ import annotations

from functools import lru_cache
from struct import Struct
from typing import Final, NamedTuple

from celery_monitor.signals.layout import LENGTH, read_texts

SPAN: Final = Struct("<qqIIBHq")
"""at us, duration us, number, parent's number, failed, status code of its API, response time of its API us."""
WAIT: Final = Struct("<qqq16s")
"""at us, begun us (0: this is an end only), ended us (0: open), key."""
MEASURE: Final = Struct("<qdB")
"""at us, value, index in `KINDS`."""
LOG: Final = Struct("<qI")
"""at us, level."""
CONTENT: Final = Struct("<q")
"""at us."""
TRAFFIC: Final = Struct("<qiqqqq")
"""at us, connections, bytes sent, bytes received, calls that read, calls that write (each -1 unknown); the owner
follows, and no texts."""

KINDS: Final = ("sum", "gauge", "histogram")
_UUID: Final = 16
_pack_usual = Struct("<IB16sB16s").pack
_HEAD: Final = Struct("<IB")
_head = _HEAD.unpack_from
_SHORT: Final = 200
"""Bytes of a block of texts that is kept once it was read."""
MAX_NAME: Final = 100
MAX_WORD: Final = 40
MAX_MESSAGE: Final = 1024
# Bytes of one text in a record: all bounds of a kind together stay below `record.MAX_PAYLOAD`.
_NAME_BYTES, _SHORT_BYTES, _LONG_BYTES, _TRACE_BYTES = 400, 2048, 4096, 8192
SPAN_TEXTS: Final = (_NAME_BYTES, _NAME_BYTES, _NAME_BYTES, _LONG_BYTES, _NAME_BYTES, _LONG_BYTES)
"""name, kind, exception, message, API, attributes."""
WAIT_TEXTS: Final = (_NAME_BYTES, _NAME_BYTES, _NAME_BYTES)
"""name, outcome, ended by."""
MEASURE_TEXTS: Final = (_NAME_BYTES, _NAME_BYTES)
"""name, unit."""
LOG_TEXTS: Final = (_NAME_BYTES, _LONG_BYTES, _SHORT_BYTES, _TRACE_BYTES)
"""logger, message, extra, exception."""
CONTENT_TEXTS: Final = (_TRACE_BYTES, _TRACE_BYTES)
"""arguments, result."""


class Owner(NamedTuple):
    """Whom a record belongs to, decoded."""

    serial: int
    id: bytes
    run: bytes
    task: str
    workflow: str


def pack_owner(serial: int, own: bytes, run: bytes, series: bytes) -> bytes:
    """Return the owner block; `own` is a packed id or empty, `run` has 16 bytes or none."""
    if len(own) == _UUID == len(run):
        return _pack_usual(serial, _UUID, own, _UUID, run) + series
    return serial.to_bytes(4, "little") + bytes((len(own),)) + own + bytes((len(run),)) + run + series


def unpack_owner(data: bytes, at: int) -> tuple[Owner, int]:
    """Return the owner and the offset behind it; raises ValueError, IndexError or struct.error when cut off."""
    serial, size = _head(data, at)
    begin, at = at + _HEAD.size, at + _HEAD.size + size
    own, size = data[begin:at], data[at]
    begin, at = at + 1, at + 1 + size
    run = data[begin:at]
    raw, at = read_texts(data, at)
    names = split(raw)
    if len(names) < 3 or size not in {0, 16}:
        raise ValueError(f"an owner with {len(names)} names and a run of {size} bytes")
    return Owner(serial, own, run, names[0], names[2]), at


def split(raw: bytes) -> tuple[str, ...]:
    """Return the texts of a block; short ones, like names, are the same in record after record."""
    return _split(raw) if len(raw) <= _SHORT else tuple([part.decode("utf-8", "ignore") for part in raw.split(b"\x00")])


@lru_cache(maxsize=4096)
def _split(raw: bytes) -> tuple[str, ...]:
    return tuple([part.decode("utf-8", "ignore") for part in raw.split(b"\x00")])


def pack_texts(bounds: tuple[int, ...], *texts: str) -> bytes:
    r"""Return the texts block, each text cut at its bound in bytes.

    >>> pack_texts((3, 9), "Größe", "a\x00b")
    b'\x06\x00Gr\xc3\x00ab'
    """
    parts = [
        text.replace("\x00", "").encode("utf-8", "replace")[:most] for text, most in zip(texts, bounds, strict=True)
    ]
    raw = b"\x00".join(parts)
    return LENGTH.pack(len(raw)) + raw


def unpack_texts(data: bytes, at: int, count: int) -> tuple[str, ...]:
    """Return `count` texts; raises ValueError when there are others."""
    raw, _ = read_texts(data, at)
    texts = split(raw)
    if len(texts) != count:
        raise ValueError(f"{len(texts)} texts in place of {count}")
    return texts
