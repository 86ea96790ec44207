"""What the handlers of one Flower share: the Monitor, threads for the store's answers, the live feeds."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from celery_monitor.web import answers
from celery_monitor.web.cache import Cache
from celery_monitor.web.feeds import Feeds

T = TypeVar("T")

_THREADS: Final = 4  # of our own: Flower's are all taken while its inspect calls wait for a dead broker
_SWITCH_S: Final = 0.0005
"""After so long a thread that computes an answer lets Flower's loop run: Python's own 5 ms are waited for several times
in one request, once after each read and write, and again for each thread that computes."""


class Site:
    """One per Flower application.

    Parameters:
        monitor: the Celery app's Monitor; its `reader()` is called in a thread.
    """

    def __init__(self, monitor: Any) -> None:
        self.monitor = monitor
        if sys.getswitchinterval() > _SWITCH_S:
            sys.setswitchinterval(_SWITCH_S)
        self._executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="celery-monitor-web")
        self._cache = Cache(self._executor)
        self.feeds = Feeds(lambda window: self.answer(answers.live, {"window": window}))

    async def answer(self, answer: answers.Answer[T], params: Mapping[str, str]) -> T:
        """Return an answer, shared with whoever asks the same within a second.

        Raises:
            MonitorError: as the reader does.
        """
        key = (answer.__name__, tuple(sorted(params.items())))
        return await self._cache.get(key, lambda: answer(self.monitor.reader(), params))

    async def metrics(self, accept: str) -> tuple[bytes, str]:
        """Return the Prometheus exposition in a format that `accept` (a header) names, and its content type.

        Raises:
            MonitorError: as the reader does.
        """
        return await self._cache.get(("metrics", accept), lambda: self._render_metrics(accept))

    async def close(self) -> None:
        """End the feeds; threads end by themselves, the store's timeouts bound them."""
        await self.feeds.close()
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _render_metrics(self, accept: str) -> tuple[bytes, str]:
        from celery_monitor.prometheus import render  # noqa: PLC0415 - only who is scraped needs it

        return render(self.monitor.reader(), accept)
