"""Apps and environments that share one Redis: none of them sees the others, and a reader shows the one it is asked."""

from __future__ import annotations

from pathlib import Path

from celery_monitor.query.reader import Reader
from celery_monitor.store import fold, inbox, lease, live, meta, schedule, workers
from celery_monitor.store.connection import Store
from celery_monitor.store.rows import runs, waits
from tests.store import everything
from tests.store.batches import NOW_US, agent, attempt, batch
from tests.web.site import Site

OWN = ("live", "staging", "shop:0}", "cm", "{shop}")
"""Two environments of one app, and names that would end a hash tag or look like a prefix."""


def test_what_is_under_one_namespace_is_under_no_other(redis_url: str) -> None:
    full = Store.open(redis_url, "shop", identity_labels=("customer",))
    everything.fill(full, NOW_US)
    before = {key: full.client.dump(key) for key in full.client.keys("*")}
    for name in OWN:
        other = Store.open(redis_url, name, identity_labels=("customer",))
        meta.check(other)
        fold.fold(other, NOW_US)

        reader = Reader(other)
        assert reader.lifetime(NOW_US) == {}
        assert reader.executions(now_us=NOW_US)["executions"] == []
        assert reader.runs(now_us=NOW_US)["runs"] == []
        assert reader.workers("24h", NOW_US)["workers"] == []
        assert reader.logs(now_us=NOW_US)["logs"] == []
        assert reader.failures("24h", now_us=NOW_US)["failures"] == []
        found = (live.agents, live.pace, runs.active, waits.open_waits, schedule.beats, workers.read)
        assert not any(read(other) for read in found)
        other.close()

    after = {key: full.client.dump(key) for key in full.client.keys("cm:{shop:0}:*")}
    assert after == before, "the folds of the others have changed nothing here"
    full.close()


def test_each_of_several_folds_its_own_and_the_same_names_are_not_added_up(redis_url: str) -> None:
    stores = [Store.open(redis_url, name) for name in OWN]
    for tasks, store in enumerate(stores, 1):
        meta.check(store)
        inbox.send(store, batch(1, [attempt(n) for n in range(tasks)]), agent())
    fold.fold(stores[0], NOW_US)

    assert [store.client.xlen(store.keys.inbox_tasks) for store in stores] == [0, 1, 1, 1, 1]
    assert [Reader(store).tasks(60, NOW_US)["shop.charge"].ended for store in stores] == [1, 2, 3, 4, 5]
    for store in stores:
        store.close()


def test_a_flower_shows_the_namespace_it_was_given(redis_url: str, tmp_path: Path) -> None:
    for tasks, name in enumerate(("shop", "staging"), 1):
        store = Store.open(redis_url, name)
        meta.check(store)
        now_us = lease.now_us(store)
        inbox.send(store, batch(1, [attempt(n, at_us=now_us) for n in range(tasks)], at_us=now_us), None)
        store.close()

    flower = Site(redis_url, tmp_path / "flower.log", env={"CELERY_MONITOR_NAMESPACE": "staging"})
    try:
        shown = flower.get("/monitor/api/v1/summary").json
    finally:
        flower.stop()

    assert shown["namespace"] == "staging"
    assert [task["ended"] for task in shown["tasks"]] == [2]
