"""A Flower to ask, and one that tasks have run for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from celery_monitor.cli.embedded import EmbeddedServer
from tests.web.site import Site

MakeSite = Callable[..., Site]


@pytest.fixture(scope="module")
def store(redis_server: EmbeddedServer) -> str:
    """The server's URL, empty at the module's start."""
    with redis.Redis.from_url(redis_server.client_url) as client:
        client.flushall()
    return redis_server.url


@pytest.fixture(scope="module")
def make_site(store: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeSite]:
    """Start a Flower with options; it ends with the module."""
    started: list[Site] = []

    def make(*options: str, broker: str = store, env: dict[str, str] | None = None) -> Site:
        log: Path = tmp_path_factory.mktemp("flower") / "flower.log"
        started.append(Site(broker, log, *options, env=env))
        return started[-1]

    yield make
    for site in started:
        site.process.ask_to_stop()
    for site in started:
        site.stop()


@pytest.fixture(scope="module")
def site(make_site: MakeSite) -> Site:
    """A Flower without authentication."""
    return make_site()
