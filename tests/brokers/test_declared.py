"""Queues that others have declared, and brokers that make a queue of any name they are asked for."""

from __future__ import annotations

from typing import Any

import pytest
from celery import Celery
from kombu import Connection, Exchange, Queue
from kombu.transport import virtual

from celery_monitor.brokers import declare
from celery_monitor.brokers.sampler import Sampler


@pytest.mark.parametrize("prefix", ["", "fleet*["])
def test_queues_anybody_declared_in_redis_are_found(redis_url: str, prefix: str) -> None:
    options = {"global_keyprefix": prefix} if prefix else {}
    app = Celery("shop", broker=redis_url, set_as_current=False)
    app.conf.broker_transport_options = options
    with Connection(redis_url, transport_options=options) as other:
        exchange = Exchange("documents", "topic")
        for name in ("pdf", "png"):
            Queue(name, exchange, routing_key=f"render.{name}").bind(other.default_channel).declare()
        Queue("wrok", Exchange("wrok")).bind(other.default_channel).declare()
        Queue("celeryev.x", Exchange("celeryev", "fanout")).bind(other.default_channel).declare()
    sampler = Sampler(app)

    assert sampler.declared() == {"pdf", "png", "wrok"}

    sampler.close()
    app.close()


def test_a_broker_that_is_away_or_of_another_kind_declares_nothing() -> None:
    for broker in ("redis://127.0.0.1:1/0", "memory://"):
        with Celery("shop", broker=broker, set_as_current=False) as app:
            sampler = Sampler(app)
            assert sampler.declared() == set()
            sampler.close()


class Shelf(virtual.Channel):
    """A transport of another kind, which makes what it is asked for."""

    made: list[str]

    def _size(self, queue: str) -> int:
        self.made.append(queue)
        return 3


def test_only_of_queues_that_are_consumed_an_unknown_broker_is_asked() -> None:
    channel: Any = Shelf.__new__(Shelf)
    channel.made = []
    connection: Any = type("Connection", (), {"default_channel": channel})()

    found = declare.sizes(connection, ["mail", "typo"], {"mail": 1}, "shelf")

    assert (found["mail"].backlog, found["typo"].backlog) == (3, None)
    assert "nobody consumes" in (found["typo"].note or "")
    assert channel.made == ["mail"]


def test_a_broker_that_cannot_tell_is_said_so_and_never_empty() -> None:
    channel: Any = virtual.Channel.__new__(virtual.Channel)
    connection: Any = type("Connection", (), {"default_channel": channel})()

    found = declare.sizes(connection, ["mail"], {"mail": 1}, "odd")["mail"]

    assert found.backlog is None
    assert found.note == "odd: kombu's transport does not tell the depth of queues"
