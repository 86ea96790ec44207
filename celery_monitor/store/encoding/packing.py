"""Bytes in and out with a bound: msgpack within zlib, where a hostile length can cost no memory."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import msgpack

MAX_BYTES: Final = 32 * 1024 * 1024
"""No blob of ours comes near this; a bigger one is broken or hostile."""


_LEAST_WINDOW: Final = 10
_COLUMN_MEMORY: Final = 7


class Undecodable(ValueError):  # noqa: N818 - said of bytes, not of us
    """Bytes that are not what a writer of ours writes."""


BROKEN: Final = (
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What decoding of broken bytes may raise (`Undecodable` and msgpack's errors are ValueErrors)."""


def allocated(size: int) -> int:
    """Return the bytes that the server's allocator gives a string: four sizes from one power of two to the next.

    >>> [allocated(n) for n in (50, 200, 1000, 5000)]
    [64, 224, 1024, 5120]
    """
    size += 10
    grain = 1 << max(4, (size - 1).bit_length() - 3)
    return -(-size // grain) * grain


@contextmanager
def guarded(what: str) -> Iterator[None]:
    """Say of every error that broken bytes lead to that they are broken.

    Raises:
        Undecodable: in the place of one of `BROKEN`.
    """
    try:
        yield
    except BROKEN as e:
        raise Undecodable(f"{what}: {e}") from e


def deflate(data: bytes, level: int = 6, strategy: int = zlib.Z_DEFAULT_STRATEGY) -> bytes:
    """Return zlib-compressed bytes."""
    stream = zlib.compressobj(level, strategy=strategy)
    return stream.compress(data) + stream.flush()


def deflate_column(data: bytes, level: int = 6) -> bytes:
    """Return what `deflate` does, with tables of the size of the data: to clear its own takes it 30 us each time."""
    window = max(_LEAST_WINDOW, min(len(data).bit_length(), zlib.MAX_WBITS))
    stream = zlib.compressobj(level, wbits=window, memLevel=_COLUMN_MEMORY)
    return stream.compress(data) + stream.flush()


def inflate(data: bytes, limit: int = MAX_BYTES) -> bytes:
    """Return what `deflate` was given.

    Raises:
        Undecodable: not zlib, cut off, or more than `limit` bytes.
    """
    stream = zlib.decompressobj()
    try:
        out = stream.decompress(data, limit)
    except zlib.error as e:
        raise Undecodable(str(e)) from e
    if not stream.eof:
        raise Undecodable(f"more than {limit} bytes, or cut off")
    return out


def pack(value: Any) -> bytes:
    """Return msgpack bytes; a sum that outgrew 64 bits goes on as a float."""
    packed: bytes = msgpack.packb(value, default=_wide)
    return packed


def _wide(value: Any) -> float:
    if isinstance(value, int):
        return float(value)
    raise TypeError(f"{type(value).__name__} cannot be packed")


def unpack(data: bytes) -> Any:
    """Return what `pack` was given, tuples as lists.

    Raises:
        Undecodable: not msgpack.
    """
    try:
        return msgpack.unpackb(data, strict_map_key=False)
    except (ValueError, TypeError, msgpack.UnpackException) as e:
        raise Undecodable(f"{type(e).__name__}: {e}") from e
