"""A scene: one server, workers of the truth app, producers in processes of their own, and a reader."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import redis

from celery_monitor.query.reader import Reader
from celery_monitor.store.connection import Store
from tests.conftest import WorkerFactory
from tests.parts import ROOT
from tests.processes import CeleryProcess
from tests.truth import verdicts, witness
from tests.truth.script import Ends, Expected
from tests.waiting import until

APP = "tests.truth.app:app"


class Scene:
    """What happens, and what is said of it.

    Attributes:
        expected: of everything that was published so far.
        settings: of the app, in every process that is started from now on.
        worker_env: variables of workers alone.
    """

    def __init__(self, worker: WorkerFactory, redis_url: str, folder: Path, memory: Path) -> None:
        self._worker, self._url = worker, redis_url
        self.truth = folder / "truth"
        self.memory = memory
        self.settings: dict[str, Any] = {}
        self.worker_env: dict[str, str] = {}
        self.expected: Expected = {}
        self.workers: list[CeleryProcess] = []
        self.reader = Reader(Store.open(redis_url, "truth"))

    @property
    def env(self) -> dict[str, str]:
        """Environment of every process of the scene."""
        return {
            "CELERY_BROKER_URL": self._url,
            "CELERY_RESULT_BACKEND": self._url,
            "CELERY_MONITOR_RUNTIME_DIR": str(self.memory),
            witness.FILE: str(self.truth),
            witness.SETTINGS: json.dumps(self.settings),
        }

    def redeliver_after(self, seconds: int) -> None:
        """Have the broker give out again what was not acknowledged for so long."""
        restore = {"visibility_timeout": seconds, "unacked_restore_interval": 1, "unacked_restore_throttle": 1}
        self.settings["broker_transport_options"] = restore

    def timed_out(self) -> None:
        """Wait until all that is unacknowledged is due again: a worker that starts then gives it out at once."""
        wanted = self.settings["broker_transport_options"]["visibility_timeout"]

        def due() -> bool:
            newest = client.zrange("unacked_index", -1, -1, withscores=True)
            return not newest or newest[0][1] < time.time() - wanted

        with redis.Redis.from_url(self._url.replace("redis+socket://", "unix://", 1)) as client:
            until(due, seconds=60, what="the visibility timeout is over")

    def drained(self) -> bool:
        """Tell whether the broker holds no message any more, neither waiting nor handed out."""
        with redis.Redis.from_url(self._url.replace("redis+socket://", "unix://", 1)) as client:
            return not client.llen("celery") and not client.hlen("unacked")

    def work(self, pool: str = "prefork", concurrency: int = 4, options: Sequence[str] = ()) -> CeleryProcess:
        """Start a worker."""
        env = {**self.env, **self.worker_env}
        started = self._worker(APP, pool=pool, concurrency=concurrency, env=env, options=options)
        self.workers.append(started)
        return started

    def publish(self, *rows: str, bare: bool = False) -> None:
        """Publish rows, or all rows of a pool, by a producer of its own; `bare` has no Monitor."""
        told = json.loads(self._produce("produce", *rows, bare=bare))
        self.expected.update({task_id: tuple(tuple(one) for one in right) for task_id, right in told.items()})

    def send(self, name: str, *args: Any, right: tuple[Ends, ...] | None, times: int = 1) -> list[str]:
        """Publish messages for a task, and return their ids; `right` is None when only the bodies know."""
        ids = [str(uuid4()) for _ in range(times)]
        self._produce("send", text=json.dumps([[task_id, name, args] for task_id in ids]))
        if right is not None:
            self.expected.update(dict.fromkeys(ids, right))
        return ids

    def _produce(self, module: str, *words: str, bare: bool = False, text: str = "") -> str:
        done = subprocess.run(
            [sys.executable, "-m", f"tests.truth.{module}", *words],
            input=text,
            cwd=ROOT,
            env={**os.environ, **self.env, **({witness.BARE: "1"} if bare else {})},
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    @property
    def lives(self) -> list[witness.Life]:
        """What bodies did so far."""
        return witness.lives(self.truth)

    def begun(self, task_id: str, times: int = 1) -> None:
        """Wait until a body of an execution has begun so many times."""
        until(
            lambda: sum(life.id == task_id for life in self.lives) >= times,
            seconds=60,
            what=f"{times} x {task_id} begun",
        )

    def wrong(self) -> list[str]:
        """Return what is said that is not so."""
        return verdicts.differences(self.reader, self.expected, self.lives)

    def settle(self, seconds: float = 45.0) -> None:
        """Wait until everything is right, end the workers, and see that it still is, in the totals as well.

        Raises:
            AssertionError: with one line for each execution that is not as it should be.
        """
        last: list[str] = []

        def right() -> bool:
            last[:] = self.wrong()
            return not last

        try:
            until(right, seconds=seconds, step=0.5)
        except AssertionError:
            logs = "\n".join(worker.log[-3000:] for worker in self.workers) if len(last) < 3 else ""
            raise AssertionError("\n".join([f"{len(last)} executions are wrong:", *last[:30], logs])) from None
        self.end()
        assert self.wrong() == []
        counted, listed = verdicts.totals(self.reader)
        assert counted == listed

    def end(self) -> None:
        """End every worker."""
        for worker in self.workers:
            worker.ask_to_stop()
        for worker in self.workers:
            worker.stop()


@pytest.fixture
def memory() -> Iterator[Path]:
    """A directory for rings, on a tmpfs where there is one, gone after the test."""
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="truth-", dir=base))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def scene(worker: WorkerFactory, redis_url: str, tmp_path: Path, memory: Path) -> Scene:
    """Return an empty scene."""
    return Scene(worker, redis_url, tmp_path, memory)


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """Return a folder that is no tmpfs: what goes there never reaches a disk, and is not counted."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    mounts = {line.split()[2]: line.split(" - ")[1].split()[0] for line in lines}
    for folder in (tmp_path, Path("/var/tmp")):
        device = folder.stat().st_dev
        if mounts.get(f"{os.major(device)}:{os.minor(device)}") != "tmpfs":
            return folder
    pytest.skip("neither pytest's folder nor /var/tmp is on a disk (give one: pytest --basetemp=FOLDER)")
