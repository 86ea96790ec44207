from __future__ import annotations

import pytest

from celery_monitor.errors import ConfigurationError, StoreTooNew
from celery_monitor.store import inbox, meta
from celery_monitor.store.connection import Store
from tests.store.batches import NOW_US, agent

MINUTE = 60_000_000


def test_a_new_store_gets_this_version(store: Store) -> None:
    assert store.client.hgetall(store.keys.meta) == {b"write": b"1", b"min_read": b"1", b"shards": b"1"}
    assert meta.may_fold(store)


def test_a_reader_writes_nothing_into_a_new_store(redis_url: str) -> None:
    store = Store.open(redis_url, "untouched")

    meta.check(store, create=False)

    assert store.client.dbsize() == 0
    store.close()


@pytest.mark.parametrize("version", ["2", "nonsense"])
def test_a_store_of_a_newer_release_is_refused(store: Store, version: str) -> None:
    store.client.hset(store.keys.meta, "min_read", version)

    with pytest.raises(StoreTooNew, match="upgrade it"):
        meta.check(store)


def test_a_store_that_is_written_newer_but_readable_is_read_and_not_folded(store: Store) -> None:
    store.client.hset(store.keys.meta, "write", 2)

    meta.check(store)

    assert not meta.may_fold(store)


def test_a_default_namespace_that_another_fleet_lives_in_is_refused(store: Store) -> None:
    meta.claim_namespace(store, "fleet one", NOW_US, is_default=True)
    inbox.send(store, None, agent())

    with pytest.raises(ConfigurationError, match=r"'shop' \(the default\) is used by another fleet \(fleet one\)"):
        meta.claim_namespace(store, "fleet two", NOW_US, is_default=True)
    meta.claim_namespace(store, "fleet one", NOW_US, is_default=True)


def test_a_namespace_somebody_has_chosen_is_shared(store: Store) -> None:
    meta.claim_namespace(store, "fleet one", NOW_US, is_default=True)
    inbox.send(store, None, agent())

    meta.claim_namespace(store, "fleet two", NOW_US, is_default=False)


@pytest.mark.parametrize("state", [agent(goodbye=True), agent(at_us=NOW_US - 11 * MINUTE)])
def test_a_namespace_whose_fleet_has_gone_is_free(store: Store, state: dict) -> None:
    meta.claim_namespace(store, "fleet one", NOW_US, is_default=True)
    inbox.send(store, None, state)  # type: ignore[arg-type]

    meta.claim_namespace(store, "fleet two", NOW_US, is_default=True)

    assert store.client.hget(store.keys.meta, "owner") == b"fleet two"
