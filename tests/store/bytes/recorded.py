"""Takes a store's bytes out and puts them back, and asks it everything at a moment that is always the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from celery_monitor import settling
from celery_monitor.agent import decode
from celery_monitor.agent.drain import RingReader
from celery_monitor.query.reader import Reader
from celery_monitor.signals.record import Kind
from celery_monitor.signals.ring import open_ring
from celery_monitor.store.connection import Store
from celery_monitor.store.encoding import packing
from celery_monitor.store.fold import fold
from celery_monitor.web import answers
from tests.store import everything
from tests.store.batches import NOW_US

FOLDER: Final = Path(__file__).parent
_AFTER_US: Final = NOW_US + 20_000_000
_OTHERS: Final = frozenset({"health", "metrics"})
"""Questions whose answers tell of this process and this server."""
_LEFT_OUT: Final = frozenset({"generated_at", "health", "series", "heatmap"})
"""Fields that tell of this server, and long ones that say nothing that others do not."""


def taken(store: Store) -> bytes:
    """Return all keys with their values."""
    found: dict[str, tuple[str, Any]] = {}
    client = store.client
    ask: dict[str, Callable[[bytes], Any]] = {
        "string": client.get,
        "hash": client.hgetall,
        "zset": lambda key: client.zrange(key, 0, -1, withscores=True),
        "stream": client.xrange,
    }
    for key in sorted(client.keys("*")):
        kind = client.type(key).decode()
        found[key.decode()] = (kind, ask[kind](key))
    return packing.deflate(packing.pack(found), 9)


def put(store: Store, raw: bytes) -> None:
    """Put keys and values into an empty server."""
    pipe = store.client.pipeline(transaction=False)
    for key, (kind, value) in packing.unpack(packing.inflate(raw)).items():
        if kind == "string":
            pipe.set(key, value)
        elif kind == "hash":
            pipe.hset(key, mapping=value)
        elif kind == "zset":
            pipe.zadd(key, dict(value))
        else:
            for entry, fields in value:
                pipe.xadd(key, fields, id=entry)
    pipe.execute()


def asked(store: Store) -> dict[str, Any]:
    """Return the answers to every question, before the inbox is folded and after."""
    found = {"waiting to be folded": _answers(store)}
    fold(store, _AFTER_US)
    settling.settle(store, _AFTER_US)
    fold(store, _AFTER_US)
    return found | {"folded": _answers(store)}


def of_ring(path: Path) -> list[Any]:
    """Return the rows in a ring file, and the attempts still open in it."""
    ring = open_ring(path)
    reader, rows = RingReader(ring), []
    for kind, payload in reader.take(100):
        read: dict[int, Callable[[bytes], Any]] = {
            Kind.ATTEMPT: lambda data: decode.attempt(data, b"ring-id-", "celery@a", 42)[0],
            Kind.PUBLISH: decode.publish,
            Kind.FACT: decode.fact,
        }
        rows.append(repr(read[kind](payload)._asdict()))
    rows += [repr((slot, serial, decode.begun(begin)._asdict())) for slot, serial, begin in reader.open_attempts()]
    ring.close()
    return rows


class _At:
    """A reader to which it is always the same moment."""

    def __init__(self, store: Store) -> None:
        self._reader = Reader(store)

    def __getattr__(self, name: str) -> Any:
        return partial(getattr(self._reader, name), now_us=_AFTER_US)


def _answers(store: Store) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, (question, params) in everything.questions().items():
        if name not in _OTHERS:
            found[name] = _kept(json.loads(_one(question, _At(store), params)))
    return found


def _one(question: Callable[[Any, Mapping[str, str]], Any], reader: Any, params: Mapping[str, str]) -> bytes:
    try:
        answer: bytes = question(reader, params)
    except answers.NotFound:
        return b"null"
    return answer


def _kept(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _kept(each) for key, each in value.items() if key not in _LEFT_OUT}
    return [_kept(each) for each in value] if isinstance(value, list) else value


def without_news(recorded: Any, found: Any) -> Any:
    """Return what was found without the fields that the recorded answer does not have: later releases add some."""
    if isinstance(recorded, dict) and isinstance(found, dict):
        return {key: without_news(recorded[key], each) for key, each in found.items() if key in recorded}
    if isinstance(recorded, list) and isinstance(found, list) and len(recorded) == len(found):
        return [without_news(mine, its) for mine, its in zip(recorded, found, strict=True)]
    return found
