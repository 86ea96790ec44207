"""Queues of a real Redis broker."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import redis as redis_py
from celery import Celery
from kombu import Exchange, Queue

from celery_monitor.brokers import redis as module
from celery_monitor.brokers.sampler import Sampler
from celery_monitor.cli.embedded import EmbeddedServer
from celery_monitor.signals.header import encode

S = 1_000_000
NOW = 1_763_640_000 * S
RUN = b"r" * 16


@pytest.fixture
def app(redis_url: str) -> Iterator[Celery]:
    made = Celery("shop", broker=redis_url, set_as_current=False)
    yield made
    made.close()


@pytest.fixture
def sampler(app: Celery) -> Iterator[Sampler]:
    made = Sampler(app)
    yield made
    made.close()


def send(app: Celery, queue: str, *, age_s: float | None = None, **options: Any) -> None:
    headers = {} if age_s is None else {"cm": encode(NOW - round(age_s * S), RUN, "daily")}
    app.send_task("shop.mail", queue=queue, headers=headers, **options)


def test_all_priorities_of_a_queue_are_counted(app: Celery, sampler: Sampler) -> None:
    for priority in (0, 3, 5, 9):
        send(app, "mail", priority=priority)

    assert sampler.sample(["mail"])["mail"].backlog == 4


def test_a_queue_nobody_wrote_to_is_empty(sampler: Sampler) -> None:
    sample = sampler.sample(["mail"])["mail"]

    assert (sample.backlog, sample.oldest_s, sample.unacked, sample.consumers) == (0, 0.0, 0, None)


def test_the_oldest_message_of_any_priority_gives_the_age(app: Celery, sampler: Sampler) -> None:
    send(app, "mail", age_s=12, priority=0)
    send(app, "mail", age_s=41, priority=9)
    send(app, "mail", age_s=5, priority=9)

    assert sampler.sample(["mail"], NOW)["mail"].oldest_s == 41.0


def test_a_message_without_our_header_has_an_unknown_age(app: Celery, sampler: Sampler) -> None:
    send(app, "mail")

    sample = sampler.sample(["mail"], NOW)["mail"]

    assert (sample.backlog, sample.oldest_s) == (1, None)


def test_a_header_inside_the_arguments_is_not_mistaken_for_ours(app: Celery, sampler: Sampler) -> None:
    app.send_task("shop.mail", args=['"cm": "' + encode(1, RUN, "")], queue="mail", argsrepr='"cm": "1xyz')

    assert sampler.sample(["mail"], NOW)["mail"].oldest_s is None


def test_a_publisher_whose_clock_is_ahead_gives_no_negative_age(app: Celery, sampler: Sampler) -> None:
    send(app, "mail", age_s=-30)

    assert sampler.sample(["mail"], NOW)["mail"].oldest_s == 0.0


def test_a_global_key_prefix_is_respected(redis_url: str) -> None:
    app = Celery("shop", broker=redis_url, set_as_current=False)
    app.conf.broker_transport_options = {"global_keyprefix": "eu:", "priority_steps": [0, 5], "sep": ":"}
    send(app, "mail", age_s=7)
    send(app, "mail", age_s=9, priority=7)
    sampler = Sampler(app)

    sample = sampler.sample(["mail"], NOW)["mail"]

    assert (sample.backlog, sample.oldest_s) == (2, 9.0)
    sampler.close()
    app.close()


def test_messages_that_a_worker_holds_are_attributed_to_their_queues(
    app: Celery, sampler: Sampler, redis_server: EmbeddedServer
) -> None:
    app.conf.task_queues = [Queue("mail"), Queue("pdf", Exchange("documents"), routing_key="render")]
    for queue in ("mail", "mail", "pdf"):
        send(app, queue)
    with app.connection_for_read() as connection:
        for name in ("mail", "mail", "pdf"):
            assert app.amqp.queues[name].bind(connection.default_channel).get() is not None
        held = {name: s.unacked for name, s in sampler.sample(["mail", "pdf", "sms"]).items()}

    assert held == {"mail": 2, "pdf": 1, "sms": 0}


def test_too_many_held_messages_are_unknown_and_not_zero(
    app: Celery, sampler: Sampler, redis_server: EmbeddedServer
) -> None:
    with redis_py.Redis.from_url(redis_server.client_url) as client:
        client.hset("unacked", mapping={str(n): '[{}, "", "mail"]' for n in range(module.MOST_UNACKED + 1)})

    sample = sampler.sample(["mail"])["mail"]

    assert (sample.backlog, sample.unacked) == (0, None)
    assert "unacked" in (sample.note or "")


def test_reading_changes_nothing_in_the_broker(app: Celery, sampler: Sampler, redis_server: EmbeddedServer) -> None:
    send(app, "mail", age_s=1)
    with redis_py.Redis.from_url(redis_server.client_url) as client:
        before = {key: client.dump(key) for key in client.scan_iter()}
        sampler.sample(["mail", "never-declared"])
        after = {key: client.dump(key) for key in client.scan_iter()}

    assert after == before


def test_the_message_that_is_served_next_is_named(app: Celery, sampler: Sampler) -> None:
    send(app, "mail", age_s=12, task_id="first")
    send(app, "mail", age_s=5, task_id="second")

    assert sampler.sample(["mail"], NOW)["mail"].oldest == ("first", "shop.mail", NOW - 12 * S)


def test_a_tick_of_ours_is_no_backlog(app: Celery, sampler: Sampler) -> None:
    app.send_task("celery_monitor.tick", queue="mail", headers={"cm": encode(NOW - 9 * S, RUN, "")})
    alone = sampler.sample(["mail"], NOW)["mail"]
    send(app, "mail", age_s=4)
    behind = sampler.sample(["mail"], NOW)["mail"]

    assert (alone.backlog, alone.oldest_s, alone.oldest) == (0, 0.0, None)
    assert (behind.backlog, behind.oldest) == (1, None)
