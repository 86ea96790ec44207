"""A store in a namespace of its own, on the private server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from celery_monitor.store import meta
from celery_monitor.store.connection import Store


@pytest.fixture
def store(redis_url: str) -> Iterator[Store]:
    opened = Store.open(redis_url, "shop")
    meta.check(opened)
    yield opened
    opened.close()
