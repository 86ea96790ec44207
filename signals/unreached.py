"""Records the planned steps that a failed one leaves unpublished: no message and no signal will ever speak of them.

They are known from the failed message itself: the rest of its chain, and the body of the chord it belongs to.
"""

from __future__ import annotations

from collections.abc import Mapping
from time import time_ns
from typing import Any, Final

from celery_monitor.signals import attempts, plans, process
from celery_monitor.signals.layout import FACT, NO_ERROR, pack_ids
from celery_monitor.signals.record import Flag, Kind, Reason, State

STOPS: Final = frozenset({"FAILURE", "IGNORED", "REJECTED"})
"""States after which Celery publishes nothing that was planned behind the attempt."""


def record(name: str, about: Mapping[str, Any]) -> None:
    """Write down every planned step behind the message whose request's attributes are `about`."""
    chain, chord = about.get("chain"), about.get("chord")
    if not (chain or chord) or about.get("is_eager"):
        return
    _, (_, run, workflow, _) = attempts.origin(name, about)
    at_us = time_ns() // 1000
    planned = plans.Opened().message("", str(about.get("group") or ""), chain, chord)
    for step in planned.steps:
        process.put(
            Kind.FACT,
            FACT.pack(State.NEVER_PUBLISHED, Reason.PREDECESSOR, Flag.UNSTARTED, 0, 0, at_us)
            + pack_ids(step.id, about.get("root_id"), about.get("id"), step.group, run)
            + attempts.series(step.task, step.queue, workflow)
            + NO_ERROR,
        )
