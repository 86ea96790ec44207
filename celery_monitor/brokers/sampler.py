"""A connection to an app's broker that only reads: depth, age and holders of queues, in bounded time."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Any, Final

from celery_monitor.brokers import declare, forks, health, rabbitmq, redis
from celery_monitor.brokers.bindings import Bindings
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
        rabbitmq_api: URL of RabbitMQ's management API, None for none.

    Attributes:
        kind: what the broker is, as kombu calls it: redis, amqp, SQS, ...; empty before the first sample.
    """

    def __init__(self, app: Any, rabbitmq_api: str | None = None) -> None:
        self._app, self._api = app, rabbitmq_api
        self.kind = ""
        self._bindings = Bindings()
        self._connection: Any = None
        self._used_s = 0.0

    def sample(
        self, queues: Iterable[str], now_us: int | None = None, *, consumed: Collection[str] = ()
    ) -> dict[str, QueueSample]:
        """Return a sample per queue; never raises, what could not be read is None with a note.

        Parameters:
            queues: names of queues.
            now_us: clock to take ages by; None for this machine's.
            consumed: those of them that live workers consume, so they exist: some brokers make a queue of any
                name they are asked for.
        """
        names = list(queues)
        if not names:
            return {}
        try:
            return self._sample(names, time.time_ns() // 1000 if now_us is None else now_us, consumed)
        except Exception as error:
            self.close()
            logger.debug("queues not sampled", exc_info=True)
            return dict.fromkeys(names, QueueSample(note=f"broker not readable: {type(error).__name__}: {error}"))

    def declared(self) -> set[str]:
        """Return the queues that anybody has declared, as far as looks at the broker have shown them; never raises."""
        try:
            connection = self._connected()
            if connection.transport.driver_type == "redis":
                forks.leave_alone(connection.default_channel)
                self._bindings.step(connection.default_channel)
        except Exception:
            self.close()
            logger.debug("bindings not read", exc_info=True)
        return self._bindings.queues

    def health(self) -> dict[str, Any] | None:
        """Return how a Redis broker is (`health.read`), None for brokers of another kind; never raises."""
        try:
            connection = self._connected()
            if connection.transport.driver_type != "redis":
                return None
            forks.leave_alone(connection.default_channel)
            return health.read(redis.client_of(connection.default_channel))
        except Exception as error:  # noqa: BLE001 - of kombu's and its transport's errors whichever
            self.close()
            return {"note": f"not readable: {type(error).__name__}: {error}"[:200]}

    def close(self) -> None:
        """Close the connection, if there is one; the next sample opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.release()

    def close_if_idle(self) -> None:
        """Close the connection when it was not used for `IDLE_S`."""
        if time.monotonic() - self._used_s > IDLE_S:
            self.close()

    def _sample(self, names: list[str], now_us: int, consumed: Collection[str]) -> dict[str, QueueSample]:
        self.close_if_idle()
        self._used_s = time.monotonic()
        connection = self._connected()
        kind = self.kind = connection.transport.driver_type
        if kind == "redis":
            forks.leave_alone(connection.default_channel)
            return redis.sample(connection.default_channel, names, self._routes(), now_us)
        if kind == "amqp":
            return self._with_api(connection, declare.sample(connection, names, counts_consumers=True), now_us)
        if kind in ("memory", "filesystem"):
            return declare.sample(connection, names, counts_consumers=False)
        return declare.sizes(connection, names, consumed, kind)

    def _with_api(self, connection: Any, found: dict[str, QueueSample], now_us: int) -> dict[str, QueueSample]:
        if self._api is None:
            return found
        try:
            told = rabbitmq.queues(self._api, connection.virtual_host or "/", connection.userid, connection.password)
        except rabbitmq.FAILURES as error:
            logger.debug("management API not read", exc_info=True)
            note = f"management API not readable: {type(error).__name__}: {error}"
            return {name: replace(sample, note=sample.note or note) for name, sample in found.items()}
        return {name: rabbitmq.completed(sample, told.get(name), now_us) for name, sample in found.items()}

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
