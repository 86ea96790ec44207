"""Fixtures of every room: a private server, real workers, and what the machine may lack."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import hypothesis
import pytest
import redis
from hypothesis import HealthCheck

from celery_monitor.cli.embedded import EmbeddedServer
from celery_monitor.store.connection import Store
from tests import fleet, parts
from tests.processes import CeleryProcess, worker_command

# A busy machine is slow at anything, also at making examples: time decides nothing. Continuous integration tries the
# same examples each time, so that what it says is said of the change; everywhere else they are others each time.
hypothesis.settings.register_profile(
    "any machine",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize="CI" in os.environ,
)
hypothesis.settings.load_profile("any machine")


class WorkerFactory(Protocol):
    """The fixture `worker`: starts a worker, returns it ready, ends it after the test."""

    def __call__(
        self,
        app: str,
        *,
        pool: str = "prefork",
        concurrency: int = 2,
        queues: Sequence[str] | None = None,
        hostname: str | None = None,
        env: Mapping[str, str] | None = None,
        options: Sequence[str] = (),
        cwd: Path | None = None,
    ) -> CeleryProcess: ...


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With `-n` alone keep the tests of a file in one process, so that what they share is started once."""
    from xdist.scheduler import LoadFileScheduling

    return LoadFileScheduling(config, log) if config.getoption("dist") == "load" else None


@pytest.fixture(scope="session")
def require() -> Callable[[str], str]:
    """``require("chromium")`` is the program's path; missing means skipped, in CI failed."""
    return parts.require


@pytest.fixture(scope="session")
def redis_server() -> Iterator[EmbeddedServer]:
    """A server of this test process alone, on a unix socket; never the one that REDIS_URL names."""
    parts.require("redis-server")
    with EmbeddedServer() as server:
        yield server


@pytest.fixture
def redis_url(redis_server: EmbeddedServer, runtime_dir: str) -> str:
    """The server's URL in Celery's form, its data flushed."""
    with redis.Redis.from_url(redis_server.client_url) as client:
        client.flushall()
    return redis_server.url


@pytest.fixture
def store(redis_url: str) -> Iterator[Store]:
    """The store of the app `shop`, with a small fleet's records in it."""
    opened = Store.open(redis_url, "shop")
    fleet.record(opened)
    yield opened
    opened.close()


@pytest.fixture(scope="session", autouse=True)
def rings_root() -> Iterator[str]:
    """A folder on the tmpfs for the rings of whatever tests start, killed or not; gone afterwards."""
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    folder = tempfile.mkdtemp(prefix="celery-monitor-test-", dir=base)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CELERY_MONITOR_RUNTIME_DIR", folder)
        yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def runtime_dir(rings_root: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Give a test rings of its own: what a killed worker of an earlier one left, a worker of this one would ship."""
    own = tempfile.mkdtemp(dir=rings_root)
    monkeypatch.setenv("CELERY_MONITOR_RUNTIME_DIR", own)
    return own


@pytest.fixture
def worker(redis_url: str, tmp_path: Path) -> Iterator[WorkerFactory]:
    """Start real workers on `redis_url`: Celery itself reads CELERY_BROKER_URL and CELERY_RESULT_BACKEND."""
    started: list[CeleryProcess] = []
    numbers = itertools.count(1)
    given = {"CELERY_BROKER_URL": redis_url, "CELERY_RESULT_BACKEND": redis_url}

    def start(
        app: str, *, env: Mapping[str, str] | None = None, cwd: Path | None = None, **options: Any
    ) -> CeleryProcess:
        name = f"worker-{next(numbers)}"
        command = worker_command(**{"hostname": f"{name}@%h", **options})
        log = tmp_path / f"{name}.log"
        process = CeleryProcess(app, command, log, ready=" ready.", env={**given, **(env or {})}, cwd=cwd)
        started.append(process)
        return process.start()

    yield start
    for process in started:
        process.ask_to_stop()
    for process in started:
        process.stop()
