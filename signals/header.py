"""The one header we add to a message, `cm`: when it was published, its run, the workflow's name and labels.

Format 1: ``"1" + base64(8 bytes, big endian; 16 bytes run id) + tail``; 33 characters without name and labels.
Of the 8 bytes the lower 7 are the publish time in us since the epoch, the highest tells when the run began: 0 for the
same 4.8 hours as the publish, else 1 + that period's number modulo 255. The tail is the workflow's name,
percent-encoded where it has ``?``, ``%`` or ``&``, then ``?`` and the run's labels, then ``?`` and those that the
execution has beyond its run's (`labels.write`). Foreign consumers see one more string header.
"""

from __future__ import annotations

import re
from binascii import a2b_base64, b2a_base64
from functools import lru_cache
from struct import Struct, error
from typing import Final, NamedTuple
from urllib.parse import unquote

NAME: Final = "cm"
MAX_TAIL: Final = 4096
STAMP: Final = Struct(">Q16s")
SIZE: Final = 33
"""Characters of a header without name and labels."""
_LONGEST: Final = SIZE + MAX_TAIL
TIME: Final = (1 << 56) - 1
_PERIOD: Final = 34  # bits of a time in us: 4.8 hours, the first five characters of the base64 text
_PERIODS: Final = 255
SAME_PERIOD: Final = 6
"""Two headers of the same beginning of this length were stamped in one period, and their runs began in it."""
_pack, _unpack = STAMP.pack, STAMP.unpack  # bound once: workers decode a header per task
_MARKS: Final = re.compile("[?%&\x00-\x1f\x7f\ud800-\udfff]")


class Header(NamedTuple):
    """What a `cm` header says; `labels` are the run's and, behind a ``?``, the execution's own."""

    published_us: int
    run: bytes
    workflow: str
    labels: str = ""


def encode(published_us: int, run: bytes, tail: str, begun_us: int = 0) -> str:
    """Return the header's text; `run` has 16 bytes, `tail` is one of `tail`; the run began at `begun_us`, 0 for now."""
    if begun_us and begun_us >> _PERIOD != published_us >> _PERIOD:
        published_us = published_us & TIME | ((begun_us >> _PERIOD) % _PERIODS + 1) << 56
    return "1" + b2a_base64(_pack(published_us, run)).decode("ascii")[:-1] + tail


def tail(workflow: str, labels: str = "", own: str = "") -> str:
    """Return what follows the run: a workflow's name, the labels of its run and those of an execution beyond them.

    >>> tail("daily"), tail("50 % done?", "user=u1"), tail("daily", "", "page=2")
    ('daily', '50 %25 done%3F?user=u1', 'daily??page=2')
    """
    if workflow and _MARKS.search(workflow):
        workflow = _MARKS.sub(lambda mark: f"%{ord(mark[0]):02X}" if ord(mark[0]) < 128 else "%3F", workflow)
    return f"{workflow}?{labels}?{own}" if own else f"{workflow}?{labels}" if labels else workflow


def read(text: object) -> tuple[int, bytes, str, str] | None:
    """Return what a header says as a bare tuple: workers read one per task, and naming its fields costs as much."""
    if not isinstance(text, str) or text[:1] != "1":
        return None
    try:
        published, run = _unpack(a2b_base64(text[1:SIZE]))
    except (ValueError, error):  # error: shorter than the fixed part
        return None
    if published > TIME:
        published &= TIME
    behind = text[SIZE:_LONGEST]
    if behind and ("?" in behind or "%" in behind):
        return published, run, *parts(behind)
    return published, run, behind, ""


def decode(text: object) -> Header | None:
    """Return what a header says, None when it is not one of ours or of a format we do not know.

    >>> decode(encode(1_700_000_000_000_000, b"r" * 16, "daily?user=u1"))
    Header(published_us=1700000000000000, run=b'rrrrrrrrrrrrrrrr', workflow='daily', labels='user=u1')
    >>> decode("2whatever") is None, decode(None) is None
    (True, True)
    """
    known = read(text)
    return Header._make(known) if known is not None else None


@lru_cache(maxsize=4096)
def parts(behind: str) -> tuple[str, str]:
    """Return the workflow's name and the labels in a tail."""
    name, _, labels = behind.partition("?")
    return unquote(name), labels


def tail_of(text: str) -> str:
    """Return the tail of a header that `decode` took."""
    return text[SIZE:_LONGEST]


def begun_us(text: str) -> int:
    """Return when the run of a header that `decode` took began, in us, by the beginning of its 4.8 hours at worst.

    >>> start = 1_700_000_000_000_000
    >>> week = 7 * 86_400_000_000
    >>> 0 <= start - begun_us(encode(start + week, b"r" * 16, "", start)) < 2**34
    True
    """
    (raw, _) = _unpack(a2b_base64(text[1:SIZE]))
    code, published = raw >> 56, raw & TIME
    if not code:
        return int(published)
    behind = ((published >> _PERIOD) - (code - 1)) % _PERIODS
    # More than half of the circle: the clock of whoever began the run was ahead of this publisher's.
    return int(published if behind > _PERIODS // 2 else ((published >> _PERIOD) - behind) << _PERIOD)


def published_us(text: object) -> int | None:
    """Return the publish time of a header in us since the epoch, None when it has none."""
    header = decode(text)
    return header.published_us if header else None
