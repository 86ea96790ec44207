"""Queues of brokers that answer a passive declare: RabbitMQ, kombu's memory and filesystem transports."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from celery_monitor.brokers.sample import QueueSample


def sample(connection: Any, queues: Iterable[str], *, counts_consumers: bool) -> dict[str, QueueSample]:
    """Return a sample per queue by passive declares, which create nothing.

    Parameters:
        connection: an open kombu connection.
        queues: names; one that the broker does not know is unknown, not empty.
        counts_consumers: False when the transport answers 0 whatever is true.

    Raises:
        Exception: of kombu's connection errors, when the broker is gone.
    """
    out: dict[str, QueueSample] = {}
    channel = connection.channel()
    try:
        for name in queues:
            try:
                declared = channel.queue_declare(name, passive=True)
            except connection.channel_errors as error:
                out[name] = QueueSample(note=_reason(error))
                # AMQP closes a channel on an error; what comes next needs another one.
                channel = _reopened(channel, connection.channel)
                continue
            consumers = declared.consumer_count if counts_consumers else None
            out[name] = QueueSample(backlog=declared.message_count, consumers=consumers)
    finally:
        channel.close()
    return out


def _reason(error: Exception) -> str:
    code = getattr(error, "reply_code", getattr(error, "code", None))
    return "the broker knows no such queue" if code in (404, "404") else f"not readable: {error}"


def _reopened(channel: Any, make: Callable[[], Any]) -> Any:
    channel.close()
    return make()
