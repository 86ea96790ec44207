"""Work in slices: the fold may run in a thread of the user's worker and must let it breathe."""

from __future__ import annotations

import time
from collections.abc import Callable


class Slices:
    """Calls `pause` whenever a slice of CPU time was used since the last pause.

    Parameters:
        slice_s: CPU seconds of this thread between pauses.
        pause: called between two steps of the work; None for never.
    """

    def __init__(self, slice_s: float, pause: Callable[[], None] | None) -> None:
        self._slice_s = slice_s
        self._pause = pause
        self._since = time.thread_time()

    def breathe(self) -> None:
        """Pause if it is time to."""
        if self._pause is not None and time.thread_time() - self._since >= self._slice_s:
            self._pause()
            self._since = time.thread_time()
