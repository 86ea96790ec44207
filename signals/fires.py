"""Records what a beat sends: the entry, when it was due, when it was sent, and the id of the execution."""

from __future__ import annotations

from struct import Struct
from typing import Final

from celery_monitor.signals import process
from celery_monitor.signals.inside import pack_texts
from celery_monitor.signals.record import Kind, pack_id

FIRE: Final = Struct("<qqqIB")
"""sent us, due us (0 unknown), next due us (0 unknown), due times skipped since the last one, length of the id."""
FIRE_TEXTS: Final = (400, 400, 1024)
"""entry, task, error (empty when it was sent)."""


def put(sent_us: int, due_us: int, next_us: int, skipped: int, task_id: str, entry: str, task: str, error: str) -> None:
    """Write the record into this process's ring."""
    own = pack_id(task_id) if task_id else b""
    head = FIRE.pack(sent_us, due_us, next_us, min(skipped, 0xFFFFFFFF), len(own))
    process.put(Kind.FIRE, head + own + pack_texts(FIRE_TEXTS, entry, task, error))
