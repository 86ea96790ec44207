"""The one header we add to a message, `cm`: when it was published, the run it belongs to and the workflow's name.

Format 1: ``"1" + base64(8 bytes publish time in us since the epoch, big endian; 16 bytes run id) + workflow name``;
33 characters for an unnamed run. Foreign consumers see one more string header.
"""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64
from struct import Struct, error
from typing import Final, NamedTuple

NAME: Final = "cm"
_STAMP: Final = Struct(">q16s")
_SIZE: Final = 33
_unpack = _STAMP.unpack  # bound once: a look-up in a struct costs as much as unpacking a number


class Header(NamedTuple):
    """What a `cm` header says."""

    published_us: int
    run: bytes
    workflow: str


def encode(published_us: int, run: bytes, workflow: str) -> str:
    """Return the header's text; `run` has 16 bytes."""
    return "1" + b2a_base64(_STAMP.pack(published_us, run), newline=False).decode("ascii") + workflow


def parts(text: object) -> tuple[int, bytes, str] | None:
    """Return what a header says as a bare tuple: workers decode one per task, and naming its fields costs as much."""
    if not isinstance(text, str) or text[:1] != "1":
        return None
    try:
        published, run = _unpack(a2b_base64(text[1:_SIZE]))
    except (ValueError, error):  # error: shorter than the fixed part
        return None
    return published, run, text[_SIZE:]


def decode(text: object) -> Header | None:
    """Return what a header says, None when it is not one of ours or of a format we do not know.

    >>> decode(encode(1_700_000_000_000_000, b"r" * 16, "daily"))
    Header(published_us=1700000000000000, run=b'rrrrrrrrrrrrrrrr', workflow='daily')
    >>> decode("2whatever") is None, decode(None) is None
    (True, True)
    """
    known = parts(text)
    return Header._make(known) if known is not None else None


def published_us(text: object) -> int | None:
    """Return the publish time of a header in us since the epoch, None when it has none."""
    header = decode(text)
    return header.published_us if header else None
