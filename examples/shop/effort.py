"""Pretended work of three kinds, so that the shop costs what a real one would: CPU, waiting, memory."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager


def think(seconds: float) -> None:
    """Use about that much CPU time, half as much up to twice as much."""
    until = time.process_time() + seconds * random.uniform(0.5, 2.0)
    while time.process_time() < until:
        sum(range(200))


def wait_for(seconds: float) -> None:
    """Wait as for a database or another service: usually a bit less, sometimes four times as long."""
    time.sleep(min(seconds * random.lognormvariate(-0.1, 0.5), seconds * 4))


@contextmanager
def hold(mebibytes: int) -> Iterator[None]:
    """Hold that much resident memory inside the block."""
    block = bytearray(mebibytes << 20)
    block[::4096] = b"\1" * len(block[::4096])  # touched, so that it is resident
    yield
    del block
