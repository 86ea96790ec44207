from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import redis

from celery_monitor.errors import ConfigurationError, StoreRefused, StoreUnreachable
from celery_monitor.store import inbox, meta
from celery_monitor.store.connection import Store, without_password
from tests.store.batches import agent


@contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """A server that is no Redis: it answers anything with the same bytes."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                talk, _ = listener.accept()
            except OSError:
                return
            with talk:
                if talk.recv(4096):
                    talk.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def test_nothing_is_connected_before_it_is_used() -> None:
    store = Store.open("redis://user:secret@127.0.0.1:1/0", "shop")

    assert store.where == "redis://user:***@127.0.0.1:1/0"
    store.close()


def test_a_server_that_is_not_there_is_named_without_its_password() -> None:
    store = Store.open("redis://user:secret@127.0.0.1:1/0", "shop", timeout_s=0.5)

    with pytest.raises(StoreUnreachable, match=r"^redis://user:\*\*\*@127.0.0.1:1/0 cannot be reached: .+$") as caught:
        inbox.send(store, None, agent())
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_server_that_is_no_redis_is_named() -> None:
    with answering(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        store = Store.open(f"redis://127.0.0.1:{port}/0", "shop")

        with pytest.raises(StoreRefused, match=r"does not answer like a Redis: .*HTTP"):
            meta.check(store)
        store.close()


def test_a_wrong_password_is_named(store: Store, redis_url: str) -> None:
    store.client.config_set("requirepass", "right")
    try:
        path = redis_url.removeprefix("redis+socket://").partition("?")[0]
        wrong = Store.open(f"redis+socket://:wrong@{path}", "shop")
        with pytest.raises(StoreRefused, match="refuses our credentials") as caught:
            meta.check(wrong)
        right = Store.open(f"redis+socket://:right@{path}?virtual_host=1", "shop")
        meta.check(right)
    finally:
        store.client.config_set("requirepass", "")

    assert "wrong" not in str(caught.value).partition("WRONGPASS")[0]
    wrong.close()
    right.close()


def test_a_read_only_server_is_named(store: Store) -> None:
    store.client.replicaof("127.0.0.1", 1)
    try:
        with pytest.raises(StoreRefused, match="is read-only"):
            inbox.send(store, None, agent())
    finally:
        store.client.replicaof("NO", "ONE")


def test_a_full_server_is_named(store: Store) -> None:
    store.client.config_set("maxmemory", 1)
    try:
        with pytest.raises(StoreRefused, match="memory"):
            inbox.send(store, None, agent())
    finally:
        store.client.config_set("maxmemory", 0)


@pytest.mark.parametrize("url", ["amqp://host", "memory://", "redis", ""])
def test_other_urls_are_refused_with_the_accepted_form(url: str) -> None:
    with pytest.raises(ConfigurationError, match="redis://"):
        Store.open(url, "shop")


def test_a_bad_option_in_the_url_is_a_configuration_error() -> None:
    store = Store.open("redis://localhost:port/0", "shop")

    with pytest.raises(ConfigurationError, match="monitor_url"):
        _ = store.client


def test_the_forms_of_celery_and_of_redis_py_both_reach_the_socket(redis_url: str) -> None:
    path = redis_url.removeprefix("redis+socket://").partition("?")[0]
    for url in (f"redis+socket://{path}", f"unix://{path}", f"redis+socket://{path}?virtual_host=/2"):
        store = Store.open(url, "shop")
        assert store.client.ping()
        store.close()


def test_celery_words_of_tls_are_understood() -> None:
    store = Store.open("rediss://localhost:1/0?ssl_cert_reqs=CERT_NONE", "shop")

    assert store.client.connection_pool.connection_kwargs["ssl_cert_reqs"] == "none"


def test_sentinels_are_asked_for_the_primary() -> None:
    store = Store.open("sentinel://127.0.0.1:1;sentinel://127.0.0.1:2/3?master_name=shop", "shop")

    assert store.client.connection_pool.service_name == "shop"
    assert store.client.connection_pool.connection_kwargs["db"] == 3
    with pytest.raises(StoreUnreachable):
        meta.check(store)


def test_no_command_is_retried_behind_our_back(store: Store) -> None:
    assert store.client.get_retry().get_retries() == 0


def test_a_closed_store_opens_again(store: Store) -> None:
    store.close()

    assert store.client.ping()


def test_passwords_are_hidden_in_every_form() -> None:
    assert without_password("sentinel://:a@h:1;sentinel://:b@i:2/0") == "sentinel://:***@h:1;sentinel://:***@i:2/0"
    assert without_password("redis://h/0?password=a&db=1") == "redis://h/0?password=***&db=1"
    assert without_password("unix:///run/redis.sock") == "unix:///run/redis.sock"


def test_errors_of_the_store_keep_their_cause(store: Store) -> None:
    store.client.set(store.keys.live, "a text where a hash belongs")

    with pytest.raises(StoreRefused, match="holds a string, not our hash") as caught:
        inbox.send(store, None, agent())
    assert isinstance(caught.value.__cause__, redis.ResponseError)
