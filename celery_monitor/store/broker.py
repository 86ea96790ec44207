"""What the last look at the broker told beside the gauges: its kind, what could not be read, how the servers are."""

from __future__ import annotations

from typing import Any, Final, TypedDict, cast

from celery_monitor.store.connection import Store
from celery_monitor.store.encoding import packing, shapes
from celery_monitor.store.encoding.packing import Undecodable
from celery_monitor.store.keys import LIVE_S

UNREADABLE: Final = "broker not readable"
"""What a queue's note begins with when the broker did not answer."""
FRESH_S: Final = 120.0
"""An older level is no level of now, unless looks are taken more seldom."""


class Look(TypedDict, total=False):
    """One look; `health` of a server is what `brokers.health` returns."""

    at_us: int
    kind: str  # as kombu calls the broker: redis, amqp, ...
    notes: dict[str, str]  # queue -> what could not be read and why
    oldest: dict[str, list[Any]]  # queue -> id, task and publish time (us) of the message that is served next
    health: dict[str, dict[str, Any]]  # "broker" and "store" -> how that server is
    visibility_s: float  # after how long the broker gives out again what is held; 0 never
    interval_s: float  # until the next look


def fresh_s(look: Look) -> float:
    """Return for how long a level of a queue is one of now: until the second look after it is missing."""
    return max(FRESH_S, 2.5 * look.get("interval_s", 0.0))


def unreadable(look: Look, now_us: int) -> str | None:
    """Return why no queue could be read at the last look, None where some could be, or that look is an old one."""
    notes = set(look.get("notes", {}).values())
    recent = now_us - look.get("at_us", 0) <= fresh_s(look) * 1e6
    return min(notes) if recent and notes and all(note.startswith(UNREADABLE) for note in notes) else None


class _Server(TypedDict, total=False):
    """What `brokers.health` tells of one."""

    used_bytes: float
    max_bytes: float
    clients: float
    blocked: float
    rejected: float
    evicted: float
    hits: float
    misses: float
    commands: float
    uptime_s: float
    fragmentation: float
    latency_s: float
    version: str
    policy: str
    role: str
    run_id: str
    note: str
    errors: list[str]


_OLDEST: Final = shapes.checker(tuple[str, str, int])


def write(store: Store, look: Look) -> None:
    """Keep a look in the place of the one before.

    Raises:
        StoreError: the store does not answer.
    """
    with store.translated():
        store.client.set(store.keys.broker, packing.pack(look), ex=LIVE_S)


def load(store: Store) -> Look:
    """Return the last look, an empty one when there was none.

    Raises:
        StoreError: the store does not answer.
    """
    with store.translated():
        raw = store.client.get(store.keys.broker)
    try:
        found = packing.unpack(raw) if raw else None
    except Undecodable:
        found = None
    look = shapes.kept(found, Look) if isinstance(found, dict) else {}
    if not all(map(_OLDEST, look.get("oldest", {}).values())):
        del look["oldest"]
    look["health"] = {name: shapes.kept(server, _Server) for name, server in look.get("health", {}).items()}
    return cast("Look", look) if "at_us" in look else {}
