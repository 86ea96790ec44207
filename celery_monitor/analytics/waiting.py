"""Why a message waits: how much of its delay is its ETA, the broker, a worker's hold, and for whose slot it waits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

ETA: Final = "eta"
RETRY: Final = "retry"
NO_CONSUMER: Final = "no_consumer"
BROKER: Final = "broker"
SLOT: Final = "slot"
HELD: Final = "held"
_MOST_NAMED: Final = 10


@dataclass(frozen=True, slots=True)
class Message:
    """One that waits; times in us, 0 for unknown or none."""

    published_us: int
    due_us: int = 0
    retried: bool = False


@dataclass(frozen=True, slots=True)
class Worker:
    """One that consumes the queue: its slots, and what runs in them."""

    name: str
    slots: int
    running: Sequence[Mapping[str, Any]]

    @property
    def full(self) -> bool:
        """Whether every slot is taken."""
        return len(self.running) >= self.slots > 0


@dataclass(frozen=True, slots=True)
class Hold:
    """Who holds the message since when; it may be wrong by so much, as requests are looked at now and then."""

    worker: Worker
    since_us: int
    error_us: int


def explain(
    message: Message,
    hold: Hold | None,
    consumers: Sequence[Worker],
    visibility_s: float,
    now_us: int,
    *,
    others: int = 0,
) -> dict[str, Any]:
    """Return what a message waits for now, and the parts of its delay so far, which add up to all of it.

    Parameters:
        hold: None while it is in the broker.
        consumers: the live workers of its queue.
        visibility_s: after how long the broker gives out again what is held; 0 never.
        others: consumers of its queue that the broker knows, looked at where there are no such workers.

    >>> held = Hold(Worker("w1", 1, [{"task": "shop.report", "started_us": 0}]), 4_000_000, 1_000_000)
    >>> found = explain(Message(1_000_000), held, [held.worker], 0.0, 10_000_000)
    >>> found["because"], found["broker_seconds"], found["hold_seconds"], found["hold_error_seconds"]
    ('slot', 3.0, 6.0, 1.0)
    >>> explain(Message(1_000_000, 61_000_000), None, [], 0.0, 10_000_000)["remaining_seconds"]
    51.0
    """
    published = message.published_us or (hold.since_us if hold else now_us)
    start = max(published, message.due_us)
    planned_us = max(0, min(now_us, start) - published)
    taken = min(max(hold.since_us, start), now_us) if hold else max(now_us, start)
    because, text = _because(message, hold, consumers, others, now_us)
    return {
        "because": because,
        "text": text,
        "seconds": _seconds(now_us - published),
        "eta_seconds": 0.0 if message.retried else _seconds(planned_us),
        "retry_backoff_seconds": _seconds(planned_us) if message.retried else 0.0,
        "broker_seconds": _seconds(min(taken, now_us) - min(start, now_us)),
        "hold_seconds": _seconds(now_us - max(taken, start)) if hold else 0.0,
        "hold_error_seconds": _seconds(min(hold.error_us, max(0, now_us - start))) if hold else 0.0,
        "remaining_seconds": _seconds(message.due_us - now_us),
        "slots": _slots(hold, consumers, now_us) if because in {SLOT, BROKER} else [],
        "delivered_twice": twice(message.due_us, hold.since_us if hold else now_us, visibility_s),
    }


def twice(due_us: int, taken_us: int, visibility_s: float) -> bool:
    """Tell whether the broker gives a message out again before it is due.

    >>> twice(7_200_000_000, 0, 3600.0), twice(1_800_000_000, 0, 3600.0), twice(7_200_000_000, 0, 0.0)
    (True, False, False)
    """
    return bool(visibility_s) and due_us - taken_us > visibility_s * 1e6


def _because(
    message: Message, hold: Hold | None, consumers: Sequence[Worker], others: int, now_us: int
) -> tuple[str, str]:
    where = f", held by {hold.worker.name}" if hold else ""
    if message.due_us > now_us:
        left = f"{(message.due_us - now_us) / 1e6:.0f} s"
        return (RETRY, f"tried again in {left}{where}") if message.retried else (ETA, f"due in {left}{where}")
    if hold is not None:
        if hold.worker.full:
            return SLOT, f"held by {hold.worker.name}, whose {_slots_of(hold.worker.slots)} busy"
        return HELD, f"held by {hold.worker.name}, which has free slots"
    if not consumers:
        known = f"in the broker, which counts {others} consumer{'s' if others > 1 else ''} that nothing is heard of"
        return (BROKER, known) if others else (NO_CONSUMER, "no worker consumes its queue")
    if all(worker.full for worker in consumers):
        slots = sum(worker.slots for worker in consumers)
        return BROKER, f"in the broker: {'all ' * (slots > 1)}{_of_workers(slots)} busy"
    return BROKER, "in the broker: workers of its queue have free slots"


def _of_workers(slots: int) -> str:
    return "the one slot of its queue's worker is" if slots == 1 else f"{slots} slots of its queue's workers are"


def _slots_of(slots: int) -> str:
    return "slot is" if slots == 1 else f"{slots} slots are"


def _slots(hold: Hold | None, consumers: Sequence[Worker], now_us: int) -> list[dict[str, Any]]:
    """Return what runs in the slots that are waited for, the longest running first."""
    of = [hold.worker] if hold else consumers
    rows: list[dict[str, Any]] = [
        {
            "worker": worker.name,
            "pid": run.get("pid"),
            "id": run.get("id"),
            "task": run.get("task"),
            "seconds": _seconds(now_us - (run.get("started_us") or now_us)),
        }
        for worker in of
        for run in worker.running
    ]
    return sorted(rows, key=lambda row: -row["seconds"])[:_MOST_NAMED]


def _seconds(us: int) -> float:
    return round(max(0, us) / 1e6, 3)
