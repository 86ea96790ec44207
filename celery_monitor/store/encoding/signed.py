"""Columns of signed integers, each as narrow as the widest of them needs: ``[width, bytes]``.

All first bytes lie before all second ones, and so on, little endian. A column takes half the time of one of
`columns`, which finds out what could make it shorter.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any, Final

from celery_monitor.store.encoding.packing import Undecodable
from celery_monitor.store.encoding.shapes import LARGEST

_NARROW: Final = ((1, "b"), (2, "h"), (4, "i"))
_CODES: Final = {**dict(_NARROW), 8: "q"}


def write(values: Sequence[int]) -> list[Any]:
    r"""Return integers as `read` takes them, those that are too large as the largest.

    >>> write([1, -2, 300])
    [2, b'\x01\xfe,\x00\xff\x01']
    """
    for width, code in _NARROW:
        try:
            return _planes(width, array(code, values).tobytes())
        except OverflowError:
            continue
    return _planes(8, array("q", [max(-LARGEST, min(value, LARGEST)) for value in values]).tobytes())


def read(raw: Any, count: int) -> list[int]:
    """Return what `write` was given.

    Raises:
        Undecodable: they are not so many, or too large; other errors of `packing.BROKEN` for another form.
    """
    width, data = raw
    values = array(_CODES[width])
    if len(data) != width * count:
        raise Undecodable(f"{len(data)} bytes for {count} integers of {width}")
    values.frombytes(interleaved(data, width))
    if width == 8 and values and not -LARGEST <= min(values) <= max(values) <= LARGEST:
        raise Undecodable(f"integers from {min(values)} to {max(values)}")
    return values.tolist()


def interleaved(data: bytes, width: int) -> bytes:
    """Return bytes whose first ones lie before all second ones in the order in which they belong together."""
    if width == 1:
        return data
    joined, count = bytearray(len(data)), len(data) // width
    for at in range(width):
        joined[at::width] = data[at * count : (at + 1) * count]
    return bytes(joined)


def _planes(width: int, raw: bytes) -> list[Any]:
    return [width, b"".join([raw[at::width] for at in range(width)])]
