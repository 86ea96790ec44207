"""What a row of the truth table is made of: a function that publishes, and the ends its executions must have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

import celery
from celery.canvas import Signature

CELERY: Final = tuple(int(part) for part in celery.__version__.split(".")[:2])

Ends = tuple[str, ...]
"""Attempts in the order of their start, each ``STATE reason``; `` unseen`` behind it: its body writes no truth."""
Expected = dict[str, tuple[Ends, ...]]
"""Id of an execution to the ends that are right; several when chance decides. No ends: nothing may be known of it."""

SUCCESS: Final[tuple[Ends, ...]] = (("SUCCESS ok",),)
UNSEEN: Final[tuple[Ends, ...]] = (("SUCCESS ok unseen",),)
UNREACHED: Final[tuple[Ends, ...]] = (("NEVER_PUBLISHED predecessor",),)
NOTHING: Final[tuple[Ends, ...]] = ((),)
EVERYWHERE: Final = frozenset({"prefork", "threads", "gevent", "solo"})
PREFORK: Final = frozenset({"prefork"})


@dataclass(frozen=True)
class Row:
    """A row: its name, the pools it applies to, and what publishes it."""

    name: str
    pools: frozenset[str]
    publish: Callable[[], Expected]


rows: Final[dict[str, Row]] = {}


def row(pools: frozenset[str] = EVERYWHERE, *, since: tuple[int, int] = (5, 4)) -> Any:
    """Return a decorator that registers a function as the row of its name, from that Celery on."""

    def register(function: Callable[[], Expected]) -> Callable[[], Expected]:
        if since <= CELERY:
            rows[function.__name__] = Row(function.__name__, pools, function)
        return function

    return register


def named(pool: str) -> list[str]:
    """Return the names of a pool's rows."""
    return [name for name, one in rows.items() if pool in one.pools]


def ends(*attempts: str) -> tuple[Ends, ...]:
    """Return the one right list of attempts."""
    return (attempts,)


class Plan:
    """Makes signatures with ids known beforehand, and keeps what is expected of them."""

    def __init__(self) -> None:
        self.expected: Expected = {}

    def __call__(self, task: Any, *args: Any, right: tuple[Ends, ...] = SUCCESS, **options: Any) -> Signature:
        """Return an immutable signature of the task under a new id."""
        task_id = self.id(right)
        return task.si(*args).set(task_id=task_id, **options)

    def id(self, right: tuple[Ends, ...] = SUCCESS) -> str:
        """Return a new id of which this is expected."""
        task_id = str(uuid4())
        self.expected[task_id] = right
        return task_id
