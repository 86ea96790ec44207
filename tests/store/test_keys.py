from __future__ import annotations

import re

from redis.crc import key_slot

from celery_monitor.store.connection import Store
from celery_monitor.store.keys import Keys
from tests import fleet
from tests.parts import ROOT


def test_all_keys_of_a_shard_lie_in_one_slot() -> None:
    for namespace in ("shop", "a}b{c", "ünï", "100%"):
        keys = Keys(namespace)
        made = [v for v in vars(keys).values() if isinstance(v, str)]
        made += [
            keys.inbox("m"),
            keys.cursor("m"),
            keys.seen("t", 3),
            keys.rollup(10, 20, "tq"),
            keys.executions.block(1),
            keys.logs.block(1),
        ]
        made += [keys.executions.index(1, 255), keys.logs.index(1, 255)]

        assert len({key_slot(key.encode()) for key in made}) == 1
        assert len(set(made)) >= 17


def test_namespaces_and_shards_do_not_meet() -> None:
    tags = {Keys(name, shard).tag for name in ("a", "a:1", "a}", "a%7D") for shard in (0, 1)}

    assert len(tags) == 8


def test_the_documented_pattern_finds_all_keys_of_a_namespace_and_no_others(redis_url: str) -> None:
    (pattern,) = re.findall(r"--pattern '([^']+)'", (ROOT / "docs/settings.md").read_text())
    for namespace in ("shopping", "my.shop", "shop"):
        store = Store.open(redis_url, namespace)
        fleet.record(store)
        store.close()

    shop = Store.open(redis_url, "shop")
    found, all_keys = set(shop.client.scan_iter(match=pattern)), set(shop.client.scan_iter())
    shop.close()

    assert found == {key for key in all_keys if key.startswith(b"cm:{shop:")}
    assert len(found) > 10
