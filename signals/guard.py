"""The one seam between our handlers and the user's process: nothing of ours is ever raised into a task.

What a handler raises is logged once per kind and counted. SoftTimeLimitExceeded is the task's, not ours: Celery's
dispatcher would eat it as a handler's error, so it is sent again, into the body, when the dispatcher has returned.
"""

from __future__ import annotations

import inspect
import logging
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import wraps
from types import FrameType, TracebackType
from typing import Any, Final

from billiard.exceptions import SoftTimeLimitExceeded
from celery.utils.dispatch import Signal

logger = logging.getLogger("celery_monitor")
caught: Counter[str] = Counter()
"""Exceptions caught per handler and type since the process started; the agent reports them."""


def of_type(error: BaseException) -> str:
    """Return an exception's type alone: its text may be the user's, with secrets in it, or raise itself."""
    return type(error).__name__


told: Callable[[BaseException], str] = of_type
"""What the log says of an exception; `redact` sets one that knows secrets."""
on_interrupt: list[Callable[[], None]] = []
"""What must be put right when a soft time limit struck inside a handler: the writer's lock and its start slots."""
_AGAIN_S: Final = 0.002
_PATIENCE_S: Final = 1.0


def guarded(handler: Callable[..., None]) -> Callable[..., None]:
    """Wrap a signal handler so that it cannot raise an Exception; every other BaseException passes."""
    name = handler.__name__

    @wraps(handler)
    def receiver(**kwargs: Any) -> None:
        try:
            handler(**kwargs)
        except SoftTimeLimitExceeded:
            repair()
            redeliver()
        except Exception as error:  # noqa: BLE001 - the seam: a user's task must not notice us
            note(name, error)

    return receiver


class Seam:
    """A guard around a few lines of ours within the user's own call: ``with seam: ...``; a soft time limit passes."""

    def __init__(self, where: str) -> None:
        self._where = where

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> bool:
        if not isinstance(error, Exception) or isinstance(error, SoftTimeLimitExceeded):
            return False
        note(self._where, error)
        return True


def note(where: str, error: BaseException) -> None:
    """Count an error of ours, and log it the first time."""
    key = f"{where}: {type(error).__name__}"
    caught[key] += 1
    if caught[key] == 1:
        logger.warning("celery-monitor: %s failed and is left out (logged once): %s", where, told(error))


def repair() -> None:
    """Put right what a soft time limit left half done."""
    for mend in on_interrupt:
        mend()


def redeliver() -> None:
    """Give a soft time limit that struck inside a handler back to the task's body, if that is still to run."""
    traced = next((frame for frame in _stack(inspect.currentframe()) if frame.f_code.co_name == "trace_task"), None)
    threading.Thread(target=_deliver, args=(threading.get_ident(), traced), daemon=True).start()


def _deliver(thread: int, traced: FrameType | None) -> None:
    """Send the signal when the dispatcher has returned; never to a child that is done with the task."""
    until = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until:
        time.sleep(_AGAIN_S)
        frames = list(_stack(sys._current_frames().get(thread)))  # noqa: SLF001 - nothing public shows a thread's stack
        if traced is not None and traced not in frames:
            return
        if not any(frame.f_code is Signal.send.__code__ for frame in frames):
            break
    os.kill(os.getpid(), signal.SIGUSR1)


def _stack(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back
