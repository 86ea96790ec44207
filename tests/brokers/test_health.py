"""How a real Redis says it is."""

from __future__ import annotations

import doctest

import redis as redis_py
from celery import Celery

from celery_monitor.brokers import health as module
from celery_monitor.brokers.sampler import Sampler
from celery_monitor.cli.embedded import EmbeddedServer


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(module).failed == 0


def test_a_real_server_tells_everything(redis_server: EmbeddedServer, redis_url: str) -> None:
    with redis_py.Redis.from_url(redis_server.client_url) as client:
        found = module.read(client)
    assert found["used_bytes"] > 100_000
    assert found["clients"] >= 1
    assert found["latency_s"] > 0
    assert (found["role"], found["errors"]) == ("master", [])
    assert found["policy"] == "noeviction"


def test_the_hit_ratio_and_evictions_are_of_the_time_between_two_looks(redis_server: EmbeddedServer) -> None:
    with redis_py.Redis.from_url(redis_server.client_url) as client:
        before = module.read(client)
        client.set("there", "x")
        for key in ("there", "there", "there", "away"):
            client.get(key)
        levels = module.gauges(module.read(client), before, 2.0)
    assert levels["hit_ratio"] == 0.75
    assert levels["evicted_s"] == 0.0
    assert "memory_ratio" not in levels, "there is no limit"


def test_a_restart_between_two_looks_gives_no_rates() -> None:
    now = {"hits": 1.0, "misses": 0.0, "evicted": 0.0, "run_id": "b"}
    assert module.gauges(now, {"hits": 900.0, "misses": 9.0, "evicted": 9.0, "run_id": "a"}, 10.0) == {}


def test_a_server_that_forbids_info_says_so(redis_server: EmbeddedServer) -> None:
    with redis_py.Redis.from_url(redis_server.client_url) as client:
        client.acl_setuser("blind", enabled=True, nopass=True, categories=["+@all"], commands=["-info"], keys=["*"])
    blind = redis_py.Redis.from_url(redis_server.client_url, username="blind", password="x")
    found = module.read(blind)
    blind.close()
    with redis_py.Redis.from_url(redis_server.client_url) as client:
        client.acl_deluser("blind")
    assert found["note"].startswith("not readable: NoPermissionError")


def test_a_broker_is_looked_at_through_its_app_and_other_kinds_are_none(redis_url: str) -> None:
    with Celery("shop", broker=redis_url, set_as_current=False) as app:
        sampler = Sampler(app)
        assert (sampler.health() or {})["used_bytes"] > 0
        sampler.close()
    with Celery("shop", broker="memory://", set_as_current=False) as app:
        sampler = Sampler(app)
        assert sampler.health() is None
        sampler.close()
    with Celery("shop", broker="redis://127.0.0.1:1/0", set_as_current=False) as app:
        assert (Sampler(app).health() or {})["note"].startswith("not readable")
