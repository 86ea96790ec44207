"""Wait for a condition, never for a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(condition: Callable[[], T], *, seconds: float = 20.0, step: float = 0.05, what: str = "") -> T:
    """Return the condition's first true value.

    Args:
        condition: called every `step` seconds.
        seconds: how long a loaded machine may take before this is a failure.
        step: seconds between two looks.
        what: what was waited for, for the message.

    Raises:
        AssertionError: it did not become true; the message shows the last value.
    """
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds:g} s: {what or condition}; the last value was {value!r}")
        time.sleep(step)
