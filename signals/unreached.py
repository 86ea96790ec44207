"""Records the planned steps that a failed one leaves unpublished: no message and no signal will ever speak of them.

They are known from the failed message itself: the rest of its chain, and the body of the chord it belongs to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from time import time_ns
from typing import Any, Final

from celery_monitor.signals import attempts, process
from celery_monitor.signals.layout import FACT, NO_ERROR, pack_ids
from celery_monitor.signals.record import Flag, Kind, Reason, State

STOPS: Final = frozenset({"FAILURE", "IGNORED", "REJECTED"})
"""States after which Celery publishes nothing that was planned behind the attempt."""
_MOST: Final = 500
_DEEP: Final = 20  # nesting is shallow; a bound keeps a forged message from spinning us


def record(name: str, about: Mapping[str, Any]) -> None:
    """Write down every planned step behind the message whose request's attributes are `about`."""
    chain, chord = about.get("chain"), about.get("chord")
    if not (chain or chord) or about.get("is_eager"):
        return
    _, _, run, workflow = attempts.origin(name, about)
    at_us = time_ns() // 1000
    known: set[str] = set()
    for step in islice(_planned(chain, chord), _MOST):
        options = step.get("options") or {}
        own = str(options.get("task_id") or "")
        if not own or own in known:
            continue
        known.add(own)
        queue = options.get("queue") or ""
        process.put(
            Kind.FACT,
            FACT.pack(State.NEVER_PUBLISHED, Reason.PREDECESSOR, Flag.UNSTARTED, 0, 0, at_us)
            + pack_ids(own, about.get("root_id"), about.get("id"), options.get("group_id"), run)
            + attempts.series(str(step.get("task")), str(getattr(queue, "name", queue)), workflow)
            + NO_ERROR,
        )


def _planned(chain: Any, chord: Any) -> Iterator[Mapping[str, Any]]:
    for step in reversed(chain or ()):  # a request holds the rest of its chain with the last step first
        yield from _opened(step, _DEEP)
    yield from _opened(chord, _DEEP)


def _opened(step: Any, deep: int) -> Iterator[Mapping[str, Any]]:
    """Yield the tasks in a signature, those of a chord's body and of the chord it belongs to included."""
    if not isinstance(step, Mapping) or not deep:
        return
    kwargs = step.get("kwargs") or {}
    inner = [*_list(kwargs.get("tasks")), *_list(kwargs.get("header")), kwargs.get("body")]
    if step.get("task") in {"celery.group", "celery.chain", "celery.chord"}:
        for each in inner:
            yield from _opened(each, deep - 1)
    else:
        yield step
        yield from _opened((step.get("options") or {}).get("chord"), deep - 1)


def _list(steps: Any) -> list[Any]:
    if isinstance(steps, Mapping):  # a chord's header may be a group
        return list((steps.get("kwargs") or {}).get("tasks") or ())
    return list(steps) if isinstance(steps, (list, tuple)) else []
