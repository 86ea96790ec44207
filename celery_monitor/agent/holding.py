"""Lists what a worker holds and has not started: prefetched messages, and those that wait for their ETA."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from celery_monitor.agent.holds import Holds
from celery_monitor.live_state import AgentState
from celery_monitor.signals import attempts
from celery_monitor.signals.record import pack_id

MOST_ROWS: Final = 200
"""Rows in the live state, which is sent with every flush; at most half of them wait for their ETA."""
_MOST_ETA: Final = 5000
VISIBILITY_S: Final = {"redis": 3600.0, "sqs": 1800.0}
"""How long a message may be held before the broker gives it out again, where nobody sets it (kombu)."""


class Holding:
    """What one worker holds, look by look."""

    def __init__(self) -> None:
        self._eta: dict[str, tuple[int, int]] = {}
        self._last_us = 0

    def look(self, worker: Any, waiting: dict[str, str], holds: Holds, now_us: int) -> AgentState:
        """Return the part of the live state that lists what is held.

        Parameters:
            worker: Celery's.
            waiting: ids of requests that are held and not started, with their queues (`sample.waiting`).
            holds: knows between which looks each came in.
        """
        scheduled = {request.id: request for request in islice(_scheduled(worker), _MOST_ETA)}
        before = self._last_us or now_us
        self._eta = {task_id: self._eta.get(task_id, (before, now_us)) for task_id in scheduled}
        self._last_us = now_us
        limit_s = visibility_s(worker)
        late = [_eta_row(request, *self._eta[task_id]) for task_id, request in scheduled.items()]
        late.sort(key=lambda row: (not _beyond(row, limit_s), row[5]))
        now = [_row(task_id, queue, holds) for task_id, queue in islice(waiting.items(), MOST_ROWS)]
        most = max(MOST_ROWS - len(late), MOST_ROWS // 2)
        return {
            "held": (now[:most] + late)[:MOST_ROWS],
            "eta_held": dict(Counter(row[2] for row in late)),
            "eta_beyond": dict(Counter(row[2] for row in late if _beyond(row, limit_s))),
            "visibility_s": limit_s,
        }


def visibility_s(worker: Any) -> float:
    """Return after how long the broker gives a message out again that is still held; 0 where it does not."""
    connection = getattr(getattr(worker, "consumer", None), "connection", None)
    kind = getattr(getattr(connection, "transport", None), "driver_type", "")
    options = worker.app.conf.broker_transport_options or {}
    default = VISIBILITY_S.get(kind, 0.0)
    return float(options.get("visibility_timeout") or default) if default else 0.0


def _scheduled(worker: Any) -> Iterator[Any]:
    """Yield the requests in the worker's timer: no other list of Celery's names what waits for its ETA."""
    schedule = getattr(getattr(getattr(worker, "consumer", None), "timer", None), "schedule", None)
    for waiting in list(getattr(schedule, "queue", ())):
        args = getattr(getattr(waiting, "entry", None), "args", None) or ()
        if args and getattr(args[0], "eta", None) is not None and hasattr(args[0], "delivery_info"):
            yield args[0]


def _eta_row(request: Any, least_us: int, most_us: int) -> list[Any]:
    delivery = request.delivery_info or {}
    queue = attempts.queue_of(delivery.get("exchange"), delivery.get("routing_key") or "")
    middle, error = (least_us + most_us) // 2, (most_us - least_us + 1) // 2
    return [request.id, request.name, queue, middle, error, round(request.eta.timestamp() * 1e6)]


def _row(task_id: str, queue: str, holds: Holds) -> list[Any]:
    from celery.worker import state  # noqa: PLC0415 - loads the whole worker, which a producer has no use for

    request = state.requests.get(task_id)
    least, most = (holds.seen.get(pack_id(task_id)) or [(0, 0)])[-1]
    return [
        task_id,
        request.name if request is not None else "",
        queue,
        (least + most) // 2,
        (most - least + 1) // 2,
        0,
    ]


def _beyond(row: list[Any], limit_s: float) -> bool:
    """Tell whether a message is due only after the broker has given it out again."""
    return bool(limit_s) and row[5] - row[3] > limit_s * 1e6
