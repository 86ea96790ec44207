"""Workers that say nothing for longer than three leases, and live: what was booked as LOST is taken back."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.processes import CeleryProcess
from tests.truth.conftest import Scene
from tests.truth.script import SUCCESS
from tests.truth.witness import HEARTBEAT
from tests.waiting import until

SILENT_S = 12.0
"""Longer than three heartbeats of a second, the patience of who ticks, and what a busy machine adds."""


@pytest.fixture
def watched(scene: Scene) -> Scene:
    """Return a scene with short leases, and a worker of another queue that ticks while the other one is silent."""
    scene.worker_env[HEARTBEAT] = "1"
    scene.settings["monitor_tick_interval"] = 1.0
    scene.work(concurrency=1, options=["-Q", "nothing"])
    return scene


@pytest.mark.parametrize(("pool", "concurrency"), [("gevent", 10), ("solo", 1)])
def test_a_task_that_holds_the_interpreter_is_not_lost(watched: Scene, pool: str, concurrency: int) -> None:
    if pool == "gevent":
        pytest.importorskip("gevent")
    watched.work(pool, concurrency)
    ids = watched.send("succeed", right=SUCCESS, times=20)
    until(lambda: all(watched.reader.execution(one) for one in ids), what="the worker takes tasks")
    [held] = watched.send("hold", SILENT_S, right=SUCCESS)
    watched.send("succeed", right=SUCCESS, times=20)
    watched.begun(held)
    shown(watched, [held], "LOST")
    settled(watched)


def test_a_stopped_worker_is_not_lost_once_it_goes_on(watched: Scene) -> None:
    stopped = watched.work(concurrency=2)
    ids = watched.send("nap", 3, right=SUCCESS, times=2)
    for one in ids:
        watched.begun(one)
    shown(watched, ids, "STARTED")
    with frozen(stopped):
        shown(watched, ids, "LOST")
        assert watched.reader.summary("1h")["totals"]["lost"] == 2
    settled(watched)


class frozen:  # noqa: N801 - reads as a statement
    """Stops every process of a worker, as a paused machine does."""

    def __init__(self, worker: CeleryProcess) -> None:
        self._group = worker.pid

    def __enter__(self) -> None:
        os.killpg(self._group, signal.SIGSTOP)

    def __exit__(self, *_: object) -> None:
        os.killpg(self._group, signal.SIGCONT)


def test_a_worker_that_cannot_reach_the_store_is_not_lost_once_it_can(watched: Scene, wire: Wire) -> None:
    watched.worker_env["CELERY_MONITOR_URL"] = wire.url
    watched.work(concurrency=2)
    ids = watched.send("nap", SILENT_S, right=SUCCESS, times=2)
    for one in ids:
        watched.begun(one)
    shown(watched, ids, "STARTED")
    wire.cut()
    shown(watched, ids, "LOST")
    wire.mend()
    settled(watched)


class Wire:
    """A way to the store that can be cut: bytes wait, and connections are neither taken nor refused."""

    def __init__(self, store: str, folder: Path) -> None:
        self._store, self._path = store, str(folder / "wire.sock")
        self._open = threading.Event()
        self._open.set()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self._path)
        self._listener.listen()
        self.url = f"redis+socket://{self._path}"
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        self._open.clear()

    def mend(self) -> None:
        self._open.set()

    def close(self) -> None:
        self.mend()
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(self._store)
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError), source, sink:
            while data := source.recv(65536):
                self._open.wait()
                sink.sendall(data)
            sink.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def wire(redis_url: str, tmp_path: Path) -> Iterator[Wire]:
    made = Wire(redis_url.removeprefix("redis+socket://").partition("?")[0], tmp_path)
    yield made
    made.close()


def shown(scene: Scene, ids: list[str], state: str) -> None:
    """Wait until all of some executions are said to be in a state."""

    def states() -> set[str]:
        return {(scene.reader.execution(one) or {"state": "-"})["state"] for one in ids}

    until(lambda: states() == {state}, seconds=60, what=f"{len(ids)} executions are {state}")


def settled(scene: Scene) -> None:
    """See that everything ended well, and that nothing is counted as lost."""
    scene.settle()
    totals = scene.reader.summary("1h")["totals"]
    assert (totals["lost"], totals["succeeded"]) == (0, len(scene.expected))
