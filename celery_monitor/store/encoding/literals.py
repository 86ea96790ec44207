"""What lies beside the integers of a column: its distinct texts, the first parts of its uids, or its floats."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from functools import lru_cache
from math import isfinite
from typing import Any, Final

from celery_monitor.store.encoding import integers, packing
from celery_monitor.store.encoding.packing import Undecodable

_FEW: Final = 2000
_HEAD: Final = 8


def texts(raw: bytes) -> Sequence[str]:
    """Return the distinct texts of a column; raises one of `packing.BROKEN` when one is no text."""
    return _few_texts(raw) if len(raw) < _FEW else _texts(raw)


def _texts(raw: bytes) -> Sequence[str]:
    found = packing.unpack(integers.plain(raw, packing.MAX_BYTES))
    if not isinstance(found, list):
        raise Undecodable(f"{type(found).__name__} for texts")
    "".join(found)
    return tuple(found)


_few_texts = lru_cache(maxsize=512)(_texts)
"""A blob's column is asked for its texts several times, and most columns have the same ones in each blob."""


def heads(raw: bytes) -> list[bytes]:
    """Return the distinct first parts of the uids of a column."""
    return [raw[i : i + _HEAD] for i in range(0, len(checked(raw)), _HEAD)]


def floats(raw: bytes, rows: int) -> list[float]:
    """Return the floats of so many rows; raises one of `packing.BROKEN` when they are none."""
    values = array("d")
    values.frombytes(integers.plain(raw, 8 * rows))
    if len(values) != rows or not all(map(isfinite, values)):
        raise Undecodable(f"{len(values)} floats in {rows} rows, or one that is no number")
    return values.tolist()


def checked(value: Any) -> bytes:
    """Return bytes that are some; `bytes` of a number would be as many of them."""
    if not isinstance(value, bytes):
        raise Undecodable(f"{type(value).__name__} for bytes")
    return value
