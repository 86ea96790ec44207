"""What a careless or hostile hand may make of stored bytes: cut, changed, or whole but with other things in them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any, Final

import msgpack

from celery_monitor.store.connection import Store
from celery_monitor.store.encoding import packing

ODD: Final[tuple[Any, ...]] = (
    None, True, 0, -1, 3, 10**6, 1 << 62, (1 << 64) - 1, -(1 << 63), 1.5, float("nan"), float("inf"), "", "x", "9" * 30,
    b"", b"\0", b"\xff" * 16, b"\1" + b"x" * 40, [], [1], [[]], {}, {"a": 1}, {1: "b"}, {b"\xff": None},
)  # fmt: skip
"""What is put in the place of something else."""


def mutated(data: bytes, rng: random.Random) -> bytes:
    """Return other bytes: noise, a cut, a changed byte, or the same form with something odd in it."""
    way = rng.randrange(8)
    if way == 0:
        return rng.randbytes(rng.randrange(40))
    if way == 1:
        return data[: rng.randrange(len(data) + 1)]
    if way == 2 and data:
        changed = bytearray(data)
        changed[rng.randrange(len(changed))] = rng.randrange(256)
        return bytes(changed)
    return _inside(data, rng)


def _inside(data: bytes, rng: random.Random) -> bytes:
    """Return the bytes with one thing in them replaced, through zlib and msgpack where they are that."""
    try:
        return packing.deflate(_inside(packing.inflate(data), rng), 1)
    except packing.Undecodable:
        pass
    try:
        value = packing.unpack(data)
    except packing.Undecodable:
        value = None
    if not isinstance(value, list | dict):
        return rng.choice((b"", b"x", b"-1", b"9" * 30, rng.randbytes(12), msgpack.packb(rng.choice(ODD))))
    return msgpack.packb(replaced(value, rng))  # type: ignore[no-any-return]


def replaced(value: Any, rng: random.Random) -> Any:
    """Return a tree in which one node is another thing, is gone, or is there twice."""
    places = list(_places(value))
    if not places:
        return rng.choice(ODD)
    at, key = rng.choice(places)
    way = rng.randrange(6)
    if way == 0:
        del at[key]
    elif way == 1 and isinstance(at, list):
        at.insert(key, at[key])
    elif way == 2 and isinstance(at, dict):
        at[rng.choice(("", "x", 7, -1, 1 << 60))] = at.pop(key)
    elif isinstance(at[key], bytes) and way < 5:
        at[key] = mutated(at[key], rng)
    else:
        at[key] = rng.choice(ODD)
    return value


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every (container, key) in a tree."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(items):
        yield value, key
        yield from _places(inner)


def spoil(store: Store, key: str, rng: random.Random) -> None:
    """Change what lies under a key, whatever type it is of."""
    client = store.client
    kind = client.type(key)
    if kind == b"string":
        client.set(key, mutated(client.get(key), rng), keepttl=True)
    elif kind == b"hash":
        field, value = rng.choice(sorted(client.hgetall(key).items()))
        if rng.randrange(6) == 0:
            client.hdel(key, field)
            field = mutated(field, rng)
        client.hset(key, field, mutated(value, rng))
    elif kind == b"zset":
        member, score = rng.choice(client.zrange(key, 0, -1, withscores=True))
        client.zrem(key, member)
        client.zadd(key, {mutated(member, rng): rng.choice((score, 0, -1, 1e300))})
    elif kind == b"stream":
        entry = rng.choice(client.xrange(key))[1]
        field = rng.choice((b"d", b"d", *entry))
        version, boot, _, *more = packing.unpack(entry[b"h"])
        head = packing.pack([version, boot, rng.randrange(100, 10**6), *more])
        client.xadd(key, entry | {b"h": head} | {field: mutated(head if field == b"h" else entry[field], rng)})
