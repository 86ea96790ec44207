"""A recorder for what user code does inside tasks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.signals.recorder import Recorder, recording


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """Record in this process as under a Monitor."""
    with recording() as found:
        yield found
