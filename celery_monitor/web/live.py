"""``/monitor/ws``: pushes the summary of a window to a browser, one frame in flight."""
# ruff: noqa: D102 - the public methods here are Tornado's, documented there

from __future__ import annotations

import asyncio
from typing import Any

import tornado.websocket

from celery_monitor.web.feeds import Subscriber
from celery_monitor.web.handlers import ApiHandler

DEFAULT_WINDOW = "1h"


class LiveSocket(ApiHandler, tornado.websocket.WebSocketHandler):
    """One browser's connection.

    `prepare` asks for Flower's credentials at the upgrade; Tornado compares Origin with Host there. Behind a
    proxy that rewrites Host the upgrade is refused and the page polls. Whatever a client sends is ignored.
    """

    _subscriber: Subscriber | None = None
    _pusher: asyncio.Task[None] | None = None
    _window = DEFAULT_WINDOW

    @property
    def ping_interval(self) -> float:
        return 20.0  # in seconds; finds browsers that went away without a word

    @property
    def max_message_size(self) -> int:
        return 1024  # in bytes; nothing that comes from a browser is read

    def open(self, *_: str, **__: str) -> None:
        self._window = self.get_query_argument("window", DEFAULT_WINDOW)
        try:
            self._subscriber = self.site.feeds.subscribe(self._window)
        except Exception:  # noqa: BLE001 - too many, or closing down: the page polls
            self.close(1013, "try again later")
            return
        self._pusher = asyncio.create_task(self._push(self._subscriber))

    async def _push(self, subscriber: Subscriber) -> None:
        try:
            while True:
                # Awaiting the write holds back the next frame until this one has left.
                await self.write_message((await subscriber.take()).decode("ascii"))
        except (tornado.websocket.WebSocketClosedError, tornado.iostream.StreamClosedError):
            pass

    def on_message(self, message: str | bytes) -> None:
        pass

    def on_close(self) -> None:
        if self._subscriber is not None:
            self.site.feeds.unsubscribe(self._window, self._subscriber)
        if self._pusher is not None:
            self._pusher.cancel()

    def log_exception(self, *exc_info: Any) -> None:
        if not isinstance(exc_info[1], tornado.websocket.WebSocketClosedError):
            super().log_exception(*exc_info)
