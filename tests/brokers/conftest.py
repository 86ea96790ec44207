"""Messages here are of a plain app: a Monitor that another test set up in this process stands aside."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from celery_monitor.signals import handlers


@pytest.fixture(autouse=True)
def plain_messages() -> Iterator[None]:
    connected = handlers.connected()
    handlers.disconnect()
    yield
    if connected:
        handlers.connect()
