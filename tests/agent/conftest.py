"""A folder on a real tmpfs for rings."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from celery_monitor.agent import folder


@pytest.fixture
def shm() -> Iterator[Path]:
    """A folder of ours in /dev/shm."""
    if not folder.on_tmpfs("/dev/shm"):
        pytest.skip("/dev/shm is no tmpfs here")
    made = Path(tempfile.mkdtemp(prefix="celery-monitor-test-", dir="/dev/shm"))
    yield made
    shutil.rmtree(made, ignore_errors=True)
