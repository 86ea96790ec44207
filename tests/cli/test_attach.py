"""Which namespace is read when nobody named one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from celery_monitor.cli.attach import namespaces
from celery_monitor.errors import StoreUnreachable
from celery_monitor.store import meta
from celery_monitor.store.connection import Store


@pytest.fixture
def store(redis_url: str) -> Iterator[Store]:
    opened = Store.open(redis_url, "shop")
    yield opened
    opened.close()


def test_an_empty_database_has_no_namespaces(store: Store) -> None:
    assert namespaces(store) == []


def test_namespaces_are_found_among_other_keys(store: Store, redis_url: str) -> None:
    store.client.set("cm:unrelated", "1")
    store.client.rpush("default", "a message")
    for name in ("shop", "eu.mail"):
        meta.check(Store.open(redis_url, name))

    assert namespaces(store) == ["eu.mail", "shop"]


def test_a_store_that_is_gone_is_said_so() -> None:
    with pytest.raises(StoreUnreachable):
        namespaces(Store.open("redis://127.0.0.1:1/0", "shop"))
