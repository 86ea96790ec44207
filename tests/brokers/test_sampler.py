"""The sampler: which broker is asked how, and what happens when it does not answer."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest
import redis as redis_py
from celery import Celery

from celery_monitor.brokers.sample import QueueSample
from celery_monitor.brokers.sampler import Sampler, sample
from celery_monitor.cli.embedded import EmbeddedServer


def made(broker: str, **conf: object) -> Celery:
    app = Celery("shop", broker=broker, set_as_current=False)
    app.conf.update(conf)
    return app


def test_no_queues_need_no_broker() -> None:
    assert sample(made("redis://127.0.0.1:1/0"), []) == {}


@pytest.mark.parametrize("broker", ["redis://127.0.0.1:1/0", "amqp://guest:guest@127.0.0.1:1//"])
def test_a_broker_that_refuses_is_unknown_with_a_note(broker: str) -> None:
    before = time.monotonic()

    found = sample(made(broker), ["mail"])["mail"]

    assert found.gauges() == {}
    assert "broker not readable" in (found.note or "")
    assert time.monotonic() - before < 5


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_a_broker_that_never_answers_takes_bounded_time(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        before = time.monotonic()
        found = sample(made(f"{scheme}://127.0.0.1:{silent.getsockname()[1]}//"), ["mail"])["mail"]

    assert found.gauges() == {}
    assert time.monotonic() - before < 8


def test_after_a_failure_the_next_sample_connects_anew(redis_server: EmbeddedServer, redis_url: str) -> None:
    app = made(redis_url)
    sampler = Sampler(app)
    assert sampler.sample(["mail"])["mail"].backlog == 0
    with redis_py.Redis.from_url(redis_server.client_url) as client:
        client.client_kill_filter(_type="normal", skipme=True)

    app.send_task("shop.mail", queue="mail")

    assert [sampler.sample(["mail"])["mail"].backlog for _ in range(2)][-1] == 1
    sampler.close()
    app.close()


def test_a_sampler_leaves_no_connection_behind(redis_server: EmbeddedServer, redis_url: str) -> None:
    app = made(redis_url)
    with redis_py.Redis.from_url(redis_server.client_url) as client:
        before = client.info("clients")["connected_clients"]
        sample(app, ["mail"])
        after = client.info("clients")["connected_clients"]

    assert after == before


def test_files_of_a_filesystem_broker_are_counted(tmp_path: Path) -> None:
    folders = {
        "data_folder_in": str(tmp_path),
        "data_folder_out": str(tmp_path),
        "control_folder": str(tmp_path),
    }
    app = made("filesystem://", broker_transport_options=folders)
    app.send_task("shop.mail", queue="mail")

    found = sample(app, ["mail", "pdf"])

    assert (found["mail"].backlog, found["mail"].consumers) == (1, None)
    app.close()


def test_a_queue_that_a_broker_does_not_know_is_unknown_and_not_empty() -> None:
    app = made("memory://")
    app.send_task("shop.mail", queue="mail")

    found = sample(app, ["never-declared", "mail"])

    assert found["never-declared"] == QueueSample(note="the broker knows no such queue")
    assert found["mail"].backlog == 1
    app.close()
