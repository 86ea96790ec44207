"""Executions of a run one by one: as objects, or as columns, in which ten thousand are a third as long."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Final

from celery_monitor.analytics.executions import Execution
from celery_monitor.analytics.judged import Judged
from celery_monitor.analytics.tree import ROOT, Node
from celery_monitor.model import Attempt
from celery_monitor.query.execution_row import hold_seconds
from celery_monitor.query.times import iso, seconds
from celery_monitor.signals.record import Reason, name_of, unpack_id

_MOST_ATTEMPTS: Final = 20
"""Shown per execution, the newest ones: a task may be retried for days."""
_MESSAGE: Final = 300


class _Kind(enum.Enum):
    """How a field is written; times are us since the epoch until then."""

    TEXT = enum.auto()
    TIME = enum.auto()
    PLAIN = enum.auto()


_EXECUTION: Final = {
    "id": _Kind.TEXT, "task": _Kind.TEXT, "state": _Kind.TEXT, "reason": _Kind.TEXT, "queue": _Kind.TEXT,
    "parent_id": _Kind.TEXT, "group_id": _Kind.TEXT, "published_at": _Kind.TIME, "ended_at": _Kind.TIME,
    "labels": _Kind.PLAIN, "infrastructure": _Kind.PLAIN, "on_path": _Kind.PLAIN, "attempt_count": _Kind.PLAIN,
}  # fmt: skip
_ATTEMPT: Final = {
    "uid": _Kind.TEXT, "parent_uid": _Kind.TEXT, "state": _Kind.TEXT, "worker": _Kind.TEXT,
    "started_at": _Kind.TIME, "ended_at": _Kind.TIME, "runtime_seconds": _Kind.PLAIN, "wait_seconds": _Kind.PLAIN,
    "hold_seconds": _Kind.PLAIN, "retries": _Kind.PLAIN, "exception": _Kind.PLAIN,
}  # fmt: skip
Values = tuple[Any, ...]
_Shown = tuple[Node, Attempt | None]
"""An attempt in the tree, and its row where it has ended."""


def objects(run: Judged, picked: Iterable[Execution]) -> list[dict[str, Any]]:
    """Return executions as objects, each with its attempts."""
    on_path = set(run.path)
    found = []
    for e in picked:
        attempts = _attempts(run, e)
        shown = _named(_EXECUTION, _execution(e, attempts, on_path))
        found.append(shown | {"attempts": [_named(_ATTEMPT, _attempt(run, *one)) for one in attempts]})
    return found


def columns(run: Judged, picked: Sequence[Execution]) -> dict[str, Any]:
    """Return executions as columns, and their attempts as columns whose `execution` is a position in the first.

    Every text is told once, in `texts`: text columns hold positions in it, None for none. Times are ms since `since`.
    """
    on_path = set(run.path)
    attempts = [_attempts(run, e) for e in picked]
    texts: dict[str, int] = {}
    base_us = run.published_us or run.started_us or run.newest_us
    rows = [_execution(e, its, on_path) for e, its in zip(picked, attempts, strict=True)]
    told = _columns(_EXECUTION, rows, texts, base_us)
    of = [position for position, its in enumerate(attempts) for _ in its]
    rows = [_attempt(run, *one) for its in attempts for one in its]
    told["attempts"] = {"execution": of} | _columns(_ATTEMPT, rows, texts, base_us)
    return {"since": iso(base_us), "texts": list(texts), **told}


def _columns(fields: dict[str, _Kind], rows: list[Values], texts: dict[str, int], base_us: int) -> dict[str, Any]:
    values: Iterable[Values] = zip(*rows, strict=True) if rows else [()] * len(fields)
    found: dict[str, Any] = {}
    for (name, kind), column in zip(fields.items(), values, strict=True):
        if kind is _Kind.TEXT:
            found[name] = [texts.setdefault(text, len(texts)) if text else None for text in column]
        elif kind is _Kind.TIME:
            found[name] = [at // 1000 - base_us // 1000 if at else None for at in column]
        else:
            found[name] = column
    return found


def _named(fields: dict[str, _Kind], values: Values) -> dict[str, Any]:
    return {
        name: iso(value) if kind is _Kind.TIME else value
        for (name, kind), value in zip(fields.items(), values, strict=True)
    }


def _execution(e: Execution, attempts: list[_Shown], on_path: set[bytes]) -> Values:
    """Return the values of an execution in the order of `_EXECUTION`."""
    known, word = e.known, e.word
    return (
        unpack_id(e.id),
        e.task,
        e.state,
        _reason(word.reason) if word and not e.running else None,
        (known.queue if known else e.running[0]["queue"]) or None,
        _id(e.parent),
        _id(known.group) if known else None,
        e.published_us,
        e.ended_us,
        e.labels,
        e.infrastructure,
        not on_path.isdisjoint([node.key for node, _ in attempts]),
        len(e.attempts) + len(e.running),
    )


def _attempts(run: Judged, e: Execution) -> list[_Shown]:
    nodes = run.nodes
    found: list[_Shown] = [(nodes[a.uid], a) for a in e.attempts[-_MOST_ATTEMPTS:]]
    return found + [(nodes[bytes.fromhex(r["uid"])], None) for r in e.running[-_MOST_ATTEMPTS:]]


def _attempt(run: Judged, node: Node, a: Attempt | None) -> Values:
    """Return the values of an attempt in the order of `_ATTEMPT`.

    The attempt that published it is among them: the tree's edges belong to attempts.
    """
    parent = run.edges[node.key]
    above = run.nodes[parent] if parent != ROOT else None
    return (
        node.key.hex(),
        above.key.hex() if above and above.state != "WAITING" else None,
        node.state,
        node.worker or None,
        node.started_us,
        node.ended_us,
        seconds(a.runtime_us if a else node.runtime_us),
        seconds(a.wait_us) if a else None,
        hold_seconds(a)[0] if a else None,
        a.retries if a else None,
        {"type": a.exception, "message": a.message[:_MESSAGE] or None} if a and a.exception else None,
    )


@lru_cache
def _reason(reason: int) -> str:
    return name_of(Reason, reason).lower()


@lru_cache
def _id(packed: bytes) -> str | None:
    """Return the text of an id that many share, None for none."""
    return unpack_id(packed) or None
