"""Everything of ours that lies in a server, byte by byte, and what must not be in it."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterable

from celery_monitor.store.connection import Store


def dumped(store: Store) -> list[bytes]:
    """Return every value of ours in the server, as it lies there and with what is compressed in it unpacked."""
    client, found = store.client, []
    readers = {
        b"string": lambda key: [client.get(key)],
        b"hash": lambda key: [part for pair in client.hgetall(key).items() for part in pair],
        b"zset": lambda key: client.zrange(key, 0, -1),
        b"stream": lambda key: [v for _, fields in client.xrange(key) for pair in fields.items() for v in pair],
        b"set": lambda key: list(client.smembers(key)),
        b"list": lambda key: client.lrange(key, 0, -1),
    }
    for key in client.scan_iter("cm:*"):
        found += [key, *readers[client.type(key)](key)]
    return found + [part for value in found for part in inflated(value)]


def leaks(values: Iterable[bytes], secrets: Iterable[str]) -> list[bytes]:
    """Return what stands before each secret that is in a value."""
    secrets = list(secrets)
    found = [(value, value.find(secret.encode())) for value in values for secret in secrets]
    return [value[max(at - 60, 0) : at] for value, at in found if at >= 0]


def inflated(value: bytes) -> list[bytes]:
    """Return what is compressed anywhere in a value."""
    parts = []
    at = value.find(b"\x78")
    while at >= 0:
        with contextlib.suppress(zlib.error):
            parts.append(zlib.decompressobj().decompress(value[at:]))
        at = value.find(b"\x78", at + 1)
    return parts
