"""A store and a folder for rings of each test's own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator

import pytest

from celery_monitor.store.connection import Store


@pytest.fixture(autouse=True)
def runtime_dir(runtime_dir: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A folder for the rings of one test: what a refused store leaves in it is adopted by nobody else's worker."""
    own = tempfile.mkdtemp(dir=runtime_dir)
    monkeypatch.setenv("CELERY_MONITOR_RUNTIME_DIR", own)
    return own


@pytest.fixture
def store(redis_url: str) -> Iterator[Store]:
    found = Store.open(redis_url, "shop", timeout_s=5.0)
    yield found
    found.close()
