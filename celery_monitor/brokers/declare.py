"""Queues of brokers that answer a passive declare, and of those that only tell the size of a queue that exists."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

from kombu.transport import virtual

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


def sizes(connection: Any, queues: Iterable[str], consumed: Collection[str], kind: str) -> dict[str, QueueSample]:
    """Return the depth of the queues that are consumed, where kombu's transport tells it.

    Most of kombu's other transports (SQS, SQLAlchemy) make a queue of any name they are asked for: only of one that a
    worker consumes, which has made it, may they be asked.
    """
    size = getattr(connection.default_channel, "_size", None)
    out: dict[str, QueueSample] = {}
    for name in queues:
        if name not in consumed:
            out[name] = QueueSample(
                note=f"{kind}: the depth of a queue that nobody consumes is not asked for: to ask makes it"
            )
        elif size is None or getattr(size, "__func__", None) is virtual.Channel._size:  # noqa: SLF001 - it returns 0 always
            out[name] = QueueSample(note=f"{kind}: kombu's transport does not tell the depth of queues")
        else:
            out[name] = QueueSample(backlog=int(size(name)), note=f"{kind}: the age of messages is not known")
    return out


def _reason(error: Exception) -> str:
    code = getattr(error, "reply_code", getattr(error, "code", None))
    return "the broker knows no such queue" if code in (404, "404") else f"not readable: {error}"


def _reopened(channel: Any, make: Callable[[], Any]) -> Any:
    channel.close()
    return make()
