"""A connection to an app's broker that only reads: depth, age and holders of queues, in bounded time."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from typing import Any, Final

from celery_monitor.brokers import declare, forks, redis
from celery_monitor.brokers.sample import QueueSample

logger = logging.getLogger(__name__)

TIMEOUT_S: Final = 1.0
"""Longest wait for a connect and for each answer; a sample is not worth more."""

IDLE_S: Final = 30.0
"""Who samples less often than this connects anew each time: connections count on small plans."""

_REDIS_LIMITS: Final = {"socket_connect_timeout": TIMEOUT_S, "socket_timeout": TIMEOUT_S}
_AMQP_LIMITS: Final = {"read_timeout": TIMEOUT_S, "write_timeout": TIMEOUT_S}


def sample(app: Any, queues: Iterable[str], now_us: int | None = None) -> dict[str, QueueSample]:
    """Return a sample per queue over a connection of its own, closed before returning (`Sampler.sample`)."""
    sampler = Sampler(app)
    try:
        return sampler.sample(queues, now_us)
    finally:
        sampler.close()


class Sampler:
    """Samples queues of an app's broker; keeps its connection between calls. For one thread.

    Parameters:
        app: the Celery app; its configuration says where the broker is.
    """

    def __init__(self, app: Any) -> None:
        self._app = app
        self._connection: Any = None
        self._used_s = 0.0

    def sample(self, queues: Iterable[str], now_us: int | None = None) -> dict[str, QueueSample]:
        """Return a sample per queue; never raises, what could not be read is None with a note.

        Parameters:
            queues: names of queues.
            now_us: clock to take ages by; None for this machine's.
        """
        names = list(queues)
        if not names:
            return {}
        try:
            return self._sample(names, time.time_ns() // 1000 if now_us is None else now_us)
        except Exception as error:
            self.close()
            logger.debug("queues not sampled", exc_info=True)
            return dict.fromkeys(names, QueueSample(note=f"broker not readable: {type(error).__name__}: {error}"))

    def close(self) -> None:
        """Close the connection, if there is one; the next sample opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.release()

    def close_if_idle(self) -> None:
        """Close the connection when it was not used for `IDLE_S`."""
        if time.monotonic() - self._used_s > IDLE_S:
            self.close()

    def _sample(self, names: list[str], now_us: int) -> dict[str, QueueSample]:
        self.close_if_idle()
        self._used_s = time.monotonic()
        connection = self._connected()
        kind = connection.transport.driver_type
        if kind == "redis":
            forks.leave_alone(connection.default_channel)
            return redis.sample(connection.default_channel, names, self._routes(), now_us)
        if kind == "amqp":
            return declare.sample(connection, names, counts_consumers=True)
        if kind in ("memory", "filesystem"):
            return declare.sample(connection, names, counts_consumers=False)
        # Other transports of kombu create the queue when they are asked for its size.
        return dict.fromkeys(names, QueueSample(note=f"depth of {kind} queues cannot be read without side effects"))

    def _connected(self) -> Any:
        if self._connection is None:
            connection = self._app.connection_for_read(connect_timeout=TIMEOUT_S)
            limits = {"redis": _REDIS_LIMITS, "amqp": _AMQP_LIMITS}.get(connection.transport.driver_type, {})
            connection.transport_options.update(limits)
            self._connection = connection
        self._connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0, timeout=TIMEOUT_S)
        return self._connection

    def _routes(self) -> dict[tuple[str, str], str]:
        queues = self._app.amqp.queues
        return {(q.exchange.name or "", q.routing_key or name): name for name, q in dict(queues).items()}
