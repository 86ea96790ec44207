"""Answers about runs that are over, kept until something else is heard of them: judging thousands takes long."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import fields
from threading import Lock
from typing import Any, Final, NamedTuple

from celery_monitor.analytics.judged import Rows

MOST_STEPS: Final = 12_000
"""Of all answers kept, shown one by one; each takes 0.6 kB in columns, 1.6 kB as an object."""

_TABLES: Final = tuple(field.name for field in fields(Rows) if field.name not in {"run", "running"})


class _Answer(NamedTuple):
    version: int
    answer: dict[str, Any]
    steps: int


class Kept:
    """Remembers the newest answers by question; safe for threads.

    Parameters:
        most_steps: executions that all of them together may show.
    """

    def __init__(self, most_steps: int = MOST_STEPS) -> None:
        self._most_steps = most_steps
        self._lock = Lock()
        self._answers: OrderedDict[Hashable, _Answer] = OrderedDict()

    def get(self, question: Hashable, version: int) -> dict[str, Any] | None:
        """Return what was answered when the same was known; None when that is not kept. Not to be changed."""
        with self._lock:
            known = self._answers.get(question)
            if known is None or known.version != version:
                return None
            self._answers.move_to_end(question)
            return known.answer

    def put(self, question: Hashable, version: int, answer: dict[str, Any], steps: int) -> None:
        """Keep an answer, and let the oldest go while there are too many."""
        with self._lock:
            self._answers.pop(question, None)
            self._answers[question] = _Answer(version, answer, max(steps, 1))
            while sum(one.steps for one in self._answers.values()) > self._most_steps:
                self._answers.popitem(last=False)


def version(rows: Rows) -> int | None:
    """Return a number that other rows of the run would not have; None while a worker says that it runs some of it."""
    if rows.running:
        return None
    return hash(tuple(tuple(getattr(rows, name)) for name in _TABLES))
