"""Fixtures of every room: a private server, real workers, and what the machine may lack."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import pytest
import redis

from celery_monitor.cli.embedded import EmbeddedServer
from tests import parts
from tests.processes import CeleryProcess, worker_command


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
def redis_url(redis_server: EmbeddedServer) -> str:
    """The server's URL in Celery's form, its data flushed."""
    with redis.Redis.from_url(redis_server.client_url) as client:
        client.flushall()
    return redis_server.url


@pytest.fixture(scope="session")
def runtime_dir() -> Iterator[str]:
    """A folder on the tmpfs for the rings of processes that tests start, killed ones too; gone afterwards."""
    folder = tempfile.mkdtemp(prefix="celery-monitor-test-", dir="/dev/shm")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def worker(redis_url: str, runtime_dir: str, tmp_path: Path) -> Iterator[WorkerFactory]:
    """Start real workers on `redis_url`: Celery itself reads CELERY_BROKER_URL and CELERY_RESULT_BACKEND."""
    started: list[CeleryProcess] = []
    numbers = itertools.count(1)

    def start(
        app: str,
        *,
        pool: str = "prefork",
        concurrency: int = 2,
        queues: Sequence[str] | None = None,
        hostname: str | None = None,
        env: Mapping[str, str] | None = None,
        options: Sequence[str] = (),
        cwd: Path | None = None,
    ) -> CeleryProcess:
        name = f"worker-{next(numbers)}"
        command = worker_command(
            pool=pool,
            concurrency=concurrency,
            queues=queues,
            hostname=hostname or f"{name}@%h",
            options=options,
        )
        given = {
            "CELERY_BROKER_URL": redis_url,
            "CELERY_RESULT_BACKEND": redis_url,
            "CELERY_MONITOR_RUNTIME_DIR": runtime_dir,
        }
        process = CeleryProcess(
            app, command, tmp_path / f"{name}.log", ready=" ready.", env={**given, **(env or {})}, cwd=cwd
        )
        started.append(process)
        process.start()
        return process

    yield start
    for process in started:
        process.ask_to_stop()
    for process in started:
        process.stop()
