"""The one seam between our handlers and the user's process: nothing of ours is ever raised into a task.

What a handler raises is logged once per kind and counted. SoftTimeLimitExceeded is the task's, not ours: Celery's
dispatcher would eat it as a handler's error, so it is sent again two milliseconds later, into the body.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable
from functools import wraps
from typing import Any

from billiard.exceptions import SoftTimeLimitExceeded

logger = logging.getLogger("celery_monitor")
caught: Counter[str] = Counter()
"""Exceptions caught per handler and type since the process started; the agent reports them."""

on_interrupt: list[Callable[[], None]] = []
"""What must be put right when a soft time limit struck inside a handler (the writer's lock)."""


def guarded(handler: Callable[..., None]) -> Callable[..., None]:
    """Wrap a signal handler so that it cannot raise an Exception; every other BaseException passes."""
    name = handler.__name__

    @wraps(handler)
    def receiver(**kwargs: Any) -> None:
        try:
            handler(**kwargs)
        except SoftTimeLimitExceeded:
            redeliver()
        except Exception as error:  # noqa: BLE001 - the seam: a user's task must not notice us
            note(name, error)

    return receiver


def note(where: str, error: BaseException) -> None:
    """Count an error of ours, and log it the first time."""
    key = f"{where}: {type(error).__name__}"
    caught[key] += 1
    if caught[key] == 1:
        logger.warning("celery-monitor: %s failed and is left out (logged once): %r", where, error, exc_info=error)


def redeliver() -> None:
    """Give a soft time limit that struck inside a handler back to the task's body."""
    for mend in on_interrupt:
        mend()
    timer = threading.Timer(0.002, os.kill, (os.getpid(), signal.SIGUSR1))
    timer.daemon = True
    timer.start()
