"""The book of workers: each node name with its last lives, kept for days after the last of them has ended.

The live table forgets who is gone after an hour; this is what tells a restart from a new worker, and what became of one
that is missing. The tick writes it, once in a minute.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from celery_monitor.live_state import AgentState
from celery_monitor.store.connection import Store
from celery_monitor.store.encoding import packing, shapes
from celery_monitor.store.keys import WORKERS_S

MOST_LIVES: Final = 20
MOST_WORKERS: Final = 5000
"""Pods get new names with each deployment; of too many the oldest go."""


class Life(NamedTuple):
    """One process that had a node name, from its start to its last word."""

    boot: str
    started_us: int
    seen_us: int
    goodbye: bool  # it ended in order
    host: str
    pid: int
    pool: str
    build: str


class Book(NamedTuple):
    """What is known of one node name: its last lives, oldest first, and how many there were."""

    lives: list[Life]
    times: int


def read(store: Store) -> dict[str, Book]:
    """Return the book, by node name; what cannot be read is left out."""
    with store.translated():
        raw = store.client.hgetall(store.keys.workers)
    found = {}
    for name, value in raw.items():
        book = _book(value)
        if book is not None:
            found[name.decode("utf-8", "replace")] = book
    return found


def write(store: Store, agents: Iterable[AgentState], now_us: int, keep_s: float) -> None:
    """Enter the workers that live, and strike out those that have been gone for longer than `keep_s`."""
    known = read(store)
    found = with_lives(known, agents)
    least_us = now_us - int(keep_s * 1e6)
    gone = [name for name, book in found.items() if book.lives[-1].seen_us < least_us]
    newest = sorted(found.keys() - set(gone), key=lambda name: -found[name].lives[-1].seen_us)
    gone += newest[MOST_WORKERS:]
    changed = {name: _dump(found[name]) for name in newest[:MOST_WORKERS] if found[name] != known.get(name)}
    with store.translated():
        pipe = store.client.pipeline(transaction=False)
        if changed:
            pipe.hset(store.keys.workers, mapping=changed)
        if struck := [name for name in gone if name in known]:
            pipe.hdel(store.keys.workers, *struck)
        pipe.expire(store.keys.workers, WORKERS_S)
        pipe.execute()


def with_lives(known: dict[str, Book], agents: Iterable[AgentState]) -> dict[str, Book]:
    """Return the book with what the live table says of workers."""
    found = dict(known)
    for agent in sorted(agents, key=lambda a: (a.get("started_us", 0), a["at_us"])):
        if agent.get("role") != "worker":
            continue
        life = _life(agent)
        name = agent.get("hostname", "")
        lives, times = found.get(name, Book([], 0))
        others = [each for each in lives if each.boot != life.boot]
        times += len(others) == len(lives)
        found[name] = Book(sorted([*others, life], key=lambda each: each.started_us)[-MOST_LIVES:], times)
    return found


def _life(agent: AgentState) -> Life:
    return Life(
        agent["boot"], agent.get("started_us", 0), agent["at_us"], bool(agent.get("goodbye")), agent.get("host", ""),
        agent.get("pid", 0), agent.get("pool", ""), agent.get("build", ""),
    )  # fmt: skip


def _dump(book: Book) -> bytes:
    return packing.pack([[list(life) for life in book.lives], book.times])


def _book(raw: bytes) -> Book | None:
    try:
        lives, times = packing.unpack(raw)
        found = [shapes.row(Life, life) for life in lives]
        return Book(found, min(int(times), shapes.LARGEST)) if found else None
    except packing.BROKEN:
        return None
