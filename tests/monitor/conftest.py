"""A store of each test's own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from celery_monitor.store.connection import Store


@pytest.fixture
def store(redis_url: str) -> Iterator[Store]:
    found = Store.open(redis_url, "shop", timeout_s=5.0)
    yield found
    found.close()
